"""Broken variants: product modules whose source is changed as they are imported, so that the product holds no switch for it.

An edit names a module, a text that stands in its source exactly once, and the text that takes its place. A text that is gone
is an error: a variant that changes nothing would prove nothing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

VARIABLE = "BATON_VARIANT_EDITS"
"""The environment variable by which a process is told the edits to run with."""


class NoLongerAppliesError(Exception):
    """The text that a variant changes does not stand in its module exactly once, or the module is imported already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """In the source of `module`, `old` (which stands there exactly once) becomes `new`."""

    module: str
    old: str
    new: str


def changed_source(module: str, source: str, edits: Sequence[Edit]) -> str:
    """The source with the edits of that module, one after the other. NoLongerAppliesError names what does not fit."""
    for edit in edits:
        if edit.module != module:
            continue
        found = source.count(edit.old)
        if found != 1 or edit.old == edit.new:
            raise NoLongerAppliesError(f"the variant no longer applies: {edit.old.strip()!r} stands {found} times in {module}")
        source = source.replace(edit.old, edit.new)
    return source


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, edits: Sequence[Edit], imported: set[str]) -> None:
        super().__init__(fullname, path)
        self._edits = edits
        self._imported = imported

    def get_code(self, fullname: str) -> CodeType:
        source = changed_source(fullname, Path(self.path).read_text(), self._edits)
        self._imported.add(fullname)
        return compile(source, self.path, "exec", dont_inherit=True)  # never the cached bytecode


class Hook(MetaPathFinder):
    """Stands before the ordinary import. `unused()` are the modules that nothing has imported so far."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._modules = {edit.module for edit in edits}
        self._imported: set[str] = set()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module that is changed; None for every other."""
        if fullname not in self._modules:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin, self._edits, self._imported)
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)

    def unused(self) -> set[str]:
        """Changed modules that were never imported, so that the variant was never run."""
        return self._modules - self._imported


def check(edits: Sequence[Edit]) -> None:
    """Raises NoLongerAppliesError if an edit does not fit the source as it is, SyntaxError if what it makes of it is no Python."""
    for module in sorted({edit.module for edit in edits}):
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise NoLongerAppliesError(f"the variant no longer applies: there is no module {module}")
        compile(changed_source(module, Path(spec.origin).read_text(), edits), spec.origin, "exec")


def install(edits: Sequence[Edit]) -> Hook:
    """Puts the edits in force for everything imported from now on. Raises NoLongerAppliesError at once if one does not fit."""
    for module in sorted({edit.module for edit in edits} & set(sys.modules)):
        raise NoLongerAppliesError(f"the variant no longer applies: {module} is imported already")
    check(edits)
    hook = Hook(edits)
    sys.meta_path.insert(0, hook)
    return hook


def environment(edits: Sequence[Edit]) -> dict[str, str]:
    """What a started process needs in its environment for `install_from_environment` to put the edits in force there."""
    return {VARIABLE: json.dumps([asdict(edit) for edit in edits])} if edits else {}


def install_from_environment() -> Hook:
    """Puts in force what the environment names, which may be nothing."""
    return install([Edit(**edit) for edit in json.loads(os.environ.get(VARIABLE, "[]"))])
