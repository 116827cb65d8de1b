"""Make the record of untrained networks: ``python -m lifroles.isometry``, where the images lie in ``LIFROLES_DATA``."""

from __future__ import annotations

import argparse
import sys

from lifroles.benchmarks.cifar10 import Cifar10
from lifroles.errors import LifrolesError
from lifroles.isometry import initial


def main(values: list[str] | None = None) -> int:
    """Measure and write; return the exit status."""
    parser = argparse.ArgumentParser(prog=initial.COMMAND, description=__doc__)
    parser.add_argument("--source", choices=Cifar10.sources, default="jpeg", help="of the images (default jpeg)")
    source = parser.parse_args(values).source
    try:
        initial.write(initial.make(source))
    except LifrolesError as error:
        print(f"lifroles: {error}", file=sys.stderr)
        return 2
    print(f"{initial.path()} is made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
