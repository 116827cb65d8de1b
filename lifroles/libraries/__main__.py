"""Run every node beside ours and write the record: ``python -m lifroles.libraries``."""

from __future__ import annotations

import sys

from lifroles import records
from lifroles.errors import LifrolesError
from lifroles.libraries import record


def main() -> int:
    """Write the record; return the exit status."""
    try:
        made = record.make()
        records.write(made, record.path())
    except LifrolesError as error:
        print(f"lifroles: {error}", file=sys.stderr)
        return 2
    print(f"{record.path().name}: {len(made['rows'])} nodes of {len(record.LIBRARIES)} libraries compared")
    return 0


if __name__ == "__main__":
    sys.exit(main())
