"""Which Baton a command means, and how its next steps are spelt there."""

from pathlib import Path

import pytest

from baton import CommandError, cli
from baton.world import display, settling, telling

LOCAL = Path("/project/.baton")
SERVICES = {"handoff": {"url": "http://127.0.0.1:8002"}}


@pytest.mark.parametrize(
    ("option", "state_named", "environ", "meant"),
    [
        (None, False, {}, None),
        ("shop", False, {"BATON_STATE": "/elsewhere", "BATON_PROFILE": "other"}, "shop"),
        ("", False, {}, ""),
        (None, False, {"BATON_PROFILE": "shop"}, "shop"),
        (None, False, {"BATON_PROFILE": ""}, None),
        (None, True, {"BATON_PROFILE": "shop"}, None),
        (None, False, {"BATON_PROFILE": "shop", "BATON_STATE": "/elsewhere"}, None),
    ],
)
def test_the_closest_word_about_the_place_counts(option: str | None, state_named: bool, environ: dict[str, str], meant: str | None):
    assert cli.chosen(option, state_named=state_named, environ=environ) == meant


@pytest.mark.parametrize(
    ("folder", "called"),
    [
        ("/project/.baton", "baton"),
        ("/project/.baton-compose", "baton --profile compose"),
        ("/project/other", "BATON_STATE=/project/other baton"),
        ("/srv/my place/.baton-compose", "BATON_STATE='/srv/my place/.baton-compose' baton"),
    ],
)
def test_a_next_step_can_be_typed_as_it_is_shown(folder: str, called: str):
    assert telling.command(Path(folder), LOCAL) == called


def test_what_ends_it_all_depends_on_where_it_runs():
    here = str(display.next_steps({"services": SERVICES}, "a-lead"))
    assert "baton stop " in here
    assert "compose-down" not in here
    there = str(display.next_steps({"services": SERVICES, "containers": "shop"}, "a-lead", "baton --profile compose"))
    assert "make compose-down" in there
    assert "baton --profile compose status" in there
    assert " stop" not in there


@pytest.mark.parametrize("profile", [{}, {"services": SERVICES}])
def test_a_place_that_shows_no_figures_and_no_kafka_cannot_play_the_demo(profile: dict[str, object]):
    with pytest.raises(CommandError, match="what was applied cannot be told"):
        settling.by(profile)
