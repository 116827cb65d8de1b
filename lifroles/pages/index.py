"""The list of archived runs, to filter and to search; each leads to its own page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lifroles.overview import changes_in_words
from lifroles.pages.runs import label
from lifroles.paths import results_dir
from lifroles.prose import counted, listed, percent
from lifroles.store import Record, Store

COLUMNS = ("Run", "Benchmark", "Variant", "Seed", "Accuracy", "Data and changes")


def archived() -> Index:
    """Return every archived run."""
    return Index(Store(results_dir()).all())


def counts(index: Index) -> str:
    """Return in a sentence how many runs there are of which benchmark, and how many failed."""
    names = dict.fromkeys(record.spec.task.title for record in index.records)
    said = [f"{sum(r.spec.task.title == name for r in index.records)} of {name}" for name in names]
    failed = sum(record.status != "completed" for record in index.records)
    return f"{counted(len(index.records), 'run')}: {listed(said)}." + (f" {failed} failed." if failed else "")


@dataclass(frozen=True)
class Index:
    """Runs as a table that shows itself in a notebook, with a form that filters it.

    Arguments:
        records: the runs, in the order of the rows.
        pages: the folder of the runs' pages, from the page that shows this; ``None`` where they have none.
        caption: what the runs are.
    """

    records: Sequence[Record]
    pages: str | None = "../runs"
    caption: str = "Archived runs"

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in COLUMNS)
        form = self._select("benchmark", [r.spec.task.title for r in self.records])
        form += self._select("variant", [label(r) for r in self.records])
        return (
            f'<div class="lifroles lifroles-runs"><form class="lifroles-filter" hidden>{form}'
            '<label>Search <input type="search" name="words"></label>'
            f'<output aria-live="polite">{counted(len(self.records), "run")}</output></form>'
            f'<div class="lifroles-table" role="region" tabindex="0" aria-label="{escape(self.caption)}">'
            f'<table class="lifroles"><caption><span>{escape(self.caption)}: test accuracy after the last epoch, '
            "the data, and what is changed in the full protocol</span></caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(map(self._row, self.records))}</tbody></table></div></div>"
        )

    def __repr__(self) -> str:
        return "\n".join("\t".join((r.spec.digest, *_cells(r))) for r in self.records)

    @staticmethod
    def _select(name: str, values: Sequence[str]) -> str:
        options = "".join(f'<option value="{escape(v)}">{escape(v)}</option>' for v in dict.fromkeys(values))
        every = '<option value="">all</option>'
        return f'<label>{name.capitalize()} <select name="{name}">{every}{options}</select></label>'

    def _row(self, record: Record) -> str:
        digest = escape(record.spec.digest)
        name = f'<a href="{escape(self.pages)}/{digest}.html">{digest}</a>' if self.pages else digest
        title, variant, *rest = map(escape, _cells(record))
        cells = "".join(f"<td>{cell}</td>" for cell in (title, variant, *rest))
        return (
            f'<tr class="lifroles-item" data-benchmark="{title}" data-variant="{variant}">'
            f'<th scope="row">{name}</th>{cells}</tr>'
        )


def _cells(record: Record) -> tuple[str, ...]:
    """Return what stands in a run's row, without its digest."""
    spec = record.spec
    accuracy = percent(record.final["last_accuracy"]) if record.status == "completed" else f"failed: {record.reason}"
    changes = changes_in_words(spec.benchmark, spec.changes())
    return (
        spec.task.title,
        label(record),
        str(record.seed),
        accuracy,
        "; ".join(filter(None, (spec.source, changes))),
    )
