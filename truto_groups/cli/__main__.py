"""``python -m truto_groups.cli``: the same command."""

import sys

from truto_groups.cli import main

if __name__ == "__main__":
    sys.exit(main())
