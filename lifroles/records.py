"""Measurements that are no training runs, as JSON files in ``results/``: written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifroles.errors import StoreError


def write(record: Mapping[str, Any], place: Path) -> None:
    """Write a record; one that is there is replaced in one go.

    Raises:
        StoreError: it cannot be written there.
    """
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    partial = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(partial, 0o644)
        os.replace(partial, place)
    except OSError as error:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        raise StoreError(f"{place} cannot be written ({error.strerror}): free or unlock its folder.") from error


def read(place: Path, command: str) -> dict[str, Any]:
    """Return a record.

    Arguments:
        place: the file.
        command: what makes it again, for the message.

    Raises:
        StoreError: it is not there, or damaged.
    """
    try:
        return json.loads(place.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{place} cannot be read ({error}): restore it, or make it again: {command}.") from error
