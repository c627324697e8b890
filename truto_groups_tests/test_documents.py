"""The documents for people who change the code name what is there. Nothing is faked."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from truto_groups.cli.commands import commands
from truto_groups_tests.layers_picture import (
    ARCHITECTURE,
    ROOT,
    draw_layers,
    put_in,
    read_contracts,
)

PACKAGE = ROOT / "truto_groups"
TESTS = ROOT / "truto_groups_tests"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
DOCUMENTS = [ARCHITECTURE, CONTRIBUTING, GLOSSARY]
FOR_USERS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_OTHERS = {"auth_basic", "instance_class"}
EXAMPLES = 10

QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w./]+(?:\.(?:py|sql|md|toml|yaml)|/)")
NAME = re.compile(r"_?[A-Z]\w+")
PATH_OF_A_MODULE = re.compile(r"(?<![\w./])(?:\w+/)*\w+\.py\b")
DOTTED = re.compile(r"[a-z_]+(?:\.\w+)+")


@cache
def find_names(path: Path) -> set[str]:
    """Find what a module defines: functions, classes, their methods, and what it names."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = [
                one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
            names |= {f"{node.name}.{method.name}" for method in inner}
        if isinstance(node, ast.Assign):
            names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return names


def is_defined(dotted: str) -> bool:
    """Whether a name such as sync.settle.settle is a module of the package, or something in one."""
    parts = dotted.split(".")
    for depth in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:depth]).with_suffix(".py")
        if path.is_file():
            return depth == len(parts) or ".".join(parts[depth:]) in find_names(path)
    return False


def is_there(path: str) -> bool:
    return any((folder / path).exists() for folder in (PACKAGE, TESTS, ROOT))


@cache
def read_words() -> frozenset[str]:
    """Read every word of the package's code."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


def find_strays(text: str) -> list[str]:
    """Find the paths, the dotted names and the names of code in a document that lead nowhere."""
    folders = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}
    quoted = QUOTED.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    paths = [one for one in quoted if PATH.fullmatch(one)]
    dotted = [one for one in quoted if DOTTED.fullmatch(one) and one.split(".")[0] in folders]
    dotted = [one for one in dotted if one not in paths]
    names = [one for one in quoted if NAME.fullmatch(one)]
    return [
        *(one for one in paths if not is_there(one)),
        *(one for one in dotted if not is_defined(one)),
        *(one for one in names if one not in read_words()),
    ]


def test_the_picture_of_the_layers_is_the_contract_on_imports() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")

    assert put_in(text, draw_layers(read_contracts())) == text, (
        "run python -m truto_groups_tests.layers_picture"
    )
    assert "│ defs " in text


def test_another_layer_is_another_picture() -> None:
    contracts = read_contracts()
    layered = next(one for one in contracts if one.get("containers") == ["truto_groups"])
    before = draw_layers(contracts)

    layered["layers"].remove("session")

    assert draw_layers(contracts) != before


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_and_function_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")

    assert len(QUOTED.findall(text)) > 40
    assert find_strays(text) == []


def test_every_module_that_a_docstring_or_a_comment_names_is_there() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    named = {(path, one) for path, text in texts.items() for one in PATH_OF_A_MODULE.findall(text)}

    assert len(named) > 100
    assert {(path, one) for path, one in named if not leads_somewhere(one, path)} == set()


def leads_somewhere(named: str, path: Path) -> bool:
    """Whether a module that stands without its folder is in the one from which it is named."""
    return (path.parent / named).is_file() or is_there(named)


@pytest.mark.parametrize(
    "named",
    [
        "sync/gone.py",
        "sync.gone",
        "sync.settle.gone",
        "truto.walk.GroupsWalk.gone",
        "gone/",
        "_Gone",
    ],
)
def test_a_name_that_leads_nowhere_is_found(named: str) -> None:
    good = "`sync/settle.py`, `sync.settle.settle`, `truto.walk.GroupsWalk.run`, `sandbox/samples/`"

    assert find_strays(f"{good}, `{named}`") == [named]


@pytest.mark.parametrize("document", FOR_USERS, ids=lambda path: path.name)
def test_what_the_documents_for_users_name_is_in_the_code(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    names = {one for one in QUOTED.findall(text) if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", one)}
    called = re.findall(r"(?:^ {4}|`)truto-groups ([a-z]+)", text, re.MULTILINE)

    assert names - read_words() - OF_OTHERS == set()
    assert set(called) <= set(commands.commands)


def test_each_example_of_a_change_names_its_files_and_its_tests() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    section = text.split("## Where a change goes")[1].split("\n## ")[0]
    examples = re.split(r"^\*\*A new ", section, flags=re.MULTILINE)[1:]

    assert len(examples) == EXAMPLES
    for example in examples:
        assert len([one for one in QUOTED.findall(example) if PATH.fullmatch(one)]) >= 3
        assert re.search(r"^- .*?tests?:", example, re.MULTILINE | re.DOTALL)


def test_every_word_is_told_once_and_where_it_is_made() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    words = [row[0] for row in rows if row[0] not in ("word", "---")]

    assert len(words) > 50
    assert len(set(words)) == len(words)
    for word, _, where in rows:
        assert word in ("word", "---") or QUOTED.search(where), word


def test_the_readme_leads_to_the_documents() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    for document in DOCUMENTS:
        assert f"]({document.relative_to(ROOT)})" in text
