"""``make bench``: the figures on speed in docs/benchmarks.md; each section is one of them."""

import argparse
import sys

from truto_groups_tests.benchmark import ceilings, felt, graph, idle, peers, scale, start, upkeep

SECTIONS = {
    "peers": peers,
    "felt": felt,
    "graph": graph,
    "ceilings": ceilings,
    "start": start,
    "idle": idle,
    "scale": scale,
    "upkeep": upkeep,
}


def main() -> None:
    """Measure one section; without a name the peers."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    sections = parser.add_subparsers(dest="section", required=True)
    for name, module in SECTIONS.items():
        told = (module.__doc__ or "").partition("\n")[0]
        module.add_arguments(sections.add_parser(name, help=told, description=module.__doc__))
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in (*SECTIONS, "-h", "--help"):
        arguments = ["peers", *arguments]
    options = parser.parse_args(arguments)
    SECTIONS[options.section].measure(options)


if __name__ == "__main__":
    main()
