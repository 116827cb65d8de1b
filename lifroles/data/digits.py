"""N-MNIST's recordings: one file each, in the publisher's archive or in folders named by the digit."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lifroles.data.camera import MEND, Events, decode_bin
from lifroles.data.files import nature_of
from lifroles.errors import DataError


@dataclass(frozen=True, slots=True)
class Digit:
    """One N-MNIST recording: MNIST's index of its image (from 1), its label, and its bytes when asked for."""

    index: int
    label: int
    where: str
    source: Path | tuple[Path, str]


_BIN = re.compile(r"(?:.*/)?(Train|Test)/([^/]+)/([^/]+)\.bin")


def list_digits(source: Path, split: str) -> list[Digit]:
    """Return the recordings of ``Train`` or ``Test`` in MNIST's order.

    Arguments:
        source: the folder that holds ``Train`` and ``Test``, or the publisher's zip archive.

    Raises:
        DataError: there is none, the archive is none, a folder is no digit, or an index comes twice.
    """
    if source.is_dir():
        names: list[Path | tuple[Path, str]] = list((source / split).glob("*/*.bin"))
    else:
        try:
            with zipfile.ZipFile(source) as archive:
                names = [(source, name) for name in archive.namelist()]
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{source} is no zip archive ({nature_of(source)}): {MEND}.") from error
    digits: dict[int, Digit] = {}
    for name in names:
        path = name[1] if isinstance(name, tuple) else name.as_posix()
        match = _BIN.fullmatch(path)
        if match is None or match[1] != split:
            continue
        where = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name)
        if not re.fullmatch(r"\d", match[2]):
            raise DataError(f"{where} has the label {match[2]!r}, which is no digit from 0 to 9: {MEND}.")
        if not match[3].isdecimal():
            raise DataError(f"{where} is not named by its number, such as 00002.bin: {MEND}.")
        index = int(match[3])
        if index in digits:
            raise DataError(f"{where} and {digits[index].where} are the same recording: one label is wrong; {MEND}.")
        digits[index] = Digit(index, int(match[2]), where, name)
    if not digits:
        raise DataError(f"{source} holds no recording {split}/<digit>/<number>.bin: {MEND}.")
    return [digits[index] for index in sorted(digits)]


def read_digits(digits: list[Digit], trusted: bool = False) -> Iterator[tuple[Digit, Events]]:
    """Yield every recording with its events.

    Raises:
        DataError: one cannot be read, or see :func:`decode_bin`.
    """
    archives: dict[Path, zipfile.ZipFile] = {}
    try:
        for digit in digits:
            try:
                if isinstance(digit.source, tuple):
                    path, member = digit.source
                    if path not in archives:
                        archives[path] = zipfile.ZipFile(path)
                    raw = archives[path].read(member)
                else:
                    raw = digit.source.read_bytes()
            except (OSError, zipfile.BadZipFile, EOFError) as error:
                raise DataError(f"{digit.where} cannot be read ({error}): {MEND}.") from error
            yield digit, decode_bin(raw, digit.where, trusted=trusted)
    finally:
        for archive in archives.values():
            archive.close()
