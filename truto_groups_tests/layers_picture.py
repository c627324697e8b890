"""Draw the layers of the package, as import-linter's contracts in pyproject.toml have them.

``python -m truto_groups_tests.layers_picture`` writes the picture into docs/architecture.md;
test_documents.py holds that it is in step.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
_BETWEEN_MARKS = re.compile(r"(<!-- layers -->\n).*?(<!-- /layers -->)", re.DOTALL)


def read_contracts() -> list[dict[str, Any]]:
    """Read import-linter's contracts."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["tool"]["importlinter"]["contracts"]


def draw_layers(contracts: list[dict[str, Any]]) -> str:
    """Draw the layers from top to bottom, with the libraries that each may import."""
    layers = next(one["layers"] for one in contracts if one.get("containers") == ["truto_groups"])
    rows = [(_shorten(layer), ", ".join(_find_libraries(layer, contracts))) for layer in layers]
    left, right = (max(len(row[side]) for row in rows) for side in (0, 1))
    lines = [f"│ {layer:<{left}}   {libraries:<{right}} │" for layer, libraries in rows]
    rule = "─" * (left + right + 5)
    drawn = f"\n├{rule}┤\n".join(lines)
    return f"```text\n┌{rule}┐\n{drawn}\n└{rule}┘\n```\n"


def put_in(text: str, drawn: str) -> str:
    """Replace what stands between the marks of a page."""
    return _BETWEEN_MARKS.sub(lambda found: f"{found[1]}{drawn}{found[2]}", text)


def _shorten(layer: str) -> str:
    """Name a folder once for the modules of it that stand side by side."""
    return re.sub(r"(?<= : )\w+(?=\.)", "", layer)


def _find_libraries(layer: str, contracts: list[dict[str, Any]]) -> list[str]:
    folders = re.findall(r"[\w.]+", layer)
    return [
        library
        for contract in contracts
        if contract["type"] == "protected"
        for library in contract["protected_modules"]
        if not library.startswith("truto_groups.")
        and any(
            f"{importer}.".startswith(f"truto_groups.{folder}.")
            for importer in contract["allowed_importers"]
            for folder in folders
        )
    ]


if __name__ == "__main__":
    page = ARCHITECTURE.read_text(encoding="utf-8")
    ARCHITECTURE.write_text(put_in(page, draw_layers(read_contracts())), encoding="utf-8")
