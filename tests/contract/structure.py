"""What import contracts cannot see. Each check takes the root of a tree and returns its findings, one line each."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

PRODUCT = ("services", "shared", "baton")
MAX_LINES = 400
ROUTE_STATEMENTS = 5

SHARED_SHARE = 0.27
"""The most of the product's lines that shared may have. Lowered whenever it can be; see docs/adr/0008-kernel-share.md."""

_ROOMS = frozenset({"__init__.py", "domain.py", "tables.py", "store.py", "usecases.py", "routes.py"})
_READ_ONLY_ROOMS = frozenset({"__init__.py", "store.py", "routes.py"})
_MORE_ROOMS = {"handoff/rulesets": frozenset({"conditions.py"})}
_SERVICE_FILES = frozenset({"__init__.py", "__main__.py", "app.py", "handlers.py", "schema.py"})
_SERVICE_PAPERS = frozenset({"README.md", "access.yaml"})

_DRAWERS = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "base", "data", "info"})
_STORE_VERBS = ("get_", "find_", "list_", "lock_", "save_", "count_", "sum_")
_FOREIGN = frozenset({"process_bind_param", "process_result_value"})  # SQLAlchemy's names
_CLOCKS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "new_id", "random", "monotonic", "perf_counter"})
_SKIPS = frozenset({"skip", "skipif", "xfail", "importorskip"})
_SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s.+\sSET|DELETE\s+FROM|ORDER\s+BY|WHERE)\b", re.DOTALL)

TECHNICAL = frozenset({"channel", "order", "routing", "source", "subject"})
"""Names of folders that have a meaning of their own in shared: a LISTEN channel, an order of rows, FastAPI's routing, the source and the
subject of an event and of a token."""


def lines_of(path: Path) -> int:
    """Lines of a file, blank ones included."""
    return len(path.read_text(encoding="utf-8").splitlines())


def sizes(root: Path) -> list[str]:
    """A file can be read in one sitting; a migration is as long as it is."""
    return [
        f"{_name(root, path)} has {count} lines"
        for path in _modules(root, *PRODUCT, "tests")
        if "migrations" not in path.parts and (count := lines_of(path)) > MAX_LINES
    ]


def rooms(root: Path) -> list[str]:
    """Whoever knows one folder of a service knows all: the same file names in each."""
    found: list[str] = []
    for service in _services(root):
        for entry in _entries(service):
            if entry.is_file():
                if entry.name not in _SERVICE_FILES | _SERVICE_PAPERS:
                    found.append(f"{_name(root, entry)} is no file of a service")
            elif entry.name != "migrations":
                allowed = _READ_ONLY_ROOMS if entry.name == "measures" else _ROOMS
                allowed |= _MORE_ROOMS.get(f"{service.name}/{entry.name}", frozenset())
                found += [f"{_name(root, room)} is no room of a folder" for room in _entries(entry) if room.name not in allowed]
    return found


def names(root: Path) -> list[str]:
    """A name says what is inside; a drawer has none, and `process` is no verb."""
    found: list[str] = []
    for path in _modules(root, *PRODUCT):
        found += [f"{_name(root, path)} is a drawer" for part in path.relative_to(root).with_suffix("").parts if part in _DRAWERS]
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ClassDef) and _words(node.name) & _DRAWERS:
                found.append(f"{_name(root, path)}:{node.lineno} {node.name} is a drawer")
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.lstrip("_").startswith(("process_", "do_")):
                found += [f"{_name(root, path)}:{node.lineno} {node.name} names no deed"] if node.name not in _FOREIGN else []
    return found


def business_nouns(root: Path) -> list[str]:
    """Only the published language in shared knows what the services are about."""
    nouns = {form for service in _services(root) for folder in _folders(service) for form in (folder.name, _singular(folder.name))}
    nouns -= TECHNICAL | {f"{word}s" for word in TECHNICAL} | {"measures", "measure"}
    found: list[str] = []
    for path in _modules(root, "shared"):
        if path.relative_to(root).parts[:2] != ("shared", "events"):
            found += [
                f"{_name(root, path)}:{line} {text} speaks of the business" for line, text in _identifiers(path) if _words(text) & nouns
            ]
    return found


def docstrings(root: Path) -> list[str]:
    """Every module says in a line what it holds; a package says no more than that."""
    found: list[str] = []
    for path in _modules(root, *PRODUCT, "tests"):
        tree = _tree(path)
        if ast.get_docstring(tree) is None and (tree.body or path.relative_to(root).parts[0] != "tests"):
            found.append(f"{_name(root, path)} has no docstring")
        if path.name == "__init__.py" and len(tree.body) > 1 and path.relative_to(root).parts[0] in {"services", "shared"}:
            found.append(f"{_name(root, path)} holds more than a docstring")
    return found


def sql_from_strings(root: Path) -> list[str]:
    """A statement is built of columns and parameters, never of pieces of text."""
    found: list[str] = []
    for path in _modules(root, "services"):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call) and _called(node) == "text" and not all(isinstance(arg, ast.Constant) for arg in node.args):
                found.append(f"{_name(root, path)}:{node.lineno} text() of something that was put together")
            if isinstance(node, ast.expr) and _SQL.search(_pieces(node)):
                found.append(f"{_name(root, path)}:{node.lineno} SQL out of pieces of text")
    return found


def saving_rooms(root: Path) -> list[str]:
    """State and events leave together, through a store."""
    found: list[str] = []
    for path in _modules(root, "services", "shared"):
        inside = path.relative_to(root).parts
        if inside[:2] == ("shared", "db"):
            continue
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.Call):
                continue
            if _called(node) == "emit":
                found.append(f"{_name(root, path)}:{node.lineno} emits by itself")
            if _called(node) in {"save", "save_many", "insert_many"} and _owner(node) in {"saving", ""} and path.name != "store.py":
                found.append(f"{_name(root, path)}:{node.lineno} saves outside of a store")
    return found


def producers(root: Path) -> list[str]:
    """There is no way to publish but the relay."""
    return [
        f"{_name(root, path)}:{line} knows a producer"
        for path in _modules(root, "services", "shared", "baton")
        if path.relative_to(root).parts[:2] != ("shared", "outbox")
        for line, text in _identifiers(path)
        if text == "AIOKafkaProducer"
    ]


def handler_maps(root: Path) -> list[str]:
    """What a service listens to stands on one page."""
    found: list[str] = []
    for path in _modules(root, "services"):
        for node in _tree(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            named = {target.id for target in targets if isinstance(target, ast.Name)}
            if "HANDLERS" in named and path.name != "handlers.py":
                found.append(f"{_name(root, path)}:{node.lineno} listens outside of handlers.py")
            if path.name == "handlers.py" and named - {"HANDLERS"}:
                found.append(f"{_name(root, path)}:{node.lineno} holds more than HANDLERS")
        if path.name == "handlers.py":
            found += [
                f"{_name(root, path)}:{node.lineno} defines {node.name}"
                for node in _tree(path).body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            ]
    return found


def store_verbs(root: Path) -> list[str]:
    """One verb per deed: get (or NotFound), find (or None), list, lock, save; measures count and sum."""
    return [
        f"{_name(root, path)}:{node.lineno} {node.name} begins with none of {', '.join(_STORE_VERBS)}"
        for path in _modules(root, "services")
        if path.name == "store.py"
        for node in _tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(("_", *_STORE_VERBS))
    ]


def pure_domains(root: Path) -> list[str]:
    """Time, ids and randomness enter a domain as arguments, and nothing in it waits."""
    found: list[str] = []
    for path in _modules(root, "services"):
        if path.name != "domain.py":
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                found.append(f"{_name(root, path)}:{node.lineno} waits")
            if isinstance(node, ast.Call) and _called(node) in _CLOCKS:
                found.append(f"{_name(root, path)}:{node.lineno} asks {_called(node)}")
    return found


def short_routes(root: Path) -> list[str]:
    """A route declares, delegates, returns."""
    found: list[str] = []
    for path in _modules(root, "services"):
        if path.name != "routes.py":
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.AsyncFunctionDef) and any(_is_route(decorator) for decorator in node.decorator_list):
                length = sum(isinstance(part, ast.stmt) for part in ast.walk(node)) - 2  # itself and its docstring
                if ast.get_docstring(node) is None or length > ROUTE_STATEMENTS:
                    found.append(f"{_name(root, path)}:{node.lineno} {node.name} has {length} statements or says nothing of itself")
    return found


def quiet_tests(root: Path) -> list[str]:
    """No test is skipped, no code of ours is replaced, and a unit test neither waits nor needs anything."""
    found: list[str] = []
    for path in _modules(root, "tests"):
        unit = path.relative_to(root).parts[:2] == ("tests", "unit")
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node):
                found.append(f"{_name(root, path)}:{node.lineno} imports a mock")
            if isinstance(node, ast.Attribute) and node.attr in _SKIPS and "pytest" in ast.unparse(node):
                found.append(f"{_name(root, path)}:{node.lineno} skips")
            if unit and _waits_or_needs(node):
                found.append(f"{_name(root, path)} is more than a unit test: {ast.unparse(node).splitlines()[0]}")
    return found


def shared_share(root: Path) -> list[str]:
    """shared is no drawer: its part of the product does not grow."""
    share = measured_share(root)
    return [f"shared has {share:.1%} of the product's lines, more than {SHARED_SHARE:.0%}"] if share > SHARED_SHARE else []


def measured_share(root: Path) -> float:
    """Lines of shared over lines of the product (Python; migrations left out)."""
    lines = {part: sum(lines_of(path) for path in _modules(root, part) if "migrations" not in path.parts) for part in PRODUCT}
    return lines["shared"] / max(sum(lines.values()), 1)


CHECKS: tuple[Callable[[Path], list[str]], ...] = (
    sizes,
    rooms,
    names,
    business_nouns,
    docstrings,
    sql_from_strings,
    saving_rooms,
    producers,
    handler_maps,
    store_verbs,
    pure_domains,
    short_routes,
    quiet_tests,
    shared_share,
)


def _modules(root: Path, *parts: str) -> Iterator[Path]:
    for part in parts:
        yield from sorted(path for path in (root / part).rglob("*.py") if "__pycache__" not in path.parts)


def _services(root: Path) -> list[Path]:
    return [entry for entry in _entries(root / "services") if entry.is_dir()]


def _folders(service: Path) -> list[Path]:
    return [entry for entry in _entries(service) if entry.is_dir() and entry.name != "migrations"]


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.name != "__pycache__")


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _tree(path: Path) -> ast.Module:
    return _parsed(path.read_text(encoding="utf-8"))


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}


def _singular(name: str) -> str:
    return name.removesuffix("s")


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def _owner(node: ast.Call) -> str:
    return ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""


def _waits_or_needs(node: ast.AST) -> bool:
    return isinstance(node, ast.AsyncFunctionDef | ast.Await) or (isinstance(node, ast.Attribute) and node.attr == "fixture")


def _is_route(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and _owner(decorator) == "router"


def _identifiers(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(_tree(path)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name():
                yield node.lineno, node.id
            case ast.Attribute():
                yield node.lineno, node.attr
            case ast.alias():
                yield node.lineno, node.name.rpartition(".")[2]
            case ast.Constant(value=str(text)) if re.fullmatch(r"[a-z_]+", text):
                yield node.lineno, text
            case _:
                pass


def _pieces(node: ast.AST) -> str:
    """The fixed text in an expression that puts text together; nothing for any other node."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod)):
        return " ".join(part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))
    if isinstance(node, ast.Call) and _called(node) in {"format", "join"}:
        return _owner(node)
    return ""
