"""Who may import whom, held by reading every import of the package.

Nothing is faked: the first half checks the real package, the second half checks the checker on
small packages with a violation each. A new module gets a line in ``MAY_IMPORT``.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "truto_groups"
ROOT = Path(__file__).parents[1]

# Modules by their name inside the package; `name*` is also `name_more` and a folder `name/`.
PURE = (
    "accounts*",
    "charts*",
    "contract*",
    "declared*",
    "discovery*",
    "drift*",
    "errors*",
    "freshness*",
    "interruption*",
    "judging*",
    "logs*",
    "outbox*",
    "overview*",
    "planning*",
    "query*",
    "reporting*",
    "secrecy*",
    "settings*",
    "splitting*",
    "version*",
    "visible*",
    "walks*",
    "wording*",
)
CLIENT = ("client*", "limits*")
WAREHOUSE = ("warehouse*",)
BOTH = (*PURE, *CLIENT, *WAREHOUSE)
# What brings client and warehouse together, each line resting on those above it.
TOGETHER = (
    "fetching*",
    "listing*",
    "progress*",
    "pipeline*",
    "session*",
    "contracting*",
    "discovering*",
    "refreshing*",
)
BELOW_DEFS = (*BOTH, *TOGETHER)
COMMANDS = ("cli*", "demo*")

# Arrows point down only: a module may import what its line names, and what its own pattern covers.
MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    "": (),  # __init__ is the map of the package
    **dict.fromkeys(PURE, PURE),
    "limits*": PURE,
    "client*": (*PURE, "limits*"),
    "warehouse*": PURE,
    **{name: (*BOTH, *TOGETHER[:index]) for index, name in enumerate(TOGETHER)},
    "read*": (*PURE, *WAREHOUSE),
    "defs*": BELOW_DEFS,
    "definitions": (*BELOW_DEFS, "defs*"),
    "sandbox*": (),
    "sql*": (),
    **dict.fromkeys(
        COMMANDS, (*BELOW_DEFS, "read*", "defs*", "definitions", "sandbox*", *COMMANDS)
    ),
}

# Who may name a library at all; what is not listed here is free.
OWNERS: Mapping[str, tuple[str, ...]] = {
    "httpx": ("client*",),
    "duckdb": ("warehouse*",),
    "dagster_duckdb": ("defs.resources*",),
    "dagster": ("defs*", "definitions", *COMMANDS),
}

# Dagster reads annotations of definitions when they are made, and refuses those kept as text.
NO_POSTPONED_ANNOTATIONS = ("defs*", "definitions")

# Reached when a module is imported, these make importing depend on the machine, disk, net or clock.
ONLY_WHEN_CALLED = {
    "connect",
    "environ",
    "getenv",
    "monotonic",
    "now",
    "open",
    "perf_counter",
    "read_bytes",
    "read_text",
    "urlopen",
    "utcnow",
}


@dataclass(frozen=True)
class Module:
    """A file of a package with its name inside of it: ``defs.resources``, or ``""`` for the map."""

    name: str
    tree: ast.Module

    def matches(self, patterns: tuple[str, ...]) -> bool:
        return any(covers(pattern, self.name) for pattern in patterns)


@dataclass(frozen=True)
class Import:
    """One imported name: ``target`` is the module it comes from, ``line`` where."""

    target: str
    line: int
    level: int


def covers(pattern: str, name: str) -> bool:
    """Tell whether ``cli*`` covers ``cli``, ``cli_sync`` and ``cli.sync``, but not ``client``."""
    stem, star, _ = pattern.partition("*")
    return name == stem or (bool(star) and name.startswith((f"{stem}.", f"{stem}_")))


def read_modules(root: Path) -> list[Module]:
    modules = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules.append(Module(name, ast.parse(path.read_text(encoding="utf-8"))))
    return modules


def iter_imports(tree: ast.Module, *, submodules: frozenset[str] = frozenset()) -> Iterator[Import]:
    """Yield what is imported anywhere in a file, inside of functions too.

    ``from truto_groups import client`` imports the module ``truto_groups.client`` when
    ``submodules`` says that there is one.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, 0)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            for alias in node.names:
                deeper = f"{source}.{alias.name}"
                yield Import(deeper if deeper in submodules else source, node.lineno, node.level)


def iter_import_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when the module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            evaluated = [
                *child.decorator_list,
                *child.args.defaults,
                *(default for default in child.args.kw_defaults if default is not None),
            ]
            for part in evaluated:
                yield part
                yield from iter_import_time_nodes(part)
        elif not isinstance(child, ast.Lambda):
            yield child
            yield from iter_import_time_nodes(child)


def find_violations(root: Path) -> list[str]:
    """Find every import of the package at ``root`` that the tables above do not allow.

    Returns:
        One sentence per violation, naming module and line; empty when all is well.
    """
    package = root.name
    modules = read_modules(root)
    known = frozenset(f"{package}.{module.name}" for module in modules)
    found = (
        f"{package}/{module.name or '__init__'}: {fault}"
        for module in modules
        for fault in iter_faults(module, package=package, known=known)
    )
    return list(dict.fromkeys(found))  # a line that imports three names is told once


def iter_faults(module: Module, *, package: str, known: frozenset[str]) -> Iterator[str]:
    own = [pattern for pattern in MAY_IMPORT if covers(pattern, module.name)]
    if not own:
        yield "is not in MAY_IMPORT; give it a line that says what it may import"
        return
    allowed = {pattern for key in own for pattern in (key, *MAY_IMPORT[key])}
    for found in iter_imports(module.tree, submodules=known):
        if found.level:
            yield f"line {found.line} imports relatively"
            continue
        library, _, inside = found.target.partition(".")
        if library == package:
            if not any(covers(pattern, inside) for pattern in allowed):
                yield f"line {found.line} may not import {found.target}"
        elif library in OWNERS and not module.matches(OWNERS[library]):
            yield f"line {found.line} may not name {library}"
        if found.target == "__future__" and module.matches(NO_POSTPONED_ANNOTATIONS):
            yield f"line {found.line} postpones annotations, which Dagster refuses here"
    yield from iter_import_time_faults(module)


def iter_import_time_faults(module: Module) -> Iterator[str]:
    for node in iter_import_time_nodes(module.tree):
        named = node.func if isinstance(node, ast.Call) else node
        if isinstance(named, ast.Attribute):
            name = named.attr
        elif isinstance(named, ast.Name):
            name = named.id
        else:
            continue
        # To name a clock (a default, say) is not to read it; to name the environment is.
        if name in ONLY_WHEN_CALLED and (isinstance(node, ast.Call) or name == "environ"):
            yield f"line {getattr(node, 'lineno', 0)} reaches for {name} when it is imported"


def find_private_imports(root: Path) -> list[str]:
    """Find the tests that import a name of the package that starts with ``_``."""
    return [
        f"{path.relative_to(root)}: line {node.lineno} imports {node.module}.{alias.name}"
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE
        for alias in node.names
        if any(is_private(part) for part in f"{node.module}.{alias.name}".split("."))
    ]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_every_module_imports_only_what_lies_below_it() -> None:
    assert find_violations(ROOT / PACKAGE) == []


def test_no_test_imports_a_private_name() -> None:
    assert find_private_imports(ROOT / f"{PACKAGE}_tests") == []


def test_pure_modules_import_without_dagster_httpx_and_duckdb() -> None:
    pure = [module.name for module in read_modules(ROOT / PACKAGE) if module.matches(PURE)]
    program = [
        "import importlib, sys",
        "sys.modules.update(dict.fromkeys(('dagster', 'httpx', 'duckdb', 'dagster_duckdb')))",
        *(f"importlib.import_module('{PACKAGE}.{name}')" for name in pure),
    ]
    subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(program)], cwd=ROOT, check=True)


def make_package(root: Path, files: Mapping[str, str]) -> Path:
    package = root / PACKAGE
    for name, text in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def test_a_package_that_keeps_the_rules_has_no_violation(tmp_path: Path) -> None:
    package = make_package(
        tmp_path,
        {
            "errors.py": "",
            "limits.py": "import sqlite3\nfrom truto_groups.errors import TrutoGroupsError\n",
            "client/__init__.py": "from truto_groups.client.pages import walk\n",
            "client/pages.py": "import httpx\nfrom truto_groups import errors, limits\n",
            "warehouse_sql.py": "import duckdb\nimport truto_groups.errors\n",
            "defs/resources.py": "from dagster_duckdb import DuckDBResource\nimport dagster\n",
            "definitions.py": "from truto_groups.defs import resources\n",
            "cli.py": "import dagster\nfrom truto_groups.definitions import defs\n",
            "settings.py": "import os\ndef read() -> str:\n    return os.environ['X']\n",
            "freshness.py": "import time\ndef wait(clock=time.monotonic):\n    clock()\n",
        },
    )

    assert find_violations(package) == []


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("pipeline.py", "import httpx", "may not name httpx"),
        ("limits.py", "import httpx", "may not name httpx"),
        ("client.py", "import duckdb", "may not name duckdb"),
        ("pipeline.py", "import dagster_duckdb", "may not name dagster_duckdb"),
        ("pipeline.py", "def f():\n    import dagster as dg", "may not name dagster"),
        ("client.py", "from dagster._core import x", "may not name dagster"),
        ("client.py", "from truto_groups.warehouse import x", "may not import"),
        ("client.py", "from truto_groups import warehouse", "may not import"),
        ("warehouse.py", "import truto_groups.client", "may not import"),
        ("drift.py", "from truto_groups.limits import x", "may not import"),
        ("pipeline.py", "from truto_groups.definitions import defs", "may not import"),
        ("defs/jobs.py", "from truto_groups.definitions import defs", "may not import"),
        ("sandbox/server.py", "from truto_groups.errors import x", "may not import"),
        ("pipeline.py", "from truto_groups.sandbox import server", "may not import"),
        ("__init__.py", "from truto_groups.errors import x", "may not import"),
        ("client/pages.py", "from . import errors", "imports relatively"),
        ("defs/jobs.py", "from __future__ import annotations", "postpones annotations"),
        ("definitions.py", "from __future__ import annotations", "postpones annotations"),
        ("utils.py", "", "is not in MAY_IMPORT"),
        ("settings.py", "import os\nTOKEN = os.environ['X']", "reaches for environ"),
        ("settings.py", "TEXT = open('x').read()", "reaches for open"),
        ("contract.py", "import datetime\ndef f(at=datetime.datetime.now()): ...", "for now"),
    ],
)
def test_a_violation_is_found_and_named(tmp_path: Path, path: str, text: str, fault: str) -> None:
    others = {"errors.py": "", "limits.py": "", "warehouse.py": "", "sandbox/server.py": ""}
    package = make_package(tmp_path, {**others, path: text})

    (violation,) = find_violations(package)

    assert path.split(".")[0].split("/")[0] in violation
    assert fault in violation


@pytest.mark.parametrize(
    "text",
    ["from truto_groups.client import _walk", "from truto_groups._hidden import walk"],
)
def test_a_private_import_of_a_test_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "test_x.py").write_text(text, encoding="utf-8")

    assert len(find_private_imports(tmp_path)) == 1
