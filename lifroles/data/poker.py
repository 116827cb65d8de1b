"""POKER-DVS: the pips of playing cards, browsed before an event camera, in two small archives of arrays."""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lifroles.data.camera import MEND, Events, check
from lifroles.data.files import nature_of
from lifroles.errors import DataError

SIDE = 35
NAMES = ("clubs", "hearts", "diamonds", "spades")
_FOLDERS = ("cl", "he", "di", "sp")


@dataclass(frozen=True, slots=True, eq=False)
class Pip:
    """One recording: its events and its label (0 to 3)."""

    events: Events
    label: int


def read_pips(path: Path, trusted: bool = False) -> list[Pip]:
    """Return an archive's recordings, the classes in turn: the first of each, then the second of each, and so on.

    Each is an array ``[events, 4]`` of microseconds, x, y and polarity.

    Raises:
        DataError: the archive or an array in it is damaged, a folder is no class, or see
            :func:`~lifroles.data.camera.check`.
    """
    found: list[tuple[int, int, Pip]] = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if not member.name.endswith(".npy"):
                    continue
                where = f"{path}:{member.name}"
                match = re.fullmatch(r".*/([^/]+)/(\d+)\.npy", member.name)
                if match is None or match[1] not in _FOLDERS:
                    raise DataError(f"{where} is in none of the folders {', '.join(_FOLDERS)}: {MEND}.")
                file = archive.extractfile(member)
                table = np.load(io.BytesIO(b"" if file is None else file.read()), allow_pickle=False)
                if table.ndim != 2 or table.shape[1] != 4:
                    raise DataError(f"{where} has shape {list(table.shape)}: an event has four numbers; {MEND}.")
                events = Events(*(table[:, i].astype(np.int64) for i in range(4)))
                label = _FOLDERS.index(match[1])
                found.append((int(match[2]), label, Pip(check(events, SIDE, where, trusted), label)))
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} is no whole archive of arrays ({nature_of(path)}): {MEND}.") from error
    if not found:
        raise DataError(f"{path} holds no recording: {MEND}.")
    return [pip for _, _, pip in sorted(found, key=lambda one: one[:2])]
