"""Fig. 7 to move about in: the features of every model in two dimensions, each point a recording with its label."""

from __future__ import annotations

import base64
import html
import json
from typing import Any

import numpy as np
from IPython.display import HTML

from lifroles.figures.generalisation import FIG7
from lifroles.generalisation.networks import LABELS
from lifroles.generalisation.study import Study
from lifroles.probes.record import ProbeRecord

Array = np.ndarray[Any, Any]

LAYOUTS = {
    "tsne": "t-SNE, 3 ms",
    "umap": "UMAP, 3 ms",
    "umap_1": "the same UMAP, 1 ms",
    "umap_10": "the same UMAP, 10 ms",
}
"""The arrays of the probe that are shown, by their names for readers."""

_STEPS = 4095  # across the larger side of a layout: finer than any screen


def explorer(study: Study) -> HTML | None:
    """Return the features of the first run of every model as an interactive figure, or ``None`` where there are none.

    ``book/_static/explorer.js`` draws it; without scripts it says so, and Fig. 7 above shows the same.
    """
    models = {row.model: found[0] for row in study.rows if row.model in FIG7 and (found := row.probes("features"))}
    if not models:
        return None
    shown = {LABELS[model]: _packed(record) for model, record in models.items()}
    # A script's text ends at its closing tag, wherever that stands.
    data = json.dumps({"layouts": LAYOUTS, "models": shown}).replace("</", "<\\/")
    options = "".join(f"<option>{html.escape(name)}</option>" for name in shown)
    layouts = "".join(f'<option value="{name}">{html.escape(words)}</option>' for name, words in LAYOUTS.items())
    return HTML(
        '<div class="lifroles lifroles-explorer"><form hidden>'
        f'<label>model <select name="model">{options}</select></label> '
        f'<label>picture <select name="layout">{layouts}</select></label> '
        '<label><input type="checkbox" name="wrong"> only wrong ones</label></form>'
        '<canvas tabindex="0" role="img" aria-label="Features in two dimensions, one point a recording; '
        'arrow keys go from one wrongly classified recording to the next."></canvas>'
        '<p><output aria-live="polite"></output></p>'
        "<noscript>This figure needs scripts; Fig. 7 above shows the same.</noscript>"
        f'<script type="application/json">{data}</script></div>'
    )


def _packed(record: ProbeRecord) -> dict[str, Any]:
    """Return a record's arrays as little-endian integers in base64."""
    moved = [f"umap_{dt:g}" for dt in record.spec.parameters["moved"]]
    layouts = {name: record.array(name) for name in LAYOUTS if name in ("tsne", "umap", *moved)}
    # What moves in the plane of one UMAP has to stay in its frame.
    maps = np.concatenate([places for name, places in layouts.items() if name != "tsne"])
    return {
        "layouts": {
            name: _base64(_scaled(places, places if name == "tsne" else maps), "<u2")
            for name, places in layouts.items()
        },
        "labels": _base64(record.array("labels"), "u1"),
        "predictions": _base64(record.array("predictions"), "u1"),
        "samples": _base64(record.array("samples"), "<u4"),
    }


def _scaled(places: Array, frame: Array) -> Array:
    """Return places ``[S, 2]`` in a frame as integers from 0, with one unit for both directions and y downwards."""
    low, high = frame.min(0), frame.max(0)
    side = max(float((high - low).max()), 1e-9)
    # from the middle, so that the shorter side is centred
    away = (places - (low + high) / 2) * (1, -1) / side
    return ((0.5 + away) * _STEPS).clip(0, _STEPS).round()


def _base64(values: Array, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()
