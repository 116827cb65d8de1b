"""Which data sets are here, what they are, and whether they are whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lifroles.data import cifar, digits, gestures, identity, poker, words
from lifroles.data.files import read_anew
from lifroles.data.identity import Identity
from lifroles.data.registry import DataSet
from lifroles.errors import DataError

WORD_CLASSES = {"shd": len(words.DIGITS), "ssc": len(words.COMMANDS)}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a data set, such as its training set.

    Arguments:
        name: which.
        here: whether any of it lies in the data folder.
        source: what it is (see :mod:`lifroles.data.identity`); empty where it is not here or damaged.
        content: what it holds, in words; empty unless it was read.
        problem: what is wrong with it, and the mend; empty where nothing is.
    """

    name: str
    here: bool
    source: str = ""
    content: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Check:
    """How a part is looked at: the paths of which any shows that it is here, its identity, its content in words."""

    name: str
    paths: tuple[Path, ...]
    identify: Callable[[], Identity]
    read: Callable[[Identity], str]


def _plural(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _read_words(found: Identity, classes: int) -> str:
    file = words.open_words(found.path, classes)
    spikes = sum(len(one.t) for one in words.read_words(file, trusted=found.source == "official"))
    return f"{_plural(len(file.labels), 'word')}, {_plural(spikes, 'spike')}"


def _read_digits(found: Identity, split: str) -> str:
    listed = digits.list_digits(found.path, split)
    events = sum(len(e.t) for _, e in digits.read_digits(listed, trusted=found.source == "official"))
    return f"{_plural(len(listed), 'recording')}, {_plural(events, 'event')}"


def _read_gestures(found: Identity, split: str) -> str:
    sizes = [len(one.events.t) for one in gestures.read(found.path, split, found.source != "local")]
    return f"{_plural(len(sizes), 'recording')}, {_plural(sum(sizes), 'event')}"


def _read_pips(found: Identity) -> str:
    pips = poker.read_pips(found.path, trusted=True)
    return f"{_plural(len(pips), 'recording')}, {_plural(sum(len(pip.events.t) for pip in pips), 'event')}"


def _read_images(found: Identity, names: tuple[str, ...]) -> str:
    labels = np.concatenate([cifar.read_images(found.path / name)[1] for name in names])
    return _plural(len(labels), "image")


def _checks(dataset: DataSet) -> Iterator[_Check]:
    folder = dataset.path()
    if dataset.name in WORD_CLASSES:
        classes = WORD_CLASSES[dataset.name]
        for file in dataset.files:
            name = file.members[0]
            yield _Check(
                name,
                (folder / name, folder / file.name),
                lambda n=name: identity.identify_words(dataset, folder, n, classes),
                lambda found: _read_words(found, classes),
            )
    elif dataset.name == "nmnist":
        for split in ("Train", "Test"):
            yield _Check(
                split,
                (folder / split, folder / f"{split.lower()}.zip"),
                lambda s=split: identity.identify_digits(dataset, folder, s),
                lambda found, s=split: _read_digits(found, s),
            )
    elif dataset.name == "dvs_gesture":
        for split in ("train", "test"):
            yield _Check(
                split,
                (folder / "DvsGesture", folder / f"ibmGesture{split.capitalize()}"),
                lambda s=split: identity.identify_gestures(dataset, folder, s),
                lambda found, s=split: _read_gestures(found, s),
            )
    elif dataset.name == "cifar10":
        for split, names in (("train", cifar.TRAIN), ("test", cifar.TEST)):
            yield _Check(
                split,
                tuple(folder / name for name in names),
                lambda n=names: identity.identify_images(dataset, folder, n),
                lambda found, n=names: _read_images(found, n),
            )
    else:
        for file in dataset.files:
            yield _Check(
                file.name,
                (folder / file.name,),
                lambda n=file.name: identity.identify_archive(dataset, folder, n),
                _read_pips if dataset.name == "poker" else lambda found: f"{found.path.stat().st_size:,} bytes",
            )


def _look(check: _Check, thorough: bool) -> Part:
    if not any(path.exists() for path in check.paths):
        return Part(check.name, here=False)
    try:
        found = check.identify()
        return Part(check.name, True, found.source, check.read(found) if thorough else "")
    except DataError as error:
        return Part(check.name, True, problem=str(error))


def look(dataset: DataSet) -> list[Part]:
    """Return every part of a data set and what it is; checksums of unchanged files are not computed again."""
    return [_look(check, thorough=False) for check in _checks(dataset)]


def verify(dataset: DataSet) -> list[Part]:
    """Return every part of a data set after reading all of it: each checksum, and each event, spike or image."""
    with read_anew():
        return [_look(check, thorough=True) for check in _checks(dataset)]


def size(dataset: DataSet) -> int:
    """Return the bytes of the data set's folder."""
    folder = dataset.path()
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
