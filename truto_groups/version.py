"""Which version of the package is installed, for whoever shows it. Nothing else."""

import importlib.metadata


def read_version() -> str:
    """Read the installed version; "unknown" in a checkout that nobody installed."""
    try:
        return importlib.metadata.version("truto-groups")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
