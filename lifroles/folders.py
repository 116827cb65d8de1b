"""Folders of files that are written whole or not at all, and verified when read.

Such a folder holds its files and ``DONE`` with the SHA-256 of each. It is put together under a temporary name beside
its place, forced to the disk, and moved there: a process that is killed at any moment, or a full disk, leaves the whole
folder or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lifroles.errors import StoreError

DONE = "DONE"


def dump(value: Any) -> bytes:
    """Return a value as JSON, the same bytes for the same value; a number that is none is refused."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def sha256(data: bytes) -> str:
    """Return the hash that ``DONE`` holds for a file of these bytes."""
    return hashlib.sha256(data).hexdigest()


def write(place: Path, contents: Mapping[str, bytes]) -> bool:
    """Write a folder; one that is there and done stays as it is.

    Arguments:
        place: the folder. What lies there without ``DONE`` is no folder of ours and is an error.
        contents: its files by name, without ``DONE``.

    Returns:
        Whether it was written: ``False`` where it was there.

    Raises:
        OSError: nothing can be written there (read-only, full); nothing is left behind then.
    """
    if (place / DONE).is_file():
        return False
    hashes = {name: sha256(data) for name, data in contents.items()}
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
    try:
        partial.chmod(0o755)
        for name, data in {**contents, DONE: dump(hashes)}.items():
            with open(partial / name, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        _sync(partial)
        try:
            os.rename(partial, place)
        except OSError:
            # Another process wrote the same folder first: keep its copy.
            if not (place / DONE).is_file():
                raise
            return False
        _sync(place.parent)
        return True
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Force a folder's own entries to the disk, so that a rename survives a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hashes(place: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder by name, as ``DONE`` says.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    found = json.loads((place / DONE).read_bytes())
    if not isinstance(found, dict):
        raise ValueError(f"{DONE} holds no names")
    return found


def read(place: Path, names: Iterable[str] | None = None) -> dict[str, bytes]:
    """Return files of a folder, each compared with its hash.

    Arguments:
        place: the folder.
        names: which; default: all that ``DONE`` names.

    Raises:
        OSError, ValueError: one cannot be read.
        StoreError: one is not what was written, or ``DONE`` does not name it. The message has no mend and no full stop.
    """
    known = hashes(place)
    contents = {}
    for name in known if names is None else names:
        data = (place / name).read_bytes()
        if sha256(data) != known.get(name):
            raise StoreError(f"{place / name} is not what its run wrote")
        contents[name] = data
    return contents


def clear_partial(place: Path) -> None:
    """Remove what killed writers of a folder left beside it; call it only where no other process may be writing it."""
    for left in place.parent.glob(f".{place.name}.*.part"):
        shutil.rmtree(left, ignore_errors=True)
