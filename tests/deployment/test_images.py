"""Each image holds shared/ and one service, and runs without any right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from packaging.requirements import Requirement

from baton.local import state as states
from tests.deployment import images as looking
from tests.deployment.images import Contents, Entry
from tests.stack import PROJECT

LARGEST = 250_000_000
"""Bytes that an image may take."""
OWN_LAYERS = 2
"""A service's code and its compiled form; all other layers are the same in all four."""
LIST_PACKAGES = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
IMPORTS = """\
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(error)
"""

FILE = Entry(mode=0o644, owner=0, size=1, changed=1, kind="file")
PLANTED: dict[str, tuple[str, Entry]] = {
    "another service": ("/baton/services/sales/app.py", FILE),
    "a test": ("/baton/tests/conftest.py", FILE),
    "a history": ("/baton/.git", replace(FILE, kind="folder")),
    "settings": ("/.env", FILE),
    "a compiler": ("/usr/bin/gcc", replace(FILE, mode=0o755)),
    "an installer": ("/usr/local/lib/python3.13/site-packages/pip", replace(FILE, kind="folder")),
    "a program that raises rights": ("/usr/bin/su", replace(FILE, mode=0o4755)),
    "code that its user may change": ("/baton/shared/ids.py", replace(FILE, owner=looking.USER)),
    "a file that all may change": ("/opt/baton/bin/python", replace(FILE, mode=0o777)),
    "code that its user cannot read": ("/baton/shared/ids.py", replace(FILE, mode=0o600)),
    "code that changed after it was compiled": ("/baton/shared/ids.py", FILE),
}


@pytest.fixture(scope="module", params=states.SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def image(images: dict[str, str], service: str) -> str:
    return images[service]


@pytest.fixture(scope="module")
def contents(image: str) -> Contents:
    return looking.contents(image)


def test_an_image_holds_shared_and_its_one_service(contents: Contents, service: str) -> None:
    assert looking.strays(contents, service) == set()


def test_an_image_has_no_tools_to_build_or_fetch(contents: Contents) -> None:
    assert {PurePosixPath("/opt/baton/bin/python"), PurePosixPath("/usr/bin/bash")} <= set(contents)
    assert looking.tools(contents) == set()


def test_nothing_in_an_image_gives_rights_or_can_be_changed(contents: Contents) -> None:
    assert looking.rights(contents) == set()


def test_all_code_is_compiled(contents: Contents) -> None:
    assert looking.uncompiled(contents) == set()


def test_each_look_into_an_image_finds_what_is_planted(images: dict[str, str]) -> None:
    found = looking.contents(images["marketing"])
    looks: tuple[Callable[[Contents], set[PurePosixPath]], ...] = (
        lambda contents: looking.strays(contents, "marketing"),
        looking.tools,
        looking.rights,
        looking.uncompiled,
    )
    for what, (path, entry) in PLANTED.items():
        planted = {**found, PurePosixPath(path): entry}
        assert any(PurePosixPath(path) in look(planted) for look in looks), what


def test_an_image_has_the_locked_packages_and_no_other(image: str) -> None:
    done = looking.run(image, "python", "-c", LIST_PACKAGES)
    assert done.returncode == 0, done.stderr
    found = {name.lower().replace("_", "-").replace(".", "-"): version for name, version in json.loads(done.stdout).items()}
    assert found == locked()


def test_an_image_runs_without_rights(image: str, service: str) -> None:
    """Nothing is written and no name is looked up before settings are known to be missing."""
    for command in (("python", "-m", f"services.{service}", "migrate"), ()):
        done = looking.run(image, *command)
        assert done.returncode == 78, done.stdout + done.stderr
        told = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
        assert {line["event"] for line in told} == {"misconfigured"}
        assert {line["reason"].split(":")[0] for line in told} >= {"BATON_DATABASE_URL", "BATON_KAFKA", "BATON_CURSOR_SECRET"}
        assert {line["service"] for line in told} == {service}


def test_an_image_can_load_its_service_and_no_other(image: str, service: str) -> None:
    wanted = [f"services.{service}.app", "shared.runtime.main", "shared.db.migrating"]
    strays = [f"services.{other}" for other in states.SERVICES if other != service] + ["baton", "tests"]
    done = looking.run(image, "python", "-W", "error", "-c", IMPORTS, *wanted, *strays)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"No module named '{stray}'" for stray in strays]


def test_an_image_is_small_and_says_what_it_is(image: str, service: str) -> None:
    told = looking.described(image)
    assert told["Size"] < LARGEST
    assert told["Config"]["User"] == f"{looking.USER}:{looking.USER}"
    assert list(told["Config"]["ExposedPorts"]) == ["8000/tcp"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in told["Config"]["Labels"].items()}
    assert labels.items() >= {"title": f"baton-{service}", "version": "local"}.items()
    assert service in labels["description"]
    settings = {line.split("=")[0] for line in told["Config"]["Env"] if line.startswith("BATON_")}
    assert settings == {"BATON_SERVICE"}


def test_four_images_share_all_but_the_code_of_their_service(images: dict[str, str]) -> None:
    layers = [looking.described(image)["RootFS"]["Layers"] for image in images.values()]
    assert len({len(each) for each in layers}) == 1
    assert len({tuple(each[:-OWN_LAYERS]) for each in layers}) == 1
    assert len({tuple(each[-OWN_LAYERS:]) for each in layers}) == len(images)


def locked() -> dict[str, str]:
    """Names and versions of the lock, as far as they concern the interpreter of the images."""
    environment = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux", "platform_system": "Linux"}
    lines = [line.split(" \\")[0] for line in (PROJECT / "requirements.txt").read_text().splitlines() if line and not line.startswith(" ")]
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    kept = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(environment)]
    assert len(kept) > 30
    return {pin.name.lower().replace("_", "-").replace(".", "-"): str(pin.specifier).removeprefix("==") for pin in kept}
