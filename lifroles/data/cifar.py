"""CIFAR10's binary version: files of 10,000 rows, a label and 3 × 32 × 32 bytes each. No pickle is ever loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lifroles.data.camera import MEND
from lifroles.data.files import nature_of
from lifroles.errors import DataError

Array = np.ndarray[Any, Any]

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = ("test_batch.bin",)
ROW = 1 + 3 * 32 * 32


def read_images(path: Path) -> tuple[Array, Array]:
    """Return a file's images ``[S, 3072]`` (red, green, blue; row by row), uint8, and labels ``[S]``, int64.

    Raises:
        DataError: it is missing, no whole number of images, empty, or has a label above 9.
    """
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): fetch it, or choose another source.") from error
    if not len(raw) or len(raw) % ROW:
        raise DataError(f"{path} is no whole number of images of {ROW} bytes ({nature_of(path)}): {MEND}.")
    rows = raw.reshape(-1, ROW)
    labels = rows[:, 0].astype(np.int64)
    if int(labels.max()) >= len(NAMES):
        image = int(labels.argmax())
        raise DataError(f"{path} gives image {image} the label {int(labels.max())}: there are 0 to 9; {MEND}.")
    return rows[:, 1:], labels
