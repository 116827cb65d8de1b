"""Tables that a screen reader can walk: a caption, and a scope on every heading."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from lifroles.benchmarks import Protocol
from lifroles.errors import SpecError

_SAFE = "/,:;()+*=@!"
"""What a data URL may hold as it is, so that it is no longer than it has to be."""


@dataclass(frozen=True)
class Download:
    """Numbers that a page offers as a CSV file; they are in the page itself, so that no server is asked.

    Arguments:
        name: of the file, without its ending.
        columns: the headings.
        rows: what stands below them.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    def csv(self) -> str:
        """Return the file's text; a number is written with as many digits as it needs."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([self.columns, *self.rows])
        return text.getvalue()

    def link(self) -> str:
        """Return a link that saves the file."""
        file = f"{escape(self.name)}.csv"
        return f'<a download="{file}" href="data:text/csv;charset=utf-8,{quote(self.csv(), safe=_SAFE)}">{file}</a>'


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows. Cells are plain text; it shows itself in a notebook.

    Arguments:
        caption: what the table shows.
        columns: the headings.
        rows: the cells.
        notes: a sentence or more below each row, across all columns; none at all where there is nothing to say.
        download: its numbers as a file, offered below it.

    Raises:
        SpecError: a row has not as many cells as there are columns, or there are not as many notes as rows.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    download: Download | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise SpecError(f"A row of the table {self.caption!r} has {len(row)} cells for {len(self.columns)}.")
        if self.notes and len(self.notes) != len(self.rows):
            raise SpecError(f"The table {self.caption!r} has {len(self.notes)} notes for {len(self.rows)} rows.")

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in self.columns)
        note_cell = f'<td colspan="{len(self.columns)}">'
        body = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
            + "</tr>"
            + (f'<tr class="note">{note_cell}<span>{escape(note)}</span></td></tr>' if note else "")
            for row, note in zip(self.rows, self.notes or [""] * len(self.rows), strict=True)
        )
        # A wide table scrolls in its own box on a phone; the box can be reached from the keyboard.
        return (
            f'<div class="lifroles-table" role="region" tabindex="0" aria-label="{escape(self.caption)}">'
            f'<table class="lifroles"><caption><span>{escape(self.caption)}</span></caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            + (f'<p class="lifroles-download">Data: {self.download.link()}</p>' if self.download else "")
        )

    def __repr__(self) -> str:
        """Return the table as text, tab-separated."""
        notes = self.notes or [""] * len(self.rows)
        lines = [(*row, note) if note else row for row, note in zip(self.rows, notes, strict=True)]
        return "\n".join("\t".join(line) for line in ((self.caption,), self.columns, *lines))


def protocol_table(caption: str, protocol: Protocol) -> Table:
    """Return every choice of a protocol: what it is, its value, and where the number comes from."""
    rows: Iterable[tuple[str, str, str, str]] = (
        (description, name, _plain(value), source) for name, value, description, source in protocol.rows()
    )
    return Table(caption, ("Choice", "Name in the code", "Value", "Source"), list(rows))


def _plain(value: object) -> str:
    if value is None:
        return "None"  # what that means is the choice's own: all samples, or no limit; its description says which
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
