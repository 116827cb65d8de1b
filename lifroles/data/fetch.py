"""Fetching the publishers' files: resumed where it stopped, checked before it counts, unpacked whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pooch
import requests
from filelock import FileLock

from lifroles.data.files import checksum, nature_of, tree_checksum, write_text
from lifroles.data.identity import RECEIPTS, published, receipts
from lifroles.data.registry import DataSet, File
from lifroles.errors import DataError

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes of it that are here, and its bytes (0 where that is not known)."""

TRIES = 5
_CHUNK = 1 << 15  # what a broken connection loses at most
_SECONDS = 30


class Resuming:
    """A downloader for pooch that keeps what it got in a file of its own, and goes on from there the next time.

    pooch's own downloaders begin anew; pooch still checks the whole file and moves it into place.

    Arguments:
        part: the file that is kept between attempts.
        progress: see :data:`Progress`.
    """

    def __init__(self, part: Path, progress: Progress | None = None) -> None:
        self.part, self.progress = part, progress

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: object, check_only: bool = False) -> None:
        for attempt in range(1, TRIES + 1):
            before = self.part.stat().st_size if self.part.is_file() else 0
            try:
                self._get(url, before)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                have = self.part.stat().st_size if self.part.is_file() else 0
                # Attempts are for a connection that breaks, not for one that is never made.
                if attempt == TRIES or have == before:
                    raise DataError(
                        f"{self.part.name.removesuffix('.part').lstrip('.')} could not be fetched from {url} "
                        f"({type(error).__name__} after {have} bytes): run the same command again, it goes on from "
                        "there."
                    ) from error
        if not isinstance(output_file, str | os.PathLike):
            raise TypeError("pooch gives the name of a temporary file")
        if "web page" in nature_of(self.part):
            self.part.unlink()
            raise DataError(f"{url} gave a web page, probably an error message: nothing was kept; try again later.")
        os.replace(self.part, output_file)

    def _get(self, url: str, have: int) -> None:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=_SECONDS) as response:
            if have and response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # it is here to the end, or it is not the file: the checksum decides
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            done = have if resumed else 0
            total = done + int(response.headers.get("Content-Length", 0))
            with open(self.part, "ab" if resumed else "wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    if self.progress is not None:
                        self.progress(self.part.name.removesuffix(".part").lstrip("."), done, total)


def fetch_file(file: File, folder: Path, progress: Progress | None = None) -> Path:
    """Return a file of a data set, after fetching it where it is not here already.

    Raises:
        DataError: it cannot be fetched, or what came is not the published file; nothing is kept then but the part
            that a later attempt goes on from.
    """
    path = folder / file.name
    kind, _, want = file.checksum.partition(":")
    if path.is_file():
        if checksum(path, kind) != want:
            raise DataError(
                f"{path} is not the published file (its {kind.upper()} says so; {nature_of(path)}): delete it "
                "and fetch it again."
            )
        return path
    if file.url is None:
        raise DataError(f"{path} has to be put there by hand: its publisher offers no direct download.")
    pooch.get_logger().setLevel(logging.WARNING)
    part = folder / f".{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        downloader: Any = Resuming(part, progress)
        pooch.retrieve(file.url, file.checksum, fname=file.name, path=folder, downloader=downloader)
    except requests.RequestException as error:
        raise DataError(f"{file.name} could not be fetched from {file.url} ({error}): try again later.") from error
    except ValueError as error:  # pooch's word for another checksum; it has deleted the file
        raise DataError(
            f"What {file.url} gives is not the published {file.name} (its {kind.upper()} says so): nothing was kept; "
            f"try again, or fetch it by hand into {folder}."
        ) from error
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


def unpack(file: File, folder: Path) -> list[Path]:
    """Return an archive's members beside it, after unpacking those that are not there, and note their checksums.

    The archive has to be the published one; the note is what later tells its members from others of the same name.

    Raises:
        DataError: the archive is damaged or lacks a member.
    """
    archive = folder / file.name
    temporary = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=folder))
    try:
        _extract(archive, temporary, file)
        notes = receipts(folder)
        for member in file.members:
            source = temporary / file.prefix / member
            if not source.exists():
                raise DataError(f"{archive} lacks {file.prefix}{member}: delete it and fetch it again.")
            notes[member] = tree_checksum(source) if source.is_dir() else checksum(source)
            target = folder / member
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(source, target)
        write_text(folder / RECEIPTS, json.dumps(notes, indent=1, sort_keys=True) + "\n")
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(
            f"{archive} cannot be unpacked ({nature_of(archive)}; {error}): delete it and fetch it again."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder / member for member in file.members]


def _extract(archive: Path, target: Path, file: File) -> None:
    wanted = tuple(file.prefix + member for member in file.members)
    below = tuple(f"{name}/" for name in wanted)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name in wanted or name.startswith(below):
                    opened.extract(name, target)
        return
    with tarfile.open(archive) as opened:
        members = [member for member in opened if member.name in wanted or member.name.startswith(below)]
        opened.extractall(target, members, filter="data")


def _unpacked(dataset: DataSet, file: File, folder: Path) -> bool:
    """Return whether an archive's members are all here and the published ones.

    Raises:
        DataError: something else lies in a member's place.
    """
    there = [folder / member for member in file.members if (folder / member).exists()]
    for path in there:
        digest = tree_checksum(path) if path.is_dir() else checksum(path)
        if digest != published(dataset, folder, path.name):
            raise DataError(
                f"{path} is not the published one, or that cannot be told: move it away to fetch the published one, or "
                "use it as the source local."
            )
    return bool(there) and len(there) == len(file.members)


def fetch(dataset: DataSet, progress: Progress | None = None) -> list[Path]:
    """Return a data set's files, after fetching, checking and unpacking what is not here.

    A file that can only be had by hand is used if it is here, and the others are fetched only where it is not.

    Raises:
        DataError: a file cannot be had, or something else lies in its place.
    """
    folder = dataset.path()
    here = [file for file in dataset.files if file.url is None and (folder / file.name).is_file()]
    wanted = here or [file for file in dataset.files if file.url is not None]
    paths: list[Path] = []
    with _alone(folder):
        for file in wanted:
            if not file.members:
                paths.append(fetch_file(file, folder, progress))
                continue
            if not _unpacked(dataset, file, folder):
                archive = fetch_file(file, folder, progress)
                unpack(file, folder)
                if file.url is not None:
                    archive.unlink()  # it can be fetched again, and is as large as what came out of it
            paths += [folder / member for member in file.members]
    return paths


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the folder: another process that fetches into it waits."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".fetch.lock")
        lock.acquire()
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _cannot_write(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({error.strerror or error}): free or unlock the folder, or set LIFROLES_DATA to "
        "another."
    )
