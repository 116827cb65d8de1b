"""Checksums of files, remembered while a file is unchanged, and what a file that cannot be read probably is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from lifroles.errors import DataError
from lifroles.paths import cache_dir


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def checksum(path: Path, kind: str = "sha256") -> str:
    """Return the checksum of a file's content, read now.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, kind).hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): check its permissions, or fetch it again."
        ) from error


_forgetful = False


@contextlib.contextmanager
def read_anew() -> Generator[None]:
    """Within this context every checksum is computed from the content as it is now."""
    global _forgetful
    before, _forgetful = _forgetful, True
    try:
        yield
    finally:
        _forgetful = before


def remembered(path: Path, what: str, compute: Callable[[], str]) -> str:
    """Return what ``compute`` says of a file or folder, from memory while its size and time stamps are the same.

    Large files are hashed once, not at every start. Within :func:`read_anew` the memory is not asked.
    """
    parts = [str(path.resolve()), what]
    for entry in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        status = entry.stat()
        parts.append(f"{entry.name} {status.st_size} {status.st_mtime_ns} {status.st_ino}")
    note = cache_dir() / "checksums" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    if not _forgetful:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(note.read_text(encoding="utf-8"))[what])
    value = compute()
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
        write_text(note, json.dumps({"path": str(path), what: value}))
    return value


def sha256(path: Path) -> str:
    """Return a file's SHA-256, remembered."""
    return remembered(path, "sha256", lambda: checksum(path))


def tree_checksum(folder: Path, suffix: str = "") -> str:
    """Return one SHA-256 over the names and contents of all files with this ending below a folder, read now."""
    paths = [path for path in folder.rglob(f"*{suffix}") if path.is_file()]
    return hash_lines({path.relative_to(folder).as_posix(): checksum(path) for path in paths})


def hash_lines(hashes: Mapping[str, str]) -> str:
    """Return one SHA-256 over names and their hashes, whatever their order."""
    return hashlib.sha256("".join(f"{name} {hashes[name]}\n" for name in sorted(hashes)).encode()).hexdigest()


def tree_sha256(folder: Path, suffix: str = "") -> str:
    """As :func:`tree_checksum`, remembered."""
    return remembered(folder, f"tree{suffix}", lambda: tree_checksum(folder, suffix))


def nature(head: bytes) -> str:
    """Return in words what the beginning of a file shows it to be, where it is not what it should be."""
    start = head[:512].lstrip().lower()
    if not head:
        return "it is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "it is a web page, probably an error message saved in its place"
    return "it is cut short or damaged"


def nature_of(path: Path) -> str:
    """As :func:`nature`, of a file."""
    try:
        with open(path, "rb") as file:
            return nature(file.read(512))
    except OSError as error:
        return f"it cannot be opened: {error.strerror}"
