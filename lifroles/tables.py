"""Tables that a screen reader can walk: a caption, and a scope on every heading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from lifroles.benchmarks import Protocol
from lifroles.errors import SpecError


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows. Cells are plain text; it shows itself in a notebook.

    Raises:
        SpecError: a row has not as many cells as there are columns.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise SpecError(f"A row of the table {self.caption!r} has {len(row)} cells for {len(self.columns)}.")

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in self.columns)
        body = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        # A wide table scrolls in its own box on a phone; the box can be reached from the keyboard.
        return (
            f'<div class="lifroles-table" role="region" tabindex="0" aria-label="{escape(self.caption)}">'
            f'<table class="lifroles"><caption><span>{escape(self.caption)}</span></caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def __repr__(self) -> str:
        """Return the table as text, tab-separated."""
        return "\n".join("\t".join(row) for row in ((self.caption,), self.columns, *self.rows))


def protocol_table(caption: str, protocol: Protocol) -> Table:
    """Return every choice of a protocol: what it is, its value, and where the number comes from."""
    rows: Iterable[tuple[str, str, str, str]] = (
        (description, name, _plain(value), source) for name, value, description, source in protocol.rows()
    )
    return Table(caption, ("Choice", "Name in the code", "Value", "Source"), list(rows))


def _plain(value: object) -> str:
    if value is None:
        return "all"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
