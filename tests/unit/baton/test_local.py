"""What the local runtime decides without touching the machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from baton.local import commands, services, state
from baton.local.errors import LocalError

FOLDER = Path("/somewhere/.baton")


def make_state(**changes: Any) -> state.State:
    ports = {name: 21_000 + number for number, name in enumerate(state.PORTS)}
    passwords = {name: f"secret-of-{name}" for name in (state.SUPERUSER, *state.SERVICES)}
    facts: dict[str, Any] = {
        "folder": FOLDER,
        "home": FOLDER,
        "installation": "i",
        "ports": ports,
        "passwords": passwords,
        "cursor_secret": "00" * 32,
        "cluster": "c",
    }
    return state.State(**{**facts, **changes})


def test_an_option_for_a_port_wins_over_the_environment():
    environment = {"BATON_PORT_MARKETING": "8001", "BATON_PORT_SALES_INTERNAL": "9003", "BATON_PORT_STRANGE": "1"}
    assert commands.fixed_ports(["marketing=8101"], environment) == {"marketing": 8101, "sales-internal": 9003}


@pytest.mark.parametrize("option", ["marketing", "marketing=", "marketing=x", "marketing=0", "marketing=65536", "billing=8001", "=8001"])
def test_a_port_that_is_none_is_refused(option: str):
    with pytest.raises(LocalError):
        commands.fixed_ports([option], {})


def test_a_service_gets_its_own_password_and_no_other():
    kept = make_state()
    for name in state.SERVICES:
        text = json.dumps(services.environment(kept, name, {}))
        assert [other for other in kept.passwords if kept.passwords[other] in text] == [name]


def test_the_settings_of_the_caller_do_not_reach_a_service():
    settings = services.environment(make_state(), "sales", {"BATON_TOPIC_PREFIX": "elsewhere.", "BATON_STATE": "/elsewhere", "LANG": "C"})
    assert settings["BATON_TOPIC_PREFIX"] == ""
    assert "BATON_STATE" not in settings
    assert settings["LANG"] == "C"
