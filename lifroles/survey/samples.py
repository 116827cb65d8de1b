"""One sample of each benchmark: events where their licence lets them be passed on, else the picture alone.

XOR, MNIST (the embedded digits) and CIFAR10's stand-in need no file and are drawn when they are shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from lifroles.benchmarks import words as word_sets
from lifroles.benchmarks.mnist import Mnist, MnistProtocol
from lifroles.data import digits, identity, poker, registry
from lifroles.data import words as word_files
from lifroles.data.words import COMMANDS, DIGITS
from lifroles.errors import DataError
from lifroles.figures.camera import net
from lifroles.standins import gestures, saccades
from lifroles.standins.camera import Events

Array = np.ndarray[Any, Any]

DIGIT = 5
"""Class of the digit that is shown, handwritten and spoken."""
GESTURE, SUBJECT = 1, 3
COMMAND = 0
GESTURE_WINDOWS = ((500, 600), (1000, 1100), (1500, 1600), (2000, 2100))
"""Stretches of the gesture that are shown, ms."""


def make() -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what each sample is, and the arrays.

    Raises:
        DataError: a data set is missing or damaged.
    """
    arrays: dict[str, Array] = {}
    said: dict[str, Any] = {}
    said["nmnist"] = _nmnist(arrays)
    said["poker"] = _poker(arrays)
    said["dvs_gesture"] = _gesture(arrays)
    said["shd"] = _spoken(arrays)
    said["ssc"] = _command(arrays)
    return said | {"again": again()}, arrays


def digest(*columns: Array) -> str:
    """Return the SHA-256 of columns of numbers."""
    content = hashlib.sha256()
    for column in columns:
        content.update(np.ascontiguousarray(column).tobytes())
    return content.hexdigest()


def events(arrays: Mapping[str, Array], name: str) -> Events:
    """Return a stored recording."""
    t, x, y, p = (arrays[f"{name}_{column}"] for column in "txyp")
    return Events(t, x, y, p)


def again() -> dict[str, str]:
    """Return the SHA-256 of one recording of each stand-in that needs no data, made here and now.

    The spoken word is left out where eSpeak NG is not installed.
    """
    image = Mnist().load(MnistProtocol(train_samples=1, test_samples=1), "mnist-5k").train[0].numpy().reshape(28, 28)
    digit = saccades.record(image, 0)
    gesture = gestures.record(GESTURE, SUBJECT, 0)
    found = {name: digest(one.t, one.x, one.y, one.p) for name, one in (("saccades", digit), ("gestures", gesture))}
    try:
        t, units = _hear("digits", DIGIT)
    except DataError:
        return found
    return found | {"speech": digest(t, units)}


def _nmnist(arrays: dict[str, Array]) -> dict[str, Any]:
    dataset = registry.get("nmnist")
    found = identity.identify_digits(dataset, dataset.path(), "Train")
    listed = [one for one in digits.list_digits(found.path, "Train") if one.label == DIGIT]
    digit, one = next(digits.read_digits(listed[:1]))
    arrays |= {
        "nmnist_t": one.t.astype(np.int32), "nmnist_x": one.x.astype(np.uint8), "nmnist_y": one.y.astype(np.uint8),
        "nmnist_p": one.p.astype(bool),
    }  # fmt: skip
    what = f"recording {digit.index} of the training set, a {digit.label}"
    return _said("nmnist", found.source, what, len(one.t))


def _poker(arrays: dict[str, Array]) -> dict[str, Any]:
    dataset = registry.get("poker")
    found = identity.identify_archive(dataset, dataset.path(), "pips_train.tar.gz")
    pip = poker.read_pips(found.path, trusted=True)[0]
    one = pip.events
    limits = np.linspace(0, int(one.t[-1]) + 1, 5) / 1000
    seen = Events(one.t, one.x, one.y, one.p == 1)
    arrays["poker_pictures"] = np.stack([net(seen, low, high, poker.SIDE) for low, high in pairwise(limits)])
    arrays["poker_limits"] = limits
    return _said("poker", found.source, f"the first of the {poker.NAMES[pip.label]} of the training set", len(one.t))


def _gesture(arrays: dict[str, Array]) -> dict[str, Any]:
    one = gestures.record(GESTURE, SUBJECT, 0)
    arrays["dvs_gesture_pictures"] = np.stack(
        [net(one, low, high, gestures.SIDE, pool=2) for low, high in GESTURE_WINDOWS]
    )
    return _said("", "gestures", f"“{gestures.CLASSES[GESTURE]}” of subject {SUBJECT}", len(one.t))


def _spoken(arrays: dict[str, Array]) -> dict[str, Any]:
    dataset = registry.get("shd")
    found = identity.identify_words(dataset, dataset.path(), "shd_train.h5", len(DIGITS))
    for spikes in word_files.read_words(word_files.open_words(found.path, len(DIGITS)), word_sets.CHANNELS):
        if spikes.label == DIGIT:
            arrays |= {"shd_t": spikes.t.astype(np.float32), "shd_unit": spikes.unit.astype(np.uint16)}
            what = f"“{DIGITS[DIGIT]}”, said by speaker {spikes.speaker}"
            return _said("shd", found.source, what, len(spikes.t))
    raise DataError(f"{found.path} has no {DIGITS[DIGIT]!r}: fetch it again.")


def _command(arrays: dict[str, Array]) -> dict[str, Any]:
    t, unit = _hear("commands", COMMAND)
    arrays |= {"ssc_t": t, "ssc_unit": unit}
    return _said("", "speech", f"“{COMMANDS[COMMAND]}” of a synthetic voice", len(t))


def _hear(words: Any, index: int) -> tuple[Array, Array]:
    """Return times (s) and channels of the spikes of a word of the speech stand-in.

    Raises:
        DataError: eSpeak NG is missing.
    """
    from lifroles.standins import cochlea, speech

    (sound,) = speech.sounds(words, "train", 0, index, index + 1)
    heard = cochlea.hear(sound.audio, sound.rate, seed=sound.seed)
    order = np.argsort(heard.times, kind="stable")
    return heard.times[order].astype(np.float32), heard.units[order].astype(np.uint16)


def _said(name: str, source: str, what: str, number: int) -> dict[str, Any]:
    """Return what a sample is; ``name`` is the data set that it was taken from, empty for one made here."""
    dataset = registry.get(name) if name else None
    return {
        "source": source,
        "what": what,
        "events": number,
        "licence": dataset.licence if dataset else None,
        "citation": dataset.citation if dataset else None,
    }
