"""Stand-in for N-MNIST: digits that move through N-MNIST's three saccades before a simulated event camera.

N-MNIST (Orchard, Jayawant, Cohen and Thakor 2015) was recorded by an event camera on a pan-tilt unit that turned in
three saccades of about 100 ms, along a triangle, before MNIST's digits on a monitor; 34 × 34 pixels were kept. Here
the digit moves and the camera (:mod:`lifroles.standins.camera`) stands still, which is the same to the camera.

Every number below was fitted to N-MNIST's own recordings of 960 of MNIST's training images, and to no test recording:

- the path: each 5 ms of all recordings together were laid over the images' edges where they fit best, and the speed
  then corrected until the simulated rate of events was the recorded one;
- how late a saccade begins, from recording to recording;
- camera, contrast and blur: the times between two events of a pixel, the events of a pixel and of a recording.

Two things that the recordings show and their description does not say: the front of a moving digit gives OFF events,
as a dark digit on a bright ground does, so that is how it is shown here; and what a pixel reports without a cause is
nearly always ON. How alike recordings and stand-in are: :mod:`lifroles.standins.statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lifroles.errors import SpecError
from lifroles.standins import archive
from lifroles.standins.archive import Progress, Split
from lifroles.standins.camera import Array, Camera, Events, Sensor

VERSION = 1
"""Rises whenever the same seed gives other events."""

Source = Literal["mnist-5k", "official"]

SIDE = 34
"""Pixels of the sensor each way; a pixel of the image has the size of a pixel of the sensor, as in N-MNIST."""

DIGIT = 28
SACCADES = (0.0, 100.0, 210.0, 310.0)
"""Limits of the three saccades, ms: the unit rests there."""

CAMERA = Camera(
    on=0.245, off=0.243, mismatch=0.08, jitter=0.2, refractory=530, refractory_mismatch=0.35, lag=370, noise_on=0.31,
    noise_off=0.015,
)  # fmt: skip

# Where the digit's middle is, in pixels right of and below the sensor's middle, every 5 ms.
_PATH_STEP = 5.0
_PATH_X = (
    -2.63, -2.63, -2.63, -2.63, -2.63, -2.63, -2.63, -2.63, -2.63, -2.63, -2.52, -2.30, -2.01, -1.72, -1.39, -1.20,
    -1.10, -1.00, -1.00, -0.95, -0.91, -0.85, -0.78, -0.66, -0.56, -0.42, -0.14, 0.22, 0.60, 0.98, 1.24, 1.40,
    1.48, 1.67, 1.97, 2.22, 2.37, 2.42, 2.46, 2.53, 2.64, 2.79, 2.91, 3.00, 3.00, 2.87, 2.64, 2.32,
    1.85, 1.36, 0.89, 0.39, -0.20, -0.75, -1.25, -1.60, -1.86, -2.13, -2.34, -2.46, -2.49,
)  # fmt: skip
_PATH_Y = (
    -1.74, -1.74, -1.68, -1.53, -1.32, -1.05, -0.68, -0.18, 0.39, 1.05, 1.68, 2.26, 2.78, 3.14, 3.41, 3.59,
    3.62, 3.62, 3.62, 3.62, 3.62, 3.60, 3.56, 3.50, 3.44, 3.36, 3.18, 2.91, 2.55, 2.01, 1.34, 0.69,
    0.09, -0.52, -1.04, -1.34, -1.52, -1.64, -1.68, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70,
    -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70, -1.70,
)  # fmt: skip

_STEP = 1000  # µs between two frames that the camera sees; the digit moves 0.15 pixels at most
_FINE, _MARGIN = 4, 5  # points a pixel, and pixels around the sensor, that the image is computed on before it moves
_SENSOR, _SAMPLE = 0, 1  # spawn keys


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What stands before the camera, and how it moves.

    Arguments:
        x: the middle of the digit, in pixels right of the sensor's middle, every 5 ms.
        y: the same, below it.
        late: standard deviation of each saccade's beginning, ms.
        duration: length of a recording, ms, if the last saccade is on time.
        blur: standard deviation of the lens's blur, pixels.
        dark: intensity of full ink, where the ground's is 1.
        gamma: ink is the pixel's grey value to this power.

    Raises:
        SpecError: a number is out of range.
    """

    x: tuple[float, ...] = _PATH_X
    y: tuple[float, ...] = _PATH_Y
    late: tuple[float, float, float] = (1.0, 3.0, 3.0)
    duration: float = 309.5
    blur: float = 0.55
    dark: float = 0.15
    gamma: float = 0.76

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or not self.x or not max(map(abs, self.x + self.y)) <= _MARGIN - 1:
            raise SpecError(f"the path needs as many x as y, each {_MARGIN - 1} pixels from the middle at most.")
        if not (self.blur > 0 and 0 < self.dark <= 1 and self.gamma > 0 and self.duration > 0 and min(self.late) >= 0):
            raise SpecError("a scene needs blur, gamma and duration above 0, dark in (0, 1] and late of 0 or more.")

    def path(self, rng: np.random.Generator) -> Array:
        """Return x and y of the digit's middle at every frame of one recording, ``[F, 2]``."""
        first, second, third = rng.standard_normal(3) * self.late
        times = np.arange(max(math.ceil(1000 * (self.duration + third) / _STEP), 1) + 1) * _STEP / 1000
        # A saccade is late from its beginning to its end; the rests before and after it give way.
        late = np.interp(times, (0, 20, 84, 96, 205, 228), (0, first, first, second, second, third))
        at = np.arange(len(self.x)) * _PATH_STEP
        return np.stack([np.interp(times - late, at, way) for way in (self.x, self.y)], axis=1)


SCENE = Scene()


@cache
def sensor(seed: int = 0) -> Sensor:
    """Return the camera that a whole set is recorded with: its mismatch is that of every recording."""
    return Sensor(CAMERA, (SIDE, SIDE), np.random.SeedSequence(seed, spawn_key=(_SENSOR,)))


def sample_seed(seed: int, split: str, index: int) -> np.random.SeedSequence:
    """Return what a set's recording is drawn from: image ``index`` (from 0) of ``Train`` or ``Test``."""
    return np.random.SeedSequence(seed, spawn_key=(_SAMPLE, ("Train", "Test").index(split), index))


def record(
    image: Array,
    seed: int | np.random.SeedSequence | np.random.Generator,
    *,
    camera: Sensor | None = None,
    scene: Scene = SCENE,
) -> Events:
    """Return what the camera reports of one digit, about 4,000 events in 310 ms.

    Arguments:
        image: ``[28, 28]``, uint8, 255 is ink.
        seed: what decides noise, jitter and lateness.
        camera: a sensor of 34 × 34 pixels; that of the set with seed 0 otherwise.
        scene: contrast, blur and motion.

    Raises:
        SpecError: the image or the sensor has another shape or type.
    """
    camera = sensor() if camera is None else camera
    if image.shape != (DIGIT, DIGIT) or image.dtype != np.uint8:
        raise SpecError(f"the image is {image.dtype}{list(image.shape)}: give uint8[28, 28], as MNIST has.")
    if camera.shape != (SIDE, SIDE):
        raise SpecError(f"the camera has {camera.shape[0]} x {camera.shape[1]} pixels: give one of {SIDE} x {SIDE}.")
    rng = np.random.default_rng(seed)
    path = scene.path(rng)
    film = np.empty((len(path), SIDE, SIDE), np.float32)
    corners = _FINE * (_MARGIN + 0.5 - path) - 0.5
    _film()((image / 255) ** scene.gamma, *_lens(scene.blur), 1 - scene.dark, corners, film)
    return camera.watch(film, _STEP, rng)


@cache
def _lens(blur: float) -> tuple[Array, Array, Array]:
    """Return what each point of the fine grid sees of each pixel in a line of the image, ``[points, 28]``.

    A pixel is a square of light, blurred. The other two arrays say where the numbers that are not 0 begin and end.
    """
    points = (np.arange(_FINE * (SIDE + 2 * _MARGIN)) + 0.5) / _FINE - _MARGIN - 0.5 - (SIDE - DIGIT) / 2
    edges = np.arange(DIGIT + 1) - 0.5
    below = [[0.5 + 0.5 * math.erf((edge - point) / (blur * math.sqrt(2))) for edge in edges] for point in points]
    share = np.diff(below, axis=1)
    seen = share > 1e-4
    low = seen.argmax(1)
    return share, low, low + seen.sum(1)


@cache
def _film() -> Callable[..., None]:
    """Return ``loop(ink, share, low, high, depth, corners, film)``, which fills ``film`` ``[F, 34, 34]``.

    The logarithm of the intensity is computed once on the fine grid, and interpolated there for every frame.
    ``corners`` ``[F, 2]`` are the places of the sensor's first pixel on the grid.
    """

    from lifroles.events import compiled  # needs torch

    def loop(ink: Any, share: Any, low: Any, high: Any, depth: float, corners: Any, film: Any) -> None:
        points, width = share.shape
        side = film.shape[1]
        lines = np.zeros((points, width))
        for u in range(points):
            for j in range(low[u], high[u]):
                for c in range(width):
                    lines[u, c] += share[u, j] * ink[j, c]
        log = np.zeros((points, points), np.float32)
        for u in range(points):
            if low[u] == high[u]:
                continue
            for v in range(points):
                total = 0.0
                for j in range(low[v], high[v]):
                    total += share[v, j] * lines[u, j]
                if total > 0:
                    log[u, v] = math.log(1 - depth * total)
        for f in range(film.shape[0]):
            x, y = math.floor(corners[f, 0]), math.floor(corners[f, 1])
            right, below = np.float32(corners[f, 0] - x), np.float32(corners[f, 1] - y)
            left, above = np.float32(1) - right, np.float32(1) - below
            for r in range(side):
                a, b = log[y + _FINE * r], log[y + _FINE * r + 1]
                for c in range(side):
                    k = x + _FINE * c
                    film[f, r, c] = above * (left * a[k] + right * a[k + 1]) + below * (left * b[k] + right * b[k + 1])

    return compiled(loop)


def write(
    folder: Path,
    *,
    source: Source,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> None:
    """Make the set: ``train.zip`` and ``test.zip``, with ``Train/<digit>/<number>.bin`` as in N-MNIST's own archives.

    The number is that of the image in ``source``, from 1; of the official images it is also N-MNIST's. A recording
    depends on seed, split and number alone. See :func:`lifroles.standins.archive.write` for the rest.

    Arguments:
        folder: where.
        source: the images: ``mnist-5k`` (4,000 and 1,000, embedded) or ``official`` (60,000 and 10,000).
        train: training images, the first ones; all otherwise.
        test: test images, the first ones; all otherwise.
        seed: what everything random is drawn from.
        progress: called as recordings are done.
        workers: threads.

    Raises:
        SpecError: an argument is out of range.
        DataError: MNIST is missing or has fewer images, or the folder cannot be written to.
    """
    from lifroles.benchmarks.mnist import Mnist, MnistProtocol  # needs torch

    if source not in get_args(Source):
        raise SpecError(f"source is {source!r}: give one of {', '.join(get_args(Source))}.")
    for name, size in (("train", train), ("test", test)):
        if size is not None and size < 1:
            raise SpecError(f"{name} is {size}: give 1 or more, or None for all.")
    data = Mnist().load(MnistProtocol(train_samples=train, test_samples=test), source)
    origin = {
        "standin": "saccades", "version": VERSION, "seed": seed, "images": source, "images_sha256": data.digest,
        "camera": asdict(CAMERA), "scene": asdict(SCENE),
    }  # fmt: skip
    splits = []
    for split, (pixels, labels) in (("Train", data.train), ("Test", data.test)):
        images = pixels.numpy().reshape(-1, DIGIT, DIGIT)

        def make(i: int, split: str = split, images: Array = images) -> Events:
            return record(images[i], sample_seed(seed, split, i), camera=sensor(seed))

        names = [f"{split}/{label}/{i + 1:05d}.bin" for i, label in enumerate(labels.tolist())]
        splits.append(Split(split, names, make, origin))
    archive.write(folder, splits, part=2000, progress=progress, workers=workers)


def read(folder: Path, split: str) -> Iterator[tuple[int, int, Events]]:
    """Yield number (from 1), label and events of every recording of ``Train`` or ``Test``, in MNIST's order.

    Raises:
        DataError: the set is missing or damaged.
    """
    for name, events in archive.read(folder / f"{split.lower()}.zip"):
        _, label, number = name.removesuffix(".bin").split("/")
        yield int(number), int(label), events
