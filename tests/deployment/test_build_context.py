"""What a build may see of a clone: code of services and shared, and the lock; nothing else that lies about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import compose
from tests.deployment import images as looking
from tests.stack import PROJECT

PLANTED = (
    ".env",
    ".git/config",
    ".baton-compose/secrets/postgres_password",
    "secrets/marketing_database_password",
    "baton/cli.py",
    "docs/runbook.md",
    "tests/conftest.py",
    "requirements-dev.txt",
    "deploy/postgres/services.sh",
    "services/.env",
    "services/marketing/.env",
    "services/marketing/key.pem",
    "services/marketing/leads/rows.csv",
    "services/marketing/README.md",
    "services/marketing/__pycache__/app.cpython-313.pyc",
    "shared/key.pem",
    "shared/__pycache__/ids.cpython-313.pyc",
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what is built from, with things in it that must not arrive."""
    folder = tmp_path / "clone"
    for name in ("services", "shared"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "Dockerfile", ".dockerignore", "docker-compose.yml"):
        shutil.copy(PROJECT / name, folder / name)
    for name in PLANTED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("planted")
    return folder


def test_only_code_and_the_lock_reach_a_build(clone: Path, tmp_path: Path) -> None:
    everything = tmp_path / "Dockerfile"
    everything.write_text("FROM scratch\nCOPY . /\n")
    arrived = tmp_path / "arrived"
    compose.docker("build", "--quiet", "--file", str(everything), "--output", f"type=local,dest={arrived}", str(clone))
    found = {path.relative_to(arrived) for path in arrived.rglob("*") if path.is_file()}
    sources = {path.relative_to(PROJECT) for name in ("services", "shared") for path in (PROJECT / name).rglob("*")}
    assert found == {path for path in sources if path.suffix in looking.KINDS} | {Path("requirements.txt")}
    assert not found & {Path(name) for name in PLANTED}


def test_a_clone_under_a_strict_mask_gives_an_image_that_its_user_can_read(clone: Path) -> None:
    for name in ("services", "shared"):
        for path in (clone / name, *(clone / name).rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
    tag = "baton-tests-strict-mask:local"
    compose.docker("build", "--quiet", "--build-arg", "SERVICE=sales", "--tag", tag, str(clone))
    try:
        done = looking.run(tag, "python", "-c", "import services.sales.app, shared.runtime.main")
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        compose.docker("image", "rm", tag)
