"""Orders in three files into running services: in every order of the files, killed and resumed, and once more without effect."""

import asyncio
import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baton import client as api
from tests import stack as stacks
from tests.integration.importer import shop
from tests.stack import Stack

ORDERS = 40


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with stacks.installed("import") as running:
        yield running


def prepared(folder: Path, code: str) -> tuple[list[str], Path]:
    """The files and the mapping, under a source of their own."""
    mapping = folder / "shop.toml"
    mapping.write_text(shop.MAPPING.replace('code = "shop"', f'code = "{code}"'))
    return [str(path) for path in shop.write(folder, ORDERS)], mapping


def figures(stack: Stack, source: str, level: str = "line") -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with stack.client("test-import", {"distribution": ["reader"]}) as client:
            return await client.get("distribution", "/v1/metrics/fulfilment", {"source": source, "level": level, "by": "seller"})

    try:
        answer = asyncio.run(ask())
    except api.ApiError:
        return {"total": {"orders": 0}}
    return {"total": answer["total"], "groups": answer["groups"]}


@pytest.fixture(scope="module")
def usual(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of one import from end to end."""
    files, mapping = prepared(tmp_path_factory.mktemp("usual"), "usual")
    stack.run("import", *files, "--mapping", str(mapping))
    return figures(stack, "usual")


def test_what_the_files_tell_is_counted(usual: dict[str, Any]):
    total = usual["total"]
    lines = sum(1 + at % 3 for at in range(ORDERS) if at % 8 != 2)
    assert (total["orders"], total["lines"], total["orders_without_lines"]) == (ORDERS, lines, ORDERS // 8)
    assert total["cancelled"] == sum(1 + at % 3 for at in range(ORDERS) if at % 8 == 3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(1, 4))), ids=lambda order: "".join(map(str, order)))
def test_the_order_of_the_files_does_not_matter(stack: Stack, usual: dict[str, Any], tmp_path: Path, order: tuple[int, ...]):
    code = "order_" + "".join(map(str, order))
    files, mapping = prepared(tmp_path, code)
    stack.run("import", *(files[at] for at in order), files[0], "--mapping", str(mapping))
    assert figures(stack, code) == usual


def test_a_killed_import_is_completed_by_the_next(stack: Stack, usual: dict[str, Any], tmp_path: Path):
    files, mapping = prepared(tmp_path, "killed")
    running = stack.start("import", *files, "--mapping", str(mapping), "--batch", "1")
    stacks.until_true(lambda: figures(stack, "killed")["total"]["orders"] >= 10, 60, running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert 10 <= figures(stack, "killed")["total"]["orders"] <= ORDERS
    assert figures(stack, "killed") != usual
    assert list((stack.state / "imports").glob("*-work-*"))
    stack.run("import", *files, "--mapping", str(mapping), "--batch", "1")
    assert figures(stack, "killed") == usual
    assert not list((stack.state / "imports").iterdir())


def test_a_second_import_has_no_effect(stack: Stack, usual: dict[str, Any], tmp_path: Path):
    files, mapping = prepared(tmp_path, "usual")
    before = stack.settled_events()
    assert "created" not in stack.run("import", *files, "--mapping", str(mapping))
    assert stack.settled_events() == before
    assert figures(stack, "usual") == usual
