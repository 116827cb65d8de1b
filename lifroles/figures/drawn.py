"""What a figure shows, read back from the figure: the file that is offered where a page has no better one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lifroles.tables import Download

COLUMNS = ("panel", "series", "x", "y", "value")

MOST = 5000
"""Rows that are offered: a page with more would weigh too much, and such a figure is rather a photograph."""

_Row = tuple[str, str, object, object, object]


def drawn(fig: Figure, name: str) -> Download | None:
    """Return what a figure shows as a file, or ``None`` of a drawing, which shows no data, and of a photograph.

    A row is a point of a line, a mark, an end of a stroke, a bar (its middle and height) or an entry of a picture
    (with its value, or its colour); entries that have the picture's commonest value are left out.

    Arguments:
        fig: the figure.
        name: of the file, without its ending.
    """
    rows = [row for number, ax in enumerate(fig.axes, start=1) for row in _panel(ax, number)]
    return Download(name, COLUMNS, rows) if 0 < len(rows) <= MOST else None


def _panel(ax: Axes, number: int) -> Iterator[_Row]:
    titles = (ax.get_title(), ax.get_title(loc="left"), ax.get_title(loc="right"), ax.get_ylabel())
    title = next(filter(None, (" ".join(text.split()) for text in titles)), "")
    panel = f"{number}: {title}" if title else str(number)
    if not ax.axison and not ax.images:
        return  # boxes and arrows
    for count, line in enumerate(ax.lines, start=1):
        series = _series(line, f"line {count}")
        yield from ((panel, series, x, y, "") for x, y in _pairs(line.get_xdata(), line.get_ydata()))
    for count, marks in enumerate(ax.collections, start=1):
        if isinstance(marks, PathCollection):
            points: Iterable[Any] = np.asarray(marks.get_offsets())
        elif isinstance(marks, LineCollection):
            points = (point for stroke in marks.get_segments() for point in np.asarray(stroke))
        else:
            continue  # bands and contours have no points of their own
        series = _series(marks, f"marks {count}")
        yield from ((panel, series, _plain(x), _plain(y), "") for x, y in points)
    for count, bar in enumerate(ax.patches, start=1):
        if isinstance(bar, Rectangle):
            middle = bar.get_x() + bar.get_width() / 2
            yield panel, _series(bar, f"bar {count}"), _plain(middle), _plain(bar.get_height()), ""
    for count, image in enumerate(ax.images, start=1):
        yield from _picture(panel, _series(image, f"picture {count}"), np.asarray(image.get_array()))


def _picture(panel: str, series: str, values: np.ndarray) -> Iterator[_Row]:
    entries = (
        {place: _plain(value) for place, value in np.ndenumerate(values)}
        if values.ndim == 2
        else {place: _colour(values[place]) for place in np.ndindex(*values.shape[:2])}
    )
    ground, _ = Counter(entries.values()).most_common(1)[0]
    for (row, column), value in entries.items():
        if value != ground:
            yield panel, series, column, row, value


def _colour(pixel: np.ndarray) -> str:
    share = pixel / 255 if pixel.dtype == np.uint8 else np.clip(pixel, 0, 1)
    red, green, blue = (float(part) for part in share[:3])
    return to_hex((red, green, blue))


def _series(artist: Any, otherwise: str) -> str:
    label = str(artist.get_label() or "")
    return otherwise if not label or label.startswith("_") else " ".join(label.split())


def _pairs(xs: Any, ys: Any) -> Iterator[tuple[object, object]]:
    for x, y in zip(np.ravel(xs), np.ravel(ys), strict=False):
        yield _plain(x), _plain(y)


def _plain(value: Any) -> object:
    """Return a number as few digits as a reader of a plot can tell apart write it; missing ones are left empty."""
    if np.ma.is_masked(value) or value is None:
        return ""
    number = float(value)
    return "" if np.isnan(number) else float(f"{number:.6g}")
