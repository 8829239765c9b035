"""I12: what was written as personal or secret is nowhere but where it belongs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.checker.evidence import SERVICES, Final
from tests.chaos.checker.judging import Judged

Text = tuple[str, bytes]
"""Where something stands, and what stands there."""


def no_leak(texts: Iterable[Text], secrets: Sequence[str]) -> Judged:
    """None of the secrets stands in any of the texts. The secret itself is not repeated in what is found."""
    judged = Judged(name="I12")
    wanted = [secret.encode() for secret in secrets if secret]
    for where, content in texts:
        shown = [index for index, secret in enumerate(wanted) if secret in content]
        judged.expect(not shown, f"{where} shows the secrets {shown}")
    return judged


def texts_of(final: Final) -> Iterable[Text]:
    """What is published, noted of errors, and kept as answers."""
    for record in final.log:
        headers = b"\n".join(name.encode(errors="replace") + b"=" + (value or b"") for name, value in record.headers)
        yield f"{record.topic}/{record.part}/{record.offset}", headers + b"\n" + (record.value or b"") + (record.key or b"")
    for service in SERVICES:
        for row in final.rows(f"{service}.parked_event"):
            yield f"the error of parked event {row['id']} of {service}", str(row["error_text"]).encode()
        for row in final.rows(f"{service}.idempotency_key"):
            yield f"the answer kept for key {row['key']} at {service}", bytes(row["body"])
        for row in final.rows(f"{service}.audit_log"):
            yield f"line {row['id']} of the audit log of {service}", str(row).encode()


def lines_of(files: Iterable[Path]) -> Iterable[Text]:
    """The lines of log files; one that is not there gives nothing."""
    for file in files:
        if file.exists():
            with file.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    yield f"{file.name}:{number}", line
