"""How like the real recordings a speech stand-in is, in numbers; and one word on its way through the ear."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifroles.errors import DataError
from lifroles.standins.cochlea import CHANNELS, Heard, hear
from lifroles.standins.speech import Split, Utterance, Words, sounds, utterance

Array = np.ndarray[Any, Any]

BINS, BIN_WIDTH, GROUPS = 14, 0.1, 70
"""What the simple classifiers see: spikes in 14 bins of 100 ms by 70 groups of ten channels."""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What a file of spikes is like.

    Arguments:
        samples: how many there are.
        spikes: of each sample ``[samples]``.
        duration: time of the last spike of each (s) ``[samples]``.
        channel: mean number of spikes of each channel in a sample ``[700]``.
        profile: mean number of spikes in each 50 ms from the beginning of a sample ``[28]``.
        intervals: quartiles of the time between two spikes of one channel (s) ``[3]``.
        active: mean share of the channels that fire at all in a sample.
    """

    samples: int
    spikes: Array
    duration: Array
    channel: Array
    profile: Array
    intervals: Array
    active: float

    def rows(self) -> dict[str, str]:
        """Return the numbers as they stand in a table."""
        q = 1000 * self.intervals
        return {
            "samples": f"{self.samples:,}",
            "spikes a sample": f"{self.spikes.mean():,.0f} ± {self.spikes.std():,.0f}",
            "last spike (s)": f"{self.duration.mean():.2f} ± {self.duration.std():.2f}",
            "spikes a second": f"{(self.spikes / self.duration).mean():,.0f}",
            "active channels (%)": f"{100 * self.active:.0f}",
            "channel of the median spike": f"{np.searchsorted(self.channel.cumsum(), self.channel.sum() / 2)}",
            "interval in a channel, quartiles (ms)": f"{q[0]:.1f}, {q[1]:.1f}, {q[2]:.1f}",
        }


def _samples(path: Path, limit: int | None) -> tuple[list[tuple[Array, Array]], Array]:
    """Return times (s, float32) and channels of each sample, and the labels.

    Raises:
        DataError: the file is not there or has another layout.
    """
    import h5py

    file: Any  # h5py's own types allow for groups where there are arrays
    try:
        with h5py.File(path) as file:
            times, units = file["spikes/times"][:limit], file["spikes/units"][:limit]
            labels = file["labels"][:limit].astype(np.int64)
    except (OSError, KeyError) as error:
        raise DataError(f"{path} is no file of spikes in SHD's layout ({error}): make or fetch it again.") from error
    pairs = [(t.astype(np.float32), u.astype(np.int64)) for t, u in zip(times, units, strict=True)]
    return pairs, labels


def statistics(path: Path, limit: int | None = None) -> Statistics:
    """Return the statistics of a file in SHD's layout, of its first ``limit`` samples if given.

    Raises:
        DataError: the file is not there or has another layout, or a sample has no spike.
    """
    pairs, _ = _samples(path, limit)
    if any(not len(t) for t, _ in pairs):
        raise DataError(f"{path} has a sample without a spike: make or fetch it again.")
    channel, profile = np.zeros(CHANNELS), np.zeros(2 * BINS)
    gaps, active = [], 0.0
    for t, u in pairs:
        count = np.bincount(u, minlength=CHANNELS)
        channel += count
        active += (count > 0).mean()
        profile += np.bincount((t / (BIN_WIDTH / 2)).astype(np.int64).clip(0, 2 * BINS - 1), minlength=2 * BINS)
        order = np.lexsort((t, u))
        gaps.append(np.diff(t[order])[np.diff(u[order]) == 0])
    n = len(pairs)
    return Statistics(
        samples=n,
        spikes=np.array([len(t) for t, _ in pairs]),
        duration=np.array([t.max() for t, _ in pairs], np.float64),
        channel=channel / n,
        profile=profile / n,
        intervals=np.percentile(np.concatenate(gaps), [25, 50, 75]),
        active=active / n,
    )


def binned(path: Path, limit: int | None = None) -> tuple[Array, Array]:
    """Return the square roots of the binned counts ``[samples, 980]``, float32, and the labels, int64.

    Raises:
        DataError: the file is not there or has another layout.
    """
    pairs, labels = _samples(path, limit)
    features = np.zeros((len(pairs), BINS * GROUPS), np.float32)
    for row, (t, u) in zip(features, pairs, strict=True):
        row += np.bincount(
            (t / BIN_WIDTH).astype(np.int64).clip(0, BINS - 1) * GROUPS + u * GROUPS // CHANNELS,
            minlength=BINS * GROUPS,
        )
    return np.sqrt(features), labels


def simple_classifiers(train: tuple[Array, Array], test: tuple[Array, Array]) -> dict[str, float]:
    """Return the share of the test samples that simple classifiers get right: how much a spiking network has to add.

    ``linear`` is the linear discriminant (classes are Gaussian, of one covariance, plus a ridge that is chosen on
    every fifth training sample); ``nearest centroid`` compares with the mean of each class. Features are standardised.

    Arguments:
        train, test: features ``[samples, features]`` and labels, as from :func:`binned`.
    """
    (x, y), (x_test, y_test) = train, test
    mean, scale = x.mean(0), x.std(0) + 1e-3
    x, x_test = ((a - mean) / scale for a in (x, x_test))
    classes = np.unique(y)

    def means(x: Array, y: Array) -> Array:
        return np.stack([x[y == c].mean(0) for c in classes]).astype(np.float64)

    def linear(x: Array, y: Array, x_test: Array, y_test: Array, ridges: tuple[float, ...]) -> list[float]:
        centroids = means(x, y)
        within = x - centroids[np.searchsorted(classes, y)]
        covariance = within.T @ within / len(x)
        right = []
        for ridge in ridges:
            weights = np.linalg.solve(covariance + ridge * np.eye(x.shape[1]), centroids.T)
            score = x_test @ weights - (centroids.T * weights).sum(0) / 2
            right.append(float((classes[score.argmax(1)] == y_test).mean()))
        return right

    held = np.arange(len(x)) // len(classes) % 5 == 4  # labels may take turns
    ridges = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
    best = ridges[int(np.argmax(linear(x[~held], y[~held], x[held], y[held], ridges)))]
    centroids = means(x, y)
    distance = (centroids**2).sum(1) - 2 * x_test @ centroids.T
    return {
        "linear": linear(x, y, x_test, y_test, (best,))[0],
        "nearest centroid": float((classes[distance.argmin(1)] == y_test).mean()),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One word on its way through the ear: what is said, the recording and its rate, and all that the ear makes of it.

    ``heard`` has the membrane's velocity and the hair cells' release probability at every step.
    """

    said: Utterance
    audio: Array
    rate: int
    heard: Heard


def picture(words: Words = "digits", split: Split = "train", index: int = 7, seed: int = 0) -> Picture:
    """Return one sample of the stand-in with all that lies between its sound and its spikes.

    Raises:
        DataError: eSpeak NG is missing or fails.
    """
    (sound,) = sounds(words, split, seed, index, index + 1)
    return Picture(
        utterance(words, split, index, seed),
        sound.audio,
        sound.rate,
        hear(sound.audio, sound.rate, seed=sound.seed, keep=True),
    )
