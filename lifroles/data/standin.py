"""Stand-ins made here, kept in the cache folder: made once for each set of arguments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from lifroles.data.files import tree_checksum, write_text
from lifroles.errors import DataError
from lifroles.paths import cache_dir

NOTE = ".standin.json"
"""Written last: what the stand-in was made from, and the SHA-256 of its content."""


def made(name: str, arguments: Mapping[str, Any], make: Callable[[Path], object]) -> tuple[Path, str]:
    """Return the stand-in's folder and the SHA-256 of its content; make it there first if need be.

    One process at a time makes it. If it is killed, the next one finds what the generator keeps of its work, which
    writes every file whole or not at all.

    Arguments:
        name: which generator, for example ``saccades``.
        arguments: everything its output depends on, its version included.
        make: called with the folder to fill.

    Raises:
        DataError: nothing can be written there.
    """
    text = json.dumps({"name": name, **arguments}, sort_keys=True)
    place = cache_dir() / "standins" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    note = place / NOTE
    if not note.is_file():
        try:
            place.mkdir(parents=True, exist_ok=True)
            with FileLock(place.parent / f".{place.name}.lock"):
                if not note.is_file():
                    make(place)
                    content = {"arguments": json.loads(text), "sha256": tree_checksum(place)}
                    write_text(note, json.dumps(content, indent=1, sort_keys=True) + "\n")
        except OSError as error:
            raise DataError(
                f"{place} cannot be written ({error.strerror or error}): free or unlock the folder, or set "
                "LIFROLES_CACHE to another."
            ) from error
    return place, str(json.loads(note.read_text(encoding="utf-8"))["sha256"])
