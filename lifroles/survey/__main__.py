"""Make the survey's record: ``python -m lifroles.survey [PART...]``, where the real data lie in ``LIFROLES_DATA``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from lifroles.errors import LifrolesError, SpecError
from lifroles.survey import learnable, likeness, record, samples, times


def _samples() -> dict[str, Any]:
    said, arrays = samples.make()
    record.write_arrays(arrays)
    return said


MAKE: dict[str, Callable[[], dict[str, Any]]] = {
    "samples": _samples,
    "saccades": likeness.make_saccades,
    "speech": likeness.make_speech,
    "learnable": learnable.make,
    "times": times.make,
}


def main(parts: list[str]) -> int:
    """Make the parts, all where none is named; return the exit status."""
    try:
        for part in parts:
            if part not in MAKE:
                raise SpecError(f"there is no part {part!r}: give some of {', '.join(MAKE)}.")
        for part in parts or MAKE:
            known = record.origin()
            record.write(part, MAKE[part](), known)
            print(f"results/data/{part}.json is made")
    except LifrolesError as error:
        print(f"lifroles: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
