"""What a script of ``benchmarks/`` has measured of trained runs: where its record lies, and how a page shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from lifroles import records
from lifroles.figures import Display, card
from lifroles.paths import results_dir
from lifroles.prose import counted
from lifroles.tables import Table

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """A measurement of runs on N-MNIST that have their weights.

    Arguments:
        name: of its file, without the ending.
        title: what was measured, for the card below its table.
        command: makes the record again; the digests of the runs follow.
        runs: the runs in a record, as their folders below the store's root.
        verdict: says, as Markdown, what came out.
        table: the numbers.
    """

    name: str
    title: str
    command: str
    runs: Callable[[Record], Sequence[str]]
    verdict: Callable[[Record], str]
    table: Callable[[Record], Table]

    @property
    def path(self) -> Path:
        """Where the record lies."""
        return results_dir() / "speed" / f"{self.name}.json"

    def read(self) -> Record | None:
        """Return the record; ``None`` where none was made, since it needs runs with their weights.

        Raises:
            StoreError: it is damaged.
        """
        return records.read(self.path, self.command) if self.path.exists() else None

    def made(self, record: Record) -> Display:
        """Return the provenance card of the table."""
        p, runs = record["provenance"], self.runs(record)
        where = (
            f"From results/speed/{self.path.name}: {', '.join(runs)}; {p['processor']}, "
            f"{counted(p['threads'], 'thread')}, commit {str(p['commit'] or 'unknown')[:7]}."
        )
        digests = " ".join(run.rsplit("-", 1)[-1] for run in runs)
        return card(f"{self.command} {digests}", [], self.title, where)

    def shown(self) -> list[Any]:
        """Return what the page on speed shows of it."""
        record = self.read()
        if record is None:
            missing = f"**Not measured**: `{self.command} DIGEST` does it, for a run on N-MNIST that has its weights."
            return [Markdown(missing)]
        return [Markdown(self.verdict(record)), self.table(record), self.made(record)]
