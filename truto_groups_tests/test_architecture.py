"""What import-linter cannot say of the package; who may import whom stands in pyproject.toml.

The real files are read, nothing is faked; that each rule can be broken is shown on texts.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "truto_groups"

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
PUBLIC_CLASS = re.compile(r"^class ([A-Z]\w+)", re.MULTILINE)
# Dagster reads annotations of definitions when they are made, and refuses those kept as text.
HOLDS_DEFINITIONS = ("truto_groups/defs/", "truto_groups/definitions.py")


def find_faults(path: str, text: str) -> list[str]:
    """Find what a file must not do: its line, and what is wrong there."""
    tree = ast.parse(text)
    return [f"{path}: {fault}" for fault in [*iter_reaches(tree), *iter_imports(path, tree)]]


def iter_reaches(tree: ast.Module) -> Iterator[str]:
    for node in iter_import_time_nodes(tree):
        named = node.func if isinstance(node, ast.Call) else node
        name = named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")
        # To name a clock (a default, say) is not to read it; to name the environment is.
        if name in ONLY_WHEN_CALLED and (isinstance(node, ast.Call) or name == "environ"):
            yield f"line {getattr(node, 'lineno', 0)} reaches for {name} when it is imported"


def iter_import_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = [*child.args.defaults, *(one for one in child.args.kw_defaults if one)]
            for part in [*child.decorator_list, *defaults]:
                yield part
                yield from iter_import_time_nodes(part)
        elif not isinstance(child, ast.Lambda):
            yield child
            yield from iter_import_time_nodes(child)


def iter_imports(path: str, tree: ast.Module) -> Iterator[str]:
    is_test = path.startswith(f"{PACKAGE}_tests/")
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module == "__future__" and path.startswith(HOLDS_DEFINITIONS):
            yield f"line {node.lineno} postpones annotations, which Dagster refuses here"
        for alias in node.names:
            parts = f"{node.module}.{alias.name}".split(".")
            if is_test and parts[0] == PACKAGE and any(is_private(part) for part in parts):
                yield f"line {node.lineno} imports the private {'.'.join(parts)}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.long
@pytest.mark.parametrize("folder", [PACKAGE, f"{PACKAGE}_tests"])
def test_nothing_happens_at_import_and_nothing_private_is_borrowed(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    faults = [
        fault
        for path in files
        for fault in find_faults(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        if folder == PACKAGE or "imports" in fault
    ]

    assert files
    assert faults == []


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("truto_groups/settings/x.py", "import os\nTOKEN = os.environ['X']", "reaches for environ"),
        ("truto_groups/settings/x.py", "TEXT = open('x').read()", "reaches for open"),
        ("truto_groups/x.py", "import datetime as d\ndef f(at=d.now()): ...", "reaches for now"),
        ("truto_groups/defs/x.py", "from __future__ import annotations", "postpones annotations"),
        ("truto_groups/definitions.py", "from __future__ import annotations", "postpones"),
        ("truto_groups_tests/x.py", "from truto_groups.truto import _walk", "private"),
        ("truto_groups_tests/x.py", "from truto_groups._hidden import walk", "private"),
    ],
)
def test_a_fault_is_found_and_named(path: str, text: str, fault: str) -> None:
    (found,) = find_faults(path, text)

    assert found.startswith(f"{path}: line ")
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef read() -> str:\n    return os.environ['X']\n",
        "import time\ndef wait(clock=time.monotonic):\n    clock()\n",
        "from truto_groups.truto import __all__\n",
    ],
)
def test_what_a_function_does_when_it_is_called_is_no_fault(text: str) -> None:
    assert find_faults("truto_groups/truto/x.py", text) == []


def find_modules(root: Path) -> list[Path]:
    """Find the modules of the package, their rooms apart."""
    return [path for path in root.rglob("*.py") if not path.name.startswith("__")]


def find_doubled_names(modules: Sequence[Path]) -> list[str]:
    """Find names that several modules have; of the two coordinations each part has one name."""
    names = Counter(path.name for path in modules if path.parent.name != "postgres")
    return sorted(name for name, count in names.items() if count > 1)


def find_unnamed(charter: str, names: Collection[str]) -> list[str]:
    """Find modules that the charter of their room does not name."""
    return sorted(name for name in names if not re.search(rf"\b{name}\b", charter))


def test_no_two_modules_have_the_same_name() -> None:
    assert find_doubled_names(find_modules(ROOT / PACKAGE)) == []
    doubled = [Path("sync/diagnosis.py"), Path("report/diagnosis.py"), Path("report/needs.py")]
    assert find_doubled_names(doubled) == ["diagnosis.py"]


def test_no_two_public_classes_have_the_same_name() -> None:
    texts = [path.read_text(encoding="utf-8") for path in find_modules(ROOT / PACKAGE)]
    names = Counter(name for text in texts for name in PUBLIC_CLASS.findall(text))
    assert len(names) > 200
    assert [name for name, count in names.items() if count > 1] == []


def test_each_room_names_its_modules_in_its_charter() -> None:
    for room in {path.parent for path in find_modules(ROOT / PACKAGE)} - {ROOT / PACKAGE}:
        charter = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
        assert find_unnamed(charter, [path.stem for path in room.glob("[!_]*.py")]) == [], room
    assert find_unnamed("land  pages landed", ["land", "settle"]) == ["settle"]


def test_each_statement_says_what_it_is_and_is_asked_for_by_whom_the_charter_names() -> None:
    folder = ROOT / PACKAGE / "warehouse" / "sql"
    charter = (folder / "__init__.py").read_text(encoding="utf-8")
    askers = dict(re.findall(r"^    (\w+) .* {2}(\w\S*(?:, \S+)*)$", charter, re.MULTILINE))

    assert set(askers) == {path.parent.name for path in folder.rglob("*.sql")}
    for path in sorted(folder.rglob("*.sql")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        texts = [read_asker(asker) for asker in askers[path.parent.name].split(", ")]
        # Some are asked for by a name that is put together: the steps, the versions, the views.
        wanted = (f'"{name}"', f'"{path.stem}"', f'f"{path.parent.name}/{{')
        assert path.read_text(encoding="utf-8").startswith("-- "), path
        assert any(one in text for text in texts for one in wanted), path


def read_asker(name: str) -> str:
    path = name if "/" in name else f"warehouse/{name}"
    return (ROOT / PACKAGE / f"{path}.py").read_text(encoding="utf-8")
