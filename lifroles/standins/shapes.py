"""Ten kinds of small coloured pictures, for the pipeline alone: they stand in for no data set.

A picture is a disc, square, triangle, cross or ring, in a warm or a cold colour, somewhere on a grey ground with noise.
A network that learns CIFAR10's images and one that learns nothing useful both tell them apart: what is shown with them
is that the benchmark runs from end to end, and nothing about its accuracy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SIDE = 32
CLASSES = 10
VERSION = 1


def draw(samples: int, seed: int) -> tuple[Array, Array]:
    """Return pictures ``[samples, 3072]`` (red, green, blue; row by row), uint8, and labels ``[samples]``, in turn."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    labels = np.arange(samples) % CLASSES
    middle = rng.uniform(11, SIDE - 11, (samples, 2, 1, 1))
    size = rng.uniform(6, 9, (samples, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    y, x = rows - middle[:, 0], columns - middle[:, 1]
    away, reach = np.hypot(x, y), np.maximum(abs(x), abs(y))
    shapes = np.stack(
        [
            away < size,
            reach < size * 0.9,
            (y < size * 0.7) & (y > 2 * abs(x) - size),
            (reach < size) & (np.minimum(abs(x), abs(y)) < size / 3),
            (away < size) & (away > size * 0.6),
        ]
    )
    inside = shapes[labels // 2, np.arange(samples)]
    warm = np.array([[210, 110, 40], [50, 110, 200]])[labels % 2] + rng.normal(0, 15, (samples, 3))
    ground = rng.uniform(70, 150, (samples, 1, 1, 1))
    pictures = np.where(inside[:, None], warm[:, :, None, None], ground) + rng.normal(0, 20, (samples, 3, SIDE, SIDE))
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8).reshape(samples, -1), labels.astype(np.int64)
