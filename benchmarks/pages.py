"""How long does each notebook take? ``python -m benchmarks.pages``, after ``lifroles book [--profile smoke]``.

The times are those that papermill noted while the last build executed the notebooks; what is known of another profile
stays. Build on a machine that does nothing else: ``lifroles book --force``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lifroles import guide, pool, provenance, records
from lifroles.gate import Layout
from lifroles.gate.executed import RECORD
from lifroles.gate.notebooks import read_notebook
from lifroles.parameters import SCHEMAS
from lifroles.paths import project_root


def measured(layout: Layout) -> tuple[str, dict[str, float]]:
    """Return the profile of the executed notebooks, and the seconds that each took.

    Raises:
        SystemExit: one was not executed, or by another profile than the rest.
    """
    seconds: dict[str, float] = {}
    profiles: set[str] = set()
    for name in SCHEMAS:
        path = layout.copy(name)
        if not path.is_file():
            raise SystemExit(f"{layout.page(path)} is not there: run 'lifroles book' first.")
        metadata: Any = read_notebook(path.read_text("utf-8")).metadata
        seconds[name] = round(float(metadata["papermill"]["duration"]), 1)
        profiles.add(str(metadata[RECORD]["profile"]))
    if len(profiles) != 1:
        raise SystemExit(f"The notebooks are of the profiles {', '.join(sorted(profiles))}: run 'lifroles book' first.")
    return profiles.pop(), seconds


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--project", type=Path, default=project_root(), help="the checkout whose book was built")
    layout = Layout(parser.parse_args().project.resolve())
    profile, seconds = measured(layout)
    known = guide.times()
    origin = provenance.describe(threads=1, device="cpu", backend="auto") | {"side_by_side": pool.cores()}
    known[profile] = {"seconds": seconds, "provenance": origin}
    records.write(known, guide.path())
    print(f"{profile}: {sum(seconds.values()):.0f} s in all, {len(seconds)} notebooks -> {guide.path()}")


if __name__ == "__main__":
    main()
