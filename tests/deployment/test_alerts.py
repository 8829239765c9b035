"""Prometheus' own tests of the alert rules: by promtool on the path, else in its image. Without either they fail."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.stack import PROJECT

FOLDER = PROJECT / "deploy" / "prometheus"
IMAGE = "prom/prometheus:latest"
ALERTS = [rule["alert"] for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def promtool(folder: Path, *arguments: str) -> tuple[bool, str]:
    """Whether promtool is content with the files of that folder, and all that it says."""
    if found := shutil.which("promtool"):
        command = [found]
    else:
        assert shutil.which("docker"), "the alert rules are tested by promtool: install prometheus, or docker"
        command = ["docker", "run", "--rm", "--network", "none", "--user", "0", "--volume", f"{folder}:/rules:ro", "--workdir", "/rules"]
        command += ["--entrypoint", "promtool", IMAGE]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in {0, 1}, f"promtool did not run: {done.stderr}"
    return done.returncode == 0, done.stdout + done.stderr


def failed(said: str) -> set[str]:
    return set(re.findall(r"alertname: (\w+), time", said))


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "rules"))


def plant(folder: Path, expression: str) -> None:
    """Gives every rule that expression instead of its own."""
    file = folder / "alerts.yml"
    rules = yaml.safe_load(file.read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = expression
    file.write_text(yaml.safe_dump(rules))


def test_rules_and_scraping_are_valid() -> None:
    for arguments in (("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml")):
        content, said = promtool(FOLDER, *arguments)
        assert content, said
    assert f"{len(ALERTS)} rules found" in said


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    content, said = promtool(FOLDER, "test", "rules", "alerts_test.yml")
    assert content, said
    assert "SUCCESS" in said


@pytest.mark.parametrize("expression", ["vector(1)", "vector(1) < 0"], ids=["always", "never"])
def test_an_alert_that_fires_always_or_never_is_noticed(planted: Path, expression: str) -> None:
    plant(planted, expression)
    content, said = promtool(planted, "test", "rules", "alerts_test.yml")
    assert not content
    assert failed(said) == set(ALERTS), said[:2000]
