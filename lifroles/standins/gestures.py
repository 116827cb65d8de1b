"""Stand-in for DVS128 Gesture: a drawn person who makes its eleven gestures before a simulated event camera.

DVS128 Gesture (Amir et al. 2017) holds 29 people, recorded by a camera of 128 × 128 pixels in several lightings; 23 of
them are for training and 6 for testing. Here each person has a body, clothes and habits of their own (how fast, how
far and where a gesture is made), and each recording a phase, a pace and a lighting of its own. Subjects 1 to 23 train.

It stands in for the size, the sparseness and the kind of the task, not for the recordings: nothing here was fitted to
them, and people are harder to recognise than a drawing. What carries over is what the classes ask for. Which arm moves
shows in where the events are; which way it turns shows in their order alone, for a circle and its reverse leave the
same traces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from lifroles.errors import SpecError
from lifroles.standins import archive, figure
from lifroles.standins.archive import Progress, Split
from lifroles.standins.camera import Array, Camera, Events, Exposure, Sensor

VERSION = 1
"""Rises whenever the same seed gives other events."""

CLASSES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other",
)
"""The classes in the order of DVS128 Gesture's labels, here from 0. Right and left are the person's; clockwise is as
the camera sees it."""

SIDE = 128
TRAIN_SUBJECTS, TEST_SUBJECTS = tuple(range(1, 24)), tuple(range(24, 30))
SUBJECTS = TRAIN_SUBJECTS + TEST_SUBJECTS

CAMERA = Camera(
    on=0.2, off=0.2, mismatch=0.06, jitter=0.1, refractory=1000, refractory_mismatch=0.2, lag=1500, noise_on=0.05,
    noise_off=0.01,
)  # fmt: skip

_STEP = 5000  # µs between two pictures; a hand moves one pixel at most
_PIECE = 64  # pictures that are drawn at a time
_BODY, _HABIT, _SENSOR, _SAMPLE = 0, 1, 2, 3  # spawn keys


@dataclass(frozen=True, slots=True)
class Light:
    """A lighting: its level, how much more comes from the right and from below (per half picture), and the camera's
    noise in it as a multiple."""

    level: float
    right: float
    below: float
    noise: float


LIGHTS = (Light(1.0, 0.0, -0.15, 1.0), Light(0.7, 0.35, 0.0, 1.5), Light(1.4, -0.25, -0.25, 0.6))


@dataclass(frozen=True, slots=True)
class Orbit:
    """A hand's way: ``centre + cosine · cos φ + sine · sin φ``, from the shoulder, in arms; x points outwards.

    ``lead`` is added to the phase φ, and ``pace`` multiplies it.
    """

    centre: tuple[float, float, float]
    cosine: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sine: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lead: float = 0.0
    pace: float = 1.0


REST = Orbit((0.08, 0.92, 0.1))

_CLAP = Orbit((-0.27, 0.22, 0.45), cosine=(0.14, 0.0, 0.0))
_WAVE = Orbit((0.3, -0.42, 0.25), sine=(0.26, 0.0, 0.0))


def _circle(side: int, turn: int) -> Orbit:
    """Return an arm's circle; ``turn`` is 1 for clockwise, as y points down."""
    return Orbit((0.1, -0.05, 0.45), cosine=(0.45 * side * turn, 0.0, 0.0), sine=(0.0, 0.45, 0.0))


# Beats a second, and the right and the left hand's ways.
_GESTURES: tuple[tuple[float, Orbit, Orbit], ...] = (
    (2.0, _CLAP, _CLAP),
    (1.8, _WAVE, REST),
    (1.8, REST, _WAVE),
    (1.1, _circle(-1, 1), REST),
    (1.1, _circle(-1, -1), REST),
    (1.1, REST, _circle(1, 1)),
    (1.1, REST, _circle(1, -1)),
    (
        1.5,
        Orbit((-0.46, 0.3, 0.42), cosine=(0.0, 0.0, 0.2), sine=(0.0, 0.2, 0.0)),
        Orbit((-0.46, 0.3, 0.42), cosine=(0.0, 0.0, 0.2), sine=(0.0, 0.2, 0.0), lead=np.pi),
    ),
    (
        2.2,
        Orbit((-0.12, 0.5, 0.45), sine=(0.02, 0.2, 0.0)),
        Orbit((-0.12, 0.5, 0.45), sine=(0.02, 0.2, 0.0), lead=np.pi),
    ),
    (
        2.2,
        Orbit((-0.3, 0.6, 0.35), sine=(0.06, 0.2, 0.0)),
        Orbit((0.45, 0.22, 0.35), cosine=(0.08, 0.05, 0.0), pace=0.25),
    ),
)


@cache
def body(subject: int) -> figure.Body:
    """Return a subject's body and clothes, which depend on the subject's number alone."""
    rng = np.random.default_rng(np.random.SeedSequence(subject, spawn_key=(_BODY,)))
    skin = rng.uniform(0.4, 0.85)
    shirt = rng.uniform(0.1, 0.3) if rng.random() < 0.6 else rng.uniform(0.5, 0.9)
    return figure.Body(
        arm=rng.uniform(35, 45),
        x=63.5 + rng.normal(0, 4),
        y=60 + rng.normal(0, 4),
        shoulders=rng.uniform(0.38, 0.48),
        thickness=rng.uniform(0.09, 0.13),
        trunk=rng.uniform(0.32, 0.44),
        head=rng.uniform(0.22, 0.28),
        skin=skin,
        sleeve=skin if rng.random() < 0.4 else shirt,
        shirt=shirt,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Habit:
    """How a subject makes a gesture."""

    pace: float
    size: float
    centre: Array
    tilt: float
    overtone: Array
    pole: Array
    beats: float
    ways: tuple[Orbit, Orbit]


def _anything(rng: np.random.Generator) -> tuple[float, Orbit, Orbit]:
    """Return a gesture of a subject's own: both hands or one of them, somewhere, anyhow."""
    ways = []
    for _ in figure.SIDES:
        centre = (rng.uniform(-0.3, 0.4), rng.uniform(-0.45, 0.6), rng.uniform(0.2, 0.45))
        cosine, sine = rng.normal(0, 0.16, 3), rng.normal(0, 0.16, 3)
        ways.append(Orbit(centre, tuple(cosine), tuple(sine), rng.uniform(0, 2 * np.pi), rng.choice([0.5, 1.0, 2.0])))
    still = rng.integers(4)
    if still < 2:
        ways[still] = REST
    return rng.uniform(0.7, 1.6), ways[0], ways[1]


@cache
def _habit(label: int, subject: int) -> _Habit:
    rng = np.random.default_rng(np.random.SeedSequence(subject, spawn_key=(_HABIT, label)))
    beats, *ways = _anything(rng) if label == len(_GESTURES) else _GESTURES[label]
    return _Habit(
        pace=np.exp(rng.normal(0, 0.18)),
        size=np.exp(rng.normal(0, 0.15)),
        centre=rng.normal(0, 0.06, (2, 3)),
        tilt=rng.normal(0, 0.2),
        overtone=rng.normal(0, 0.1, 2),
        pole=np.array([0.5, 1.0, -0.4]) + rng.normal(0, 0.2, 3),
        beats=beats,
        ways=(ways[0], ways[1]),
    )


def _wander(times: Array, rng: np.random.Generator, size: float) -> Array:
    """Return something that changes slowly, about ``size`` around 0."""
    rates, phases = rng.uniform(0.08, 0.5, 2), rng.uniform(0, 2 * np.pi, 2)
    return size * np.sin(2 * np.pi * np.outer(rates, times) + phases[:, None]).sum(0)


def _motion(label: int, subject: int, times: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return hands ``[2, F, 3]``, elbow poles ``[2, 3]`` and sway ``[F, 2]`` of one recording."""
    habit = _habit(label, subject)
    beats = habit.beats * habit.pace * np.exp(rng.normal(0, 0.08))
    phase = 2 * np.pi * (rng.random() + beats * times + _wander(times, rng, 0.06))
    size = habit.size * np.exp(rng.normal(0, 0.08)) * (1 + _wander(times, rng, 0.06))
    cos, sin = np.cos(habit.tilt), np.sin(habit.tilt)
    hands = []
    for side, way, shift in zip(figure.SIDES, habit.ways, habit.centre, strict=True):
        centre = np.array(way.centre) + (shift + rng.normal(0, 0.03, 3)) * (0.3 if way == REST else 1.0)
        at = way.pace * phase + way.lead
        swing = np.outer(np.cos(at), way.cosine) + np.outer(np.sin(at), way.sine)
        # No hand moves like a pendulum: the way's double frequency belongs to the habit.
        swing *= (1 + habit.overtone[0] * np.cos(2 * at) + habit.overtone[1] * np.sin(2 * at))[:, None]
        swing[:, :2] = swing[:, :2] @ np.array([[cos, side * sin], [-side * sin, cos]])
        hand = centre + size[:, None] * swing
        hand += np.stack([_wander(times, rng, 0.012) for _ in range(3)], axis=1)
        hands.append(figure.within_reach(hand) * np.array([side, 1, 1]))
    sway = np.stack([_wander(times, rng, 0.02), _wander(times, rng, 0.008)], axis=1)
    sway += 0.008 * size[:, None] * np.stack([np.cos(phase), np.sin(phase)], axis=1)
    poles = np.stack([habit.pole * np.array([side, 1, 1]) for side in figure.SIDES])
    return np.stack(hands), poles, sway


@cache
def sensor(light: int = 0, seed: int = 0) -> Sensor:
    """Return the camera that a whole set is recorded with, with the noise that it has in a lighting."""
    noise = LIGHTS[light].noise
    camera = replace(CAMERA, noise_on=CAMERA.noise_on * noise, noise_off=CAMERA.noise_off * noise)
    return Sensor(camera, (SIDE, SIDE), np.random.SeedSequence(seed, spawn_key=(_SENSOR,)))


def _room(light: Light, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the intensity of the wall and of the light on the person, ``[128, 128]`` each."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    falling = light.level * (1 + light.right * x + light.below * y)
    wall = rng.uniform(0.2, 0.45) * (1 + 0.15 * np.sin(rng.uniform(2, 6) * x + rng.uniform(0, 6)))
    return wall * falling, falling


def record(
    label: int, subject: int, seed: int | np.random.SeedSequence | np.random.Generator, *, set_seed: int = 0
) -> Events:
    """Return what the camera reports of one gesture, 4 to 7 s.

    Arguments:
        label: 0 to 10, see ``CLASSES``.
        subject: 1 to 29.
        seed: what decides this recording: pace, phase, lighting, noise.
        set_seed: what the camera's mismatch is drawn from.

    Raises:
        SpecError: there is no such class or subject.
    """
    if label not in range(len(CLASSES)):
        raise SpecError(f"label is {label!r}: give 0 ({CLASSES[0]}) to {len(CLASSES) - 1} ({CLASSES[-1]}).")
    if subject not in SUBJECTS:
        raise SpecError(f"subject is {subject!r}: give {SUBJECTS[0]} to {SUBJECTS[-1]}.")
    rng = np.random.default_rng(seed)
    light = int(rng.integers(len(LIGHTS)))
    times = np.arange(0, rng.uniform(4e6, 7e6), _STEP) / 1e6
    ground, falling = _room(LIGHTS[light], rng)
    parts = figure.limbs(body(subject), *_motion(label, subject, times, rng))
    film = np.empty((_PIECE, SIDE, SIDE), np.float32)
    figure.draw(parts[:1], ground, falling, film[:1])
    exposure = Exposure(sensor(light, set_seed), film[0], rng)
    for first in range(1, len(parts), _PIECE):
        piece = film[: len(parts[first : first + _PIECE])]
        figure.draw(parts[first : first + _PIECE], ground, falling, piece)
        exposure.add(piece, _STEP)
    return exposure.events()


def _place(i: int, subjects: tuple[int, ...]) -> tuple[int, int, int]:
    """Return label, subject and trial of recording i."""
    turn, label = divmod(i, len(CLASSES))
    trial, place = divmod(turn, len(subjects))
    return label, subjects[place], trial


def write(
    folder: Path,
    *,
    train: int = 1176,
    test: int = 288,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> None:
    """Make the set: ``train.zip`` and ``test.zip`` with ``Train/<label>/<subject>-<trial>.bin``.

    Recording i is of class i modulo 11; eleven recordings of one subject are followed by those of the next, so that
    the first recordings of a large set are a small one. See :func:`lifroles.standins.archive.write` for the rest.

    Arguments:
        folder: where.
        train: recordings of subjects 1 to 23; the real set has 1,176.
        test: recordings of subjects 24 to 29; the real set has 288.
        seed: what everything random is drawn from, but for the subjects, who stay the same.
        progress: called as recordings are done.
        workers: threads.

    Raises:
        SpecError: an argument is out of range.
        DataError: the folder cannot be written to.
    """
    for name, size in (("train", train), ("test", test)):
        if size < 1:
            raise SpecError(f"{name} is {size}: give 1 or more.")
    origin = {
        "standin": "gestures", "version": VERSION, "seed": seed, "camera": asdict(CAMERA),
        "lights": [asdict(light) for light in LIGHTS],
    }  # fmt: skip
    splits = []
    for which, (split, size, subjects) in enumerate((("Train", train, TRAIN_SUBJECTS), ("Test", test, TEST_SUBJECTS))):
        plan = [_place(i, subjects) for i in range(size)]

        def make(i: int, which: int = which, plan: list[tuple[int, int, int]] = plan) -> Events:
            label, subject, _ = plan[i]
            own = np.random.SeedSequence(seed, spawn_key=(_SAMPLE, which, i))
            return record(label, subject, own, set_seed=seed)

        names = [f"{split}/{label}/{subject:02d}-{trial:02d}.bin" for label, subject, trial in plan]
        splits.append(Split(split, names, make, origin))
    archive.write(folder, splits, part=32, progress=progress, workers=workers)


def read(folder: Path, split: str) -> Iterator[tuple[int, int, Events]]:
    """Yield label, subject and events of every recording of ``Train`` or ``Test``.

    Raises:
        DataError: the set is missing or damaged.
    """
    for name, events in archive.read(folder / f"{split.lower()}.zip"):
        _, label, person = name.removesuffix(".bin").split("/")
        yield int(label), int(person.split("-")[0]), events
