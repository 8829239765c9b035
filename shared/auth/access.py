"""What a role may do in one service: its access table, a YAML file that is read and checked at the start of the process."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from shared.auth.failures import Misconfigured

_ROLE = re.compile(r"[a-z][a-z0-9_]*")
_SCOPE = re.compile(r"[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*")
_ROUTE = re.compile(r"(?:GET|POST|PUT|PATCH|DELETE) /[A-Za-z0-9/{}_.:~-]*")
_TOPIC = re.compile(r"[a-z][a-z0-9.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTable:
    """Roles and their scopes, routes and the one scope each needs, topics by direction. What is not in it is not allowed.

    `internal`: routes on the internal port, which callers from outside never reach.
    """

    source: str
    roles: Mapping[str, frozenset[str]]
    routes: Mapping[str, str]
    produces: frozenset[str]
    consumes: frozenset[str]
    internal: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def load(path: Path) -> AccessTable:
        """The table in that file, checked whole; raises Misconfigured, naming file, line and key."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{path}: not readable ({type(error).__name__})") from None
        return read_table(text, source=str(path))

    def scopes_of(self, roles: Collection[str]) -> frozenset[str]:
        """Every scope that at least one of the roles holds; a role the table does not know holds none."""
        return frozenset().union(*(self.roles.get(role, frozenset()) for role in roles))

    def scope_of(self, method: str, path_template: str) -> str:
        """The scope a route needs; raises Misconfigured for a route that the table does not list."""
        scope = self.routes.get(f"{method.upper()} {path_template}")
        if scope is None:
            raise Misconfigured(f"{self.source}: routes: no scope for {method.upper()} {path_template}")
        return scope


def read_table(text: str, *, source: str) -> AccessTable:
    """The table in YAML text; `source` names it in errors. Raises Misconfigured."""
    reader = _Reader(source)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Misconfigured(f"{source}:{mark.line + 1 if mark else 1}: not YAML") from None
    parts = dict(reader.members(root, "the table", ("roles", "routes", "internal", "topics")))
    roles = {
        reader.name(key, _ROLE, "role"): frozenset(reader.names(value, _SCOPE, f"scope of {key.value}"))
        for key, value in reader.pairs(_required(parts, "roles", source), "roles")
    }
    held = frozenset().union(*roles.values())
    routes = reader.routes(_required(parts, "routes", source), "routes", held)
    internal = reader.routes(parts["internal"], "internal", held) if "internal" in parts else {}
    topics = dict(reader.members(parts["topics"], "topics", ("produces", "consumes"))) if "topics" in parts else {}
    produces, consumes = (
        frozenset(reader.names(topics[name], _TOPIC, f"topic under {name}")) if name in topics else frozenset[str]()
        for name in ("produces", "consumes")
    )
    return AccessTable(source=source, roles=roles, routes=routes, produces=produces, consumes=consumes, internal=internal)


def _required(parts: Mapping[str, yaml.Node], name: str, source: str) -> yaml.Node:
    if name not in parts:
        raise Misconfigured(f"{source}: {name} is missing")
    return parts[name]


class _Reader:
    """Reads YAML nodes, which know their lines, and says where something is wrong."""

    def __init__(self, source: str) -> None:
        self._source = source

    def fault(self, node: yaml.Node | None, what: str) -> Misconfigured:
        line = node.start_mark.line + 1 if node is not None else 1
        return Misconfigured(f"{self._source}:{line}: {what}")

    def pairs(self, node: yaml.Node | None, where: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(node, f"{where} must be a mapping")
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.fault(key, f"a key of {where} is not text")
            if key.value in seen:
                raise self.fault(key, f"{key.value} stands twice in {where}")
            seen.add(key.value)
            yield key, value

    def members(self, node: yaml.Node | None, where: str, known: Collection[str]) -> Iterator[tuple[str, yaml.Node]]:
        for key, value in self.pairs(node, where):
            if key.value not in known:
                raise self.fault(key, f"unknown key {key.value} in {where}")
            yield key.value, value

    def routes(self, node: yaml.Node, where: str, held: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in self.pairs(node, where):
            scope = self.name(value, _SCOPE, f"scope of {key.value}")
            if scope not in held:
                raise self.fault(value, f"scope {scope} of {key.value} is held by no role")
            found[self.name(key, _ROUTE, "route")] = scope
        return found

    def name(self, node: yaml.Node, pattern: re.Pattern[str], what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not pattern.fullmatch(node.value):
            shown = f" {node.value!r}" if isinstance(node, yaml.ScalarNode) else ""
            raise self.fault(node, f"not a {what}:{shown}".rstrip(":"))
        return node.value

    def names(self, node: yaml.Node, pattern: re.Pattern[str], what: str) -> Iterator[str]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.fault(node, f"not a list: {what}")
        seen: set[str] = set()
        for each in node.value:
            name = self.name(each, pattern, what)
            if name in seen:
                raise self.fault(each, f"{name} stands twice: {what}")
            seen.add(name)
            yield name
