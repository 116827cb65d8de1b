"""How like the real recordings the stand-ins are: the saccades beside N-MNIST, the ear beside lauscher and SHD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from lifroles.benchmarks import shd, words
from lifroles.benchmarks.mnist import Mnist, MnistProtocol
from lifroles.benchmarks.shd import ShdProtocol
from lifroles.data import digits, identity, registry
from lifroles.data.words import DIGITS
from lifroles.errors import DataError
from lifroles.paths import data_dir
from lifroles.standins import cochlea, encode, likeness, saccades, statistics
from lifroles.standins.camera import Events

Array = np.ndarray[Any, Any]

WORD = "lang-english_speaker-00_trial-0_digit-0"
"""The word that lauscher was run on."""
DRAWS = 12
"""How often ours hears it, each time with another seed."""
SPEECH = ShdProtocol(train_samples=1120, test_samples=200)
"""The stand-in for SHD that is measured."""


def make_saccades() -> dict[str, Any]:
    """Return the stand-in for N-MNIST beside the recordings here.

    Raises:
        DataError: a data set is missing or damaged.
    """
    return {split: compare_saccades(split) for split in ("Train", "Test")}


def make_speech() -> dict[str, Any]:
    """Return our ear beside lauscher, and the stand-in for SHD beside SHD as it is here.

    Raises:
        DataError: a data set is missing or damaged.
    """
    return {"lauscher": compare_lauscher(), **compare_speech()}


def compare_saccades(split: str) -> dict[str, Any]:
    """Return the statistics of N-MNIST's recordings here and of the stand-in's of the same digits."""
    dataset = registry.get("nmnist")
    found = identity.identify_digits(dataset, dataset.path(), split)
    real: list[Events] = []
    indices: list[int] = []
    for digit, one in digits.read_digits(digits.list_digits(found.path, split)):
        real.append(Events(one.t.astype(np.int32), one.x.astype(np.uint8), one.y.astype(np.uint8), one.p == 1))
        indices.append(digit.index)
    data = Mnist().load(MnistProtocol(), "official")
    images = (data.train if split == "Train" else data.test)[0].numpy().reshape(-1, saccades.DIGIT, saccades.DIGIT)
    standin = [
        saccades.record(images[index - 1], saccades.sample_seed(0, split, index - 1), camera=saccades.sensor(0))
        for index in indices
    ]
    alike = statistics.resemblance(real, standin)
    own = np.diag(alike)
    others = alike[~np.eye(len(alike), dtype=bool)]
    return {
        "source": found.source,
        "data": found.digest,
        "recordings": len(real),
        "correlation": {"same digit's image": float(own.mean()), "another image": float(others.mean())},
        "found again": float((alike.argmax(1) == np.arange(len(alike))).mean()),
        "recorded": _plain(statistics.measure(real), whole=split == "Test"),
        "stand-in": _plain(statistics.measure(standin), whole=split == "Test"),
    }


def _plain(found: statistics.Statistics, whole: bool) -> dict[str, Any]:
    """Return statistics as JSON can write them: means and deviations of the rows and, if asked for, all arrays."""
    rows = {name: [_short(values.mean()), _short(values.std(ddof=1))] for name, values in found.rows().items()}
    if not whole:
        return {"rows": rows}
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    return {"rows": rows, "arrays": {name: _short(values).tolist() for name, values in arrays.items()}}


def _short(values: Any) -> Any:
    """Return numbers with five significant digits."""
    rounded = np.vectorize(lambda v: float(f"{v:.5g}"))(np.asarray(values, np.float64))
    return rounded if rounded.ndim else float(rounded)


def unplain(found: Mapping[str, Any]) -> statistics.Statistics:
    """Return statistics that were stored whole."""
    return statistics.Statistics(**{name: np.array(values) for name, values in found["arrays"].items()})


def compare_lauscher() -> dict[str, Any]:
    """Return lauscher's spikes of one word beside ours, in all and by 100 ms and 50 channels.

    Raises:
        DataError: the word or what lauscher made of it is not here.
    """
    folder = data_dir() / "hd_audio_samples"
    audio, rate = encode.read(folder / f"{WORD}.flac")
    try:
        with np.load(folder / f"{WORD}.lauscher.npz") as published:
            t, unit = published["arr_0"]
    except OSError as error:
        raise DataError(f"{folder}/{WORD}.lauscher.npz cannot be read ({error}): fetch it again.") from error

    def counts(t: Array, unit: Array) -> Array:
        return np.histogram2d(t, unit, bins=(8, 14), range=((0, 0.8), (0, 700)))[0]

    heard = [cochlea.hear(audio, rate, seed=seed) for seed in range(DRAWS)]
    each = np.array([counts(one.times, one.units) for one in heard])
    theirs = counts(t, unit)
    total = np.array([len(one.times) for one in heard])
    between = np.corrcoef(each.reshape(DRAWS, -1))[np.triu_indices(DRAWS, 1)]
    return {
        "word": WORD,
        "draws": DRAWS,
        "lauscher": len(t),
        "ours": [_short(total.mean()), _short(total.std(ddof=1))],
        "correlation": _short(np.mean([np.corrcoef(theirs.ravel(), one.ravel())[0, 1] for one in each])),
        "correlation of two of ours": _short(between.mean()),
    }


def compare_speech() -> dict[str, Any]:
    """Return the statistics of the stand-in for SHD and of SHD as it is here."""
    dataset = registry.get("shd")
    found = {split: identity.identify_words(dataset, dataset.path(), f"shd_{split}.h5", len(DIGITS)) for split in
             ("train", "test")}  # fmt: skip
    standin = words.locate(dataset, "speech", shd.SIZES, len(DIGITS), lambda: shd.speech(SPEECH))
    sets = {
        "real": (found["test"].source, found["test"].path),
        "stand-in": ("speech", standin["test"].path),
    }
    result: dict[str, Any] = {"data": {"real": found["test"].digest, "stand-in": standin["test"].digest}}
    for name, (source, path) in sets.items():
        one = likeness.statistics(path)
        result[name] = {
            "source": source,
            "rows": one.rows(),
            "channel": _short(one.channel).tolist(),
            "profile": _short(one.profile).tolist(),
        }
    result["simple"] = likeness.simple_classifiers(
        likeness.binned(found["train"].path), likeness.binned(found["test"].path)
    )
    result["simple n"] = int(result["real"]["rows"]["samples"].replace(",", ""))
    return result
