"""Places where processes coordinate: files, and a real Postgres."""

from dataclasses import dataclass
from pathlib import Path

from truto_groups.coordination.choice import choose_coordination
from truto_groups.coordination.seam import Coordination

OPEN = """
import sys
from pathlib import Path
from truto_groups.coordination.choice import choose_coordination
coordination = choose_coordination(Path(sys.argv[1]), postgres=sys.argv[2] or None)
"""
"""How a process of its own joins a place whose arguments it is given."""


@dataclass(frozen=True)
class Place:
    """Where processes coordinate.

    Attributes:
        companion: Of a database; files lie beside it.
        postgres: Of a database; None where files are all there is.
    """

    companion: Path
    postgres: str | None = None

    @property
    def arguments(self) -> tuple[str, str]:
        """What a process needs to join."""
        return str(self.companion), self.postgres or ""

    def join(self) -> Coordination:
        """Coordinate as one more process would."""
        return choose_coordination(self.companion, postgres=self.postgres)
