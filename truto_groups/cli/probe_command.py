"""``truto-groups status --ready``: a line for whoever probes; what other commands import is not."""

from pathlib import Path

from truto_groups.cli.terminal import Paragraph, complain, show_blocks
from truto_groups.runner.readiness import find_readiness
from truto_groups.text.visible import show


def run_probe() -> int:
    """Say in a line whether this process could work; 0 when it could, else 1."""
    found = find_readiness(cwd=Path.cwd())
    if found.is_ready:
        show_blocks([Paragraph(f"Ready. {found.told}")])
        return 0
    complain(f"truto-groups: not ready: {show(found.told)}")
    return 1
