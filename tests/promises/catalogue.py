"""The promises, the scenario that tries each, and the ways in which each is broken on purpose.

Nothing of the product is imported here: edits are put in force before it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.promises import edits
from tests.promises.variants import Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Code that breaks a promise. `phase`: the part of the scenario that shows it; None: all of it.

    `outside`: it is run by processes that the scenario starts, and not in the scenario's own.
    """

    name: str
    edits: Sequence[Edit]
    phase: str | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How a variant of a promise about speed is found broken: the figure of that name is so many times the real one's, or that part."""

    figures: Sequence[str]
    times: float

    def is_clearly_worse(self, variant: Mapping[str, float], real: Mapping[str, float]) -> str | None:
        """What is worse; None if nothing is. Above 1, more is worse; below 1, less is."""
        for name in self.figures:
            if name in variant and name in real:
                by = variant[name] / real[name]
                if by >= self.times > 1 or by <= self.times < 1:
                    return f"{name} {variant[name]:.2f} against {real[name]:.2f}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A claim and the function that tries it. `at_least`: fewer checks make a run empty, `variants_at_least` for a broken one.

    `always`: edits of the real run, too, which take away what else would keep the promise. `alone`: nothing runs beside it.
    `ratio`: its figures are reported and judge nobody; variants are compared with the real run.
    """

    name: str
    claim: str
    module: str
    function: str
    at_least: int
    variants: Sequence[Variant]
    variants_at_least: int = 1
    ratio: Ratio | None = None
    always: Sequence[Edit] = ()
    alone: bool = False
    seconds: float = 240.0

    def variant(self, name: str) -> Variant:
        """The variant of that name. KeyError if there is none."""
        return {each.name: each for each in self.variants}[name]


PROMISES = (
    Promise(
        name="T1",
        claim="no committed event is lost",
        module="tests.promises.delivery",
        function="try_completeness",
        at_least=5_000,
        variants_at_least=1_000,
        variants=(
            Variant(name="id-only", edits=edits.ID_ONLY),
            Variant(name="target-after-rows", edits=edits.TARGET_AFTER_ROWS),
        ),
    ),
    Promise(
        name="T2",
        claim="events of a subject arrive in the order of their commits, also with contending relays",
        module="tests.promises.delivery",
        function="try_order",
        at_least=5_000,
        variants_at_least=1_000,
        variants=(
            Variant(name="by-xid-and-id", edits=edits.BY_XID_AND_ID),
            Variant(name="row-before-number", edits=edits.ROW_BEFORE_NUMBER),
        ),
    ),
    Promise(
        name="T2b",
        claim="two topics that meet in a service end in one state, however they are mixed",
        module="tests.promises.interleaving",
        function="try_interleavings",
        at_least=300,
        variants_at_least=50,
        variants=(Variant(name="by-arrival", edits=edits.BY_ARRIVAL, phase="marketing"),),
    ),
    Promise(
        name="T3",
        claim="kill -9 of relay, consumer, API and PostgreSQL loses nothing and doubles nothing",
        module="tests.promises.kills",
        function="try_kills",
        at_least=500,
        variants_at_least=60,
        seconds=600.0,
        variants=(
            Variant(name="cursor-before-ack", edits=edits.CURSOR_BEFORE_ACK, phase="relay", outside=True),
            Variant(name="position-first", edits=edits.POSITION_FIRST, phase="chunk", outside=True),
            Variant(name="no-inbox", edits=edits.NO_INBOX, phase="relay", outside=True),
        ),
    ),
    Promise(
        name="T4",
        claim="a zombie owner of a partition is harmless, by its position alone",
        module="tests.promises.owners",
        function="try_two_owners",
        at_least=2_000,
        variants_at_least=500,
        always=edits.NO_INBOX,
        variants=(Variant(name="position-unchecked", edits=edits.POSITION_UNCHECKED),),
    ),
    Promise(
        name="T5",
        claim="a broker that dies, hangs, refuses or cuts connections delays publishing, and nothing else",
        module="tests.promises.brokers",
        function="try_brokers",
        at_least=200,
        seconds=600.0,
        variants=(
            Variant(name="producer-kept", edits=edits.PRODUCER_KEPT, phase="refused"),
            Variant(name="no-deadline", edits=edits.NO_DEADLINE, phase="time-out"),
            Variant(name="several-batches", edits=edits.SEVERAL_BATCHES, phase="refused"),
        ),
    ),
    Promise(
        name="T6",
        claim="a bad event holds its key and nothing else, and is kept whole",
        module="tests.promises.poison",
        function="try_poison",
        at_least=2_500,
        variants=(
            Variant(name="skip-on-error", edits=edits.SKIP_ON_ERROR, phase="isolation"),
            Variant(name="whole-chunk-again", edits=edits.WHOLE_CHUNK_AGAIN, phase="isolation"),
            Variant(name="followers-applied", edits=edits.FOLLOWERS_APPLIED, phase="isolation"),
        ),
    ),
    Promise(
        name="T7",
        claim="whatever is sent or read again has no new effect",
        module="tests.promises.again",
        function="try_replay",
        at_least=2_400,
        variants=(Variant(name="inbox-days-dropped-early", edits=edits.INBOX_DAYS_DROPPED_EARLY),),
    ),
    Promise(
        name="T14",
        claim="a 2xx is never sent before the COMMIT of what it says",
        module="tests.promises.answers",
        function="try_answers",
        at_least=100,
        variants_at_least=4,
        variants=(
            Variant(name="yield-dependency", edits=edits.TRANSACTION_OF_A_DEPENDENCY, phase="order"),
            Variant(name="yield-dependency-killed", edits=edits.TRANSACTION_OF_A_DEPENDENCY, phase="kill", outside=True),
            Variant(name="woken-inside", edits=edits.WOKEN_INSIDE, phase="order"),
        ),
    ),
    Promise(
        name="T8",
        claim="a restored database loses nothing and uses no number twice",
        module="tests.promises.restore",
        function="try_restore",
        at_least=1_000,
        variants_at_least=300,
        variants=(
            Variant(name="identity-unchecked", edits=edits.IDENTITY_UNCHECKED, phase="fresh"),
            Variant(name="restored-left-out", edits=edits.RESTORED_LEFT_OUT, phase="earlier"),
        ),
    ),
    Promise(
        name="T9",
        claim="a process that is asked to end hands over, sends nothing twice, and ends in time, broker or not",
        module="tests.promises.shutdown",
        function="try_shutdown",
        at_least=300,
        seconds=600.0,
        variants=(
            Variant(name="cursor-not-written", edits=edits.CURSOR_NOT_WRITTEN_AT_STOP, phase="broker up", outside=True),
            Variant(name="unlimited-stop", edits=edits.UNLIMITED_STOP, phase="broker down", outside=True),
        ),
    ),
    Promise(
        name="T10",
        claim="how long an event takes, as a multiple of a bare record's way through the broker",
        module="tests.promises.speed",
        function="try_latency",
        at_least=10_000,
        variants_at_least=100,
        alone=True,
        ratio=Ratio(figures=("quiet_ratio", "foreign_ratio"), times=2.0),
        variants=(
            Variant(name="polling-only", edits=edits.POLLING_ONLY, phase="quiet"),
            Variant(name="oldest-transaction", edits=edits.OLDEST_TRANSACTION, phase="foreign"),
        ),
    ),
    Promise(
        name="T11",
        claim="how many events pass, as a share of bare inserts of the same rows",
        module="tests.promises.speed",
        function="try_throughput",
        at_least=5_000,
        variants_at_least=500,
        alone=True,
        ratio=Ratio(figures=("plain_share", "emitting_share"), times=0.5),
        variants=(Variant(name="event-by-event", edits=edits.EVENT_BY_EVENT),),
    ),
    Promise(
        name="T13",
        claim="days leave outbox and inbox without a loss and without a second effect",
        module="tests.promises.again",
        function="try_retention",
        at_least=2_000,
        variants=(
            Variant(name="dropped-unseen", edits=edits.DROPPED_UNSEEN),
            Variant(name="inbox-shorter", edits=edits.INBOX_SHORTER_THAN_OUTBOX),
        ),
    ),
    Promise(
        name="S1",
        claim="outbox, inbox and parking agree with a small model after every step",
        module="tests.promises.model",
        function="try_model",
        at_least=500,
        variants_at_least=10,
        variants=(
            Variant(name="id-only", edits=edits.ID_ONLY),
            Variant(name="no-inbox", edits=edits.NO_INBOX),
            Variant(name="followers-applied", edits=edits.FOLLOWERS_APPLIED),
        ),
    ),
)
"""In the order in which they are run."""


def find(name: str) -> Promise:
    """The promise of that name. KeyError if there is none."""
    return {promise.name: promise for promise in PROMISES}[name]
