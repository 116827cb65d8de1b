"""What the page on data shows, part by part: the benchmarks' own objects, and the record."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from IPython.display import Markdown

from lifroles import overview
from lifroles.benchmarks import BENCHMARKS, words
from lifroles.benchmarks.base import Kind
from lifroles.benchmarks.mnist import Mnist, MnistProtocol
from lifroles.benchmarks.nmnist import SIDE, NmnistProtocol
from lifroles.benchmarks.xor import XorProtocol, draw
from lifroles.figures import Display, camera, command, show
from lifroles.figures import data as figures
from lifroles.parameters import NotebookParameters
from lifroles.prose import percent
from lifroles.standins import shapes
from lifroles.survey import samples
from lifroles.survey.record import Record
from lifroles.survey.text import behind
from lifroles.tables import Table

NOTEBOOK = "4_1_1_data"
LENGTHS = (1.0, 2.0, 3.0, 5.0, 10.0)
"""Integration lengths of section 4.2.1, ms."""
STEPS = (1, 4, 8, 12, 15)
SACCADES = ((0, 45), (40, 60), (150, 170), (250, 270))
"""Stretches of the N-MNIST recording that are shown, ms: what the benchmark uses, and 20 ms of each saccade."""


Array = np.ndarray[Any, Any]


def data_sets(kind: Kind) -> Table:
    """Return Table 1, 2 or 3."""
    return overview.data_table(kind)


def temporal(record: Record, arrays: Mapping[str, Array], parameters: NotebookParameters) -> Display:
    """Return one sample of every temporal benchmark."""
    protocol = XorProtocol()
    batch = draw(protocol, 16, np.random.default_rng(0))
    one = int(np.flatnonzero(batch.groups.numpy() == 1)[0])
    spoken = {
        f"SHD: {record['samples']['found']['shd']['what']}": (arrays["shd_t"], arrays["shd_unit"].astype(np.int64)),
        f"SSC, stand-in: {record['samples']['found']['ssc']['what']}": (
            arrays["ssc_t"],
            arrays["ssc_unit"].astype(np.int64),
        ),
    }
    found = record["samples"]["found"]
    return show(
        figures.rasters(batch.inputs[:, one].numpy(), spoken, words.CHANNELS),
        "One sample of each temporal benchmark. XOR asks at its end whether just one of the two patterns was dense; "
        f"here the second one was. The words are {found['shd']['events']:,} and {found['ssc']['events']:,} spikes of "
        f"{words.CHANNELS} channels, high tones on top: what is said is in when which channel fires. "
        f"SHD ({found['shd']['source']}) is {found['shd']['licence']}.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "samples"),
    )


def moving(record: Record, arrays: Mapping[str, Array], parameters: NotebookParameters) -> Display:
    """Return one sample of every event camera benchmark."""
    found = record["samples"]["found"]
    digit = samples.events(arrays, "nmnist")
    limits = arrays["poker_limits"].tolist()
    rows = {
        "N-MNIST": (np.stack([camera.net(digit, *window, SIDE) for window in SACCADES]), SACCADES),
        "DVS128 Gesture, stand-in": (arrays["dvs_gesture_pictures"], samples.GESTURE_WINDOWS),
        "POKER-DVS": (arrays["poker_pictures"], list(pairwise(limits))),
    }
    return show(
        figures.moving(rows),
        f"Events of one recording each; vermilion: brighter, blue: darker. N-MNIST: {found['nmnist']['what']} "
        f"({found['nmnist']['events']:,} events, {found['nmnist']['licence']}), first the {SACCADES[0][1]} ms that the "
        f"benchmark uses, then 20 ms of each of its three saccades. The gesture is {found['dvs_gesture']['what']} "
        f"({found['dvs_gesture']['events']:,} events), the card {found['poker']['what']} "
        f"({found['poker']['events']:,} events).",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "samples"),
    )


def still(parameters: NotebookParameters) -> Display:
    """Return some images of the spatial benchmarks."""
    digits = Mnist().load(MnistProtocol(train_samples=10, test_samples=1), "mnist-5k").train[0].numpy()
    drawn, _ = shapes.draw(10, seed=0)
    rows = {
        "MNIST": digits[:5].reshape(-1, 28, 28) / 255,
        "CIFAR10, stand-in": drawn[::2].reshape(-1, 3, shapes.SIDE, shapes.SIDE).transpose(0, 2, 3, 1),
    }
    return show(
        figures.images(rows),
        "Five images of each spatial benchmark; every step of a sequence is the same image. CIFAR10's licence is not "
        "stated, so the book shows the shapes that the pipeline is tried with. They look like nothing in CIFAR10, and "
        "no accuracy on them says anything about it.",
        command=command(NOTEBOOK, parameters),
    )


def integrated(record: Record, arrays: Mapping[str, Array], parameters: NotebookParameters) -> Display:
    """Return Fig. 5: one recording at several integration lengths."""
    one = samples.events(arrays, "nmnist")
    T = NmnistProtocol().steps
    ones = {dt: share(one, dt, T) for dt in LENGTHS}
    return show(
        figures.integrated(one, LENGTHS, T, STEPS, SIDE),
        f"Fig. 5: one recording of N-MNIST in {T} steps. With {LENGTHS[0]:g} ms a step the network sees the first "
        f"{T * LENGTHS[0]:g} ms, in which {percent(ones[LENGTHS[0]], 2)} of the entries are 1; with {LENGTHS[-1]:g} ms "
        f"it sees {T * LENGTHS[-1]:g} ms and {percent(ones[LENGTHS[-1]], 1)}. Length of a step, time that is seen and "
        f"density change together. n = 1 recording.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "samples"),
    )


def share(events: Any, dt: float, T: int) -> float:
    """Return the share of ones in binary frames of a recording's beginning."""
    step = (events.t / 1000 // dt).astype(np.int64)
    kept = step < T
    places = ((step * 2 + events.p) * SIDE + events.y) * SIDE + events.x
    return len(np.unique(places[kept])) / (T * 2 * SIDE**2)


def terms(record: Record) -> Markdown:
    """Return whose data the page shows, and how to cite them."""
    lines = [
        f"- {BENCHMARKS[name].title}: {one['citation']} ({one['licence']})."
        for name, one in record["samples"]["found"].items()
        if isinstance(one, dict) and one.get("citation")
    ]
    return Markdown("\n".join(lines))
