"""Tiny data sets in their publishers' formats, with something in them that can be learnt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, Any]


def pack(x: Array, y: Array, p: Array, t: Array) -> bytes:
    """Return events as N-MNIST's 40-bit records."""
    columns = (x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255)
    return np.stack([np.asarray(column) for column in columns], axis=1).astype(np.uint8).tobytes()


def events(label: int, classes: int, side: int, rng: np.random.Generator, size: int = 400) -> tuple[Array, ...]:
    """Return t (µs, 45 ms), x, y, p of events whose column tells the label."""
    t = np.sort(rng.integers(0, 45_000, size))
    x = np.clip(rng.normal((label + 0.5) * side / classes, side / 30, size), 0, side - 1).astype(np.int64)
    return t, x, rng.integers(0, side, size), rng.integers(0, 2, size)


def write_digits(folder: Path, train: int = 40, test: int = 20, seed: int = 0) -> Path:
    """Write ``Train/<digit>/NNNNN.bin`` and ``Test/...``."""
    rng = np.random.default_rng(seed)
    for split, number in (("Train", train), ("Test", test)):
        for i in range(number):
            t, x, y, p = events(i % 10, 10, 34, rng)
            path = folder / split / str(i % 10) / f"{i + 1:05d}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pack(x, y, p, t))
    return folder


def write_words(
    path: Path,
    labels: Sequence[int],
    words: Sequence[str],
    speakers: Sequence[int] | None = None,
    seed: int = 0,
) -> Path:
    """Write an HDF5 file of SHD's layout; a word's spikes lie on channels that tell its label."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(labels),), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (len(labels),), h5py.vlen_dtype(np.uint16))
        for i, label in enumerate(labels):
            times[i] = np.sort(rng.uniform(0.005, 0.9, 300)).astype(np.float16)
            units[i] = np.clip(rng.normal((label + 0.5) * 700 / len(words), 5, 300), 0, 699).astype(np.uint16)
        file["labels"] = np.array(labels, np.uint16)
        file["extra/keys"] = np.array([word.encode() for word in words])
        file["extra/speaker"] = np.array(speakers or [i % 4 for i in range(len(labels))], np.uint16)
    return path


def write_cut_gestures(folder: Path, seed: int = 0) -> Path:
    """Write tonic's layout: two people for training, one for testing, all eleven gestures each."""
    rng = np.random.default_rng(seed)
    for split, people in (("Train", (1, 2)), ("Test", (24,))):
        for person in people:
            place = folder / f"ibmGesture{split}" / f"user{person:02d}_led"
            place.mkdir(parents=True)
            for label in range(11):
                t, x, y, p = events(label, 11, 128, rng, 2000)
                np.save(place / f"{label}.npy", np.stack([x, y, p, t // 1000], axis=1).astype(np.float64))
    return folder


def aedat(t: Array, x: Array, y: Array, p: Array, packet: int = 300, other: bool = True) -> bytes:
    """Return events as an AEDAT 3.1 file, in packets; between them one of another kind that is to be passed over."""
    parts = [b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"]
    for low in range(0, len(t), packet):
        part = slice(low, low + packet)
        n = len(t[part])
        head = np.array([8, 0, int(t[low]) >> 31, n, n, n], "<u4")
        head[0], head[1] = 8, 4
        parts.append(np.array([1, 1], "<u2").tobytes() + head.tobytes())
        data = x[part] << 17 | y[part] << 2 | p[part] << 1 | 1
        parts.append(np.stack([data, t[part] & 0x7FFFFFFF], axis=1).astype("<u4").tobytes())
        if other:
            parts.append(
                np.array([3, 1], "<u2").tobytes() + np.array([36, 4, 0, 1, 1, 1], "<u4").tobytes() + b"\7" * 36
            )
    return b"".join(parts)


def write_camera_gestures(folder: Path, seed: int = 0) -> Path:
    """Write the camera's own layout: sessions with tables of labels; one session has a class twice."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for split, names in (("train", ("user01_led", "user02_lab")), ("test", ("user24_led",))):
        (folder / f"trials_to_{split}.txt").write_text("".join(f"{name}.aedat\n" for name in names) + "\n")
        for name in names:
            rows, parts = [], []
            classes = [*range(11), *([10] if name == "user01_led" else [])]
            for i, label in enumerate(classes):
                t, x, y, p = events(label, 11, 128, rng, 1500)
                start = 10_000_000 + i * 100_000
                parts.append((t + start, x, y, p))
                rows.append(f"{label + 1},{start},{start + 45_000}\n")
            whole = [np.concatenate([part[k] for part in parts]) for k in range(4)]
            (folder / f"{name}.aedat").write_bytes(aedat(whole[0], whole[1], whole[2], whole[3]))
            (folder / f"{name}_labels.csv").write_text("class,startTime_usec,endTime_usec\n" + "".join(rows))
    return folder


def write_images(folder: Path, each: int = 20, seed: int = 0) -> Path:
    """Write CIFAR10's six binary files; brightness tells the class."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        labels = np.arange(each) % 10
        pixels = np.clip(rng.normal(labels[:, None] * 25 + 15, 10, (each, 3072)), 0, 255)
        np.concatenate([labels[:, None], pixels], axis=1).astype(np.uint8).tofile(folder / name)
    return folder
