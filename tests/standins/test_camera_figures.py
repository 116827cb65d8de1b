"""Figures of recordings: what they show, in the book's colours."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from lifroles.figures import camera, svg
from lifroles.figures.style import COLOURS, INK, PAPER
from lifroles.standins import statistics
from lifroles.standins.camera import Events


def recording(seed, n=400):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 34, (2, n), dtype=np.uint8)
    return Events(np.sort(rng.integers(0, 300_000, n)).astype(np.int32), x, y, rng.random(n) < 0.5)


DRAWINGS = {
    "frames": lambda: camera.frames(
        {"recorded": recording(0), "stand-in": recording(1)}, [(30, 60), (150, 180)], side=34, pool=2
    ),
    "comparison": lambda: camera.comparison(
        statistics.measure([recording(i) for i in range(5)]), statistics.measure([recording(i) for i in range(5, 9)])
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_drawing_has_the_books_colours_and_a_description(name):
    drawing = svg(DRAWINGS[name]())
    root = ElementTree.fromstring(drawing)
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    assert texts and all("currentColor" in text.get("style", "") for text in texts)
    assert INK not in drawing and PAPER not in drawing
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) <= {colour.lower() for colour in COLOURS.values()}
    assert len(root.get("aria-label") or "") > 30
    assert drawing == svg(DRAWINGS[name]())


def test_a_frame_shows_each_pixel_once_in_the_polarity_it_had_more_of():
    # Row 1: three neighbours ON; row 2: a pixel with one ON and two OFF; later, one that is not in the window.
    t = np.array([1000, 1000, 1000, 2000, 2000, 2000, 9000], np.int32)
    x, y = np.array([4, 5, 6, 9, 9, 9, 0], np.uint8), np.array([1, 1, 1, 2, 2, 2, 0], np.uint8)
    events = Events(t, x, y, np.array([1, 1, 1, 1, 0, 0, 1], bool))
    figure = camera.frames({"a": events}, [(0, 5)], side=12)
    on, off = (np.asarray(patch.get_path().vertices).reshape(-1, 5, 2) for patch in figure.axes[0].patches)
    assert on.tolist() == [[[3.5, 0.5], [6.5, 0.5], [6.5, 1.5], [3.5, 1.5], [3.5, 0.5]]]
    assert off.tolist() == [[[8.5, 1.5], [9.5, 1.5], [9.5, 2.5], [8.5, 2.5], [8.5, 1.5]]]
    assert figure.axes[0].get_xlabel() == "0–5 ms" and figure.axes[0].get_title(loc="left") == "a"
