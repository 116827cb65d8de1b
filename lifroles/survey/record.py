"""The record of the survey: a file a part, each with where it comes from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lifroles import provenance, records
from lifroles.errors import StoreError
from lifroles.paths import results_dir

COMMAND = "python -m lifroles.survey"
"""Makes the record again, or the parts that are named after it."""

PARTS = ("samples", "saccades", "speech", "learnable", "times")
_ARRAYS = "samples.npz"

Array = np.ndarray[Any, Any]
Record = Mapping[str, Any]


def path(name: str) -> Path:
    """Return where a part lies, or the samples' arrays."""
    return results_dir() / "data" / name


def origin() -> dict[str, Any]:
    """Return the provenance of a part that is about to be measured."""
    known = provenance.describe(threads=torch.get_num_threads(), device="cpu", backend="auto")
    try:
        espeak: str | None = version("espeakng-loader")
    except PackageNotFoundError:
        espeak = None
    known["versions"] |= {"espeakng-loader": espeak}
    return known


def write(part: str, found: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Write what a part has found.

    Raises:
        StoreError: it cannot be written.
    """
    records.write({"provenance": known, "found": found}, path(f"{part}.json"))


def read() -> dict[str, Any]:
    """Return every part that has been measured, by its name.

    Raises:
        StoreError: one is damaged, or there are no samples.
    """
    return {
        part: records.read(path(f"{part}.json"), f"{COMMAND} {part}")
        for part in PARTS
        if part == "samples" or path(f"{part}.json").is_file()
    }


def write_arrays(arrays: Mapping[str, Array]) -> None:
    """Write the samples' arrays; a file that is there is replaced in one go.

    Raises:
        StoreError: it cannot be written.
    """
    place, partial = path(_ARRAYS), None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        os.chmod(partial, 0o644)
        os.replace(partial, place)
    except OSError as error:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        raise StoreError(f"{place} cannot be written ({error.strerror}): free or unlock its folder.") from error


def read_arrays() -> dict[str, Array]:
    """Return the samples' arrays.

    Raises:
        StoreError: they are not there, or damaged.
    """
    place = path(_ARRAYS)
    try:
        with np.load(place) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise StoreError(
            f"{place} cannot be read ({error}): restore it, or make it again: {COMMAND} samples."
        ) from error
