"""CIFAR10, the larger spatial benchmark (Table 2), by direct coding: the image is the input current at every step.

The network is the paper's ResNet-18 (:mod:`lifroles.resnet`), or a fully connected one for a quick look. The published
set needs a download; ``jpeg`` are its images after lossy compression; ``shapes`` are drawn, and only show that the
pipeline runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from lifroles.benchmarks.base import Batch, Data, Facts, sourced
from lifroles.benchmarks.rates import RateBenchmark, RateProtocol
from lifroles.cache import Progress
from lifroles.compiled import compiled
from lifroles.data import cifar as files
from lifroles.data import identity, registry
from lifroles.errors import DataError
from lifroles.networks import SpikingMLP
from lifroles.resnet import FEWEST, STEM, SpikingResNet
from lifroles.variant import NORMAL_LEAK, Leak, Variant

CODE = "STBP-simple, code after Zheng et al. 2021"
Array = np.ndarray[Any, Any]

# Of all training images, scaled to [0, 1]: red, green, blue.
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2470, 0.2435, 0.2616)
PADDING = 4

SHAPES = {"train": 1000, "test": 200}
AT_ONCE = 100
"""Test images in a batch. The spikes of all layers are kept: of 50 layers, at an eighth of the channels, 12 MB each."""
_ORDER, _AUGMENT = 0, 1


class Cifar10Protocol(RateProtocol):
    """Table 5, spatial; the paper is silent on T, coding, loss, readout and augmentation."""

    words: ClassVar[Mapping[str, str]] = {
        "table4": "choice: Table 4 has a ResNet-18",
        "table5": "Table 5, spatial",
        "code": CODE,
        "data": "Table 2",
        "samples": "images",
    }

    T: int = sourced(4, "time steps", "choice: the paper does not say; Zheng et al. 2021 have 2, 4 and 6", ge=1)
    augment: Literal["crop_flip", "none"] = sourced(
        "crop_flip",
        "training images: cropped at random after padding by 4 pixels and mirrored at random, or as they are",
        CODE,
    )
    network: Literal["resnet18", "resnet19", "resnet34", "resnet50", "mlp"] = sourced(
        "resnet18",
        "a residual network of this depth (19: the wide one), or mlp: fully connected, for a quick look",
        "Table 4",
    )
    norm: Literal["tdbn", "bn", "none"] = sourced(
        "tdbn",
        "what follows each convolution: batch normalisation to the threshold (tdbn), to 1 (bn), or none",
        "choice: the paper does not say; its second author's method",
    )
    channels: float = sourced(
        1.0, "factor of the residual network's channels", "choice: the published width", ge=FEWEST / STEM, le=4
    )
    precision: Literal["float32", "bfloat16"] = sourced(
        "float32",
        "of the residual network's convolutions: bfloat16 is for processors that have instructions for it",
        "choice: as the other benchmarks",
        # It came later than the first runs: its default is no part of their names.
        exclude_if=lambda value: value == "float32",
    )
    hidden: int = sourced(
        512, "hidden neurons of the fully connected network", "choice: as Table 4's MNIST network", ge=1
    )
    loss: Literal["mse", "cross_entropy"] = sourced(
        "cross_entropy", "loss on the output rates: mean squared error to one-hot, or cross-entropy", CODE
    )
    batch_size: int = sourced(512, "{samples} a batch", "{table5}", ge=1)


def read(source: str, split: str, samples: int | None) -> tuple[Array, Array, str]:
    """Return images ``[S, 3072]``, uint8, labels ``[S]``, and the SHA-256 of the whole split.

    Raises:
        DataError: files are missing, damaged, another source than the one asked for, or fewer than ``samples``.
    """
    if source == "shapes":
        from lifroles.standins import shapes

        images, labels = shapes.draw(samples or SHAPES[split], seed=int(split == "test"))
    else:
        dataset = registry.get("cifar10")
        names = files.TRAIN if split == "train" else files.TEST
        folder = identity.demand(identity.identify_images(dataset, dataset.path(), names), source).path
        parts = [files.read_images(folder / name) for name in names]
        images, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    if samples is not None and samples > len(labels):
        raise DataError(f"{split}_samples is {samples}, but this source has {len(labels)} images: give that or fewer.")
    digest = hashlib.sha256(np.ascontiguousarray(images).tobytes() + labels.tobytes()).hexdigest()
    return images[:samples], labels[:samples], digest


@cache
def _crop_loop() -> Callable[..., None]:
    """Return ``loop(images, shift, mirrored, level, out)``; ``level`` gives each channel's values for each byte."""

    def loop(images: Any, shift: Any, mirrored: Any, level: Any, out: Any) -> None:
        side = images.shape[2]
        for b in range(images.shape[0]):
            for c in range(3):
                for row in range(side):
                    r = row + shift[0, b]
                    for column in range(side):
                        k = (side - 1 - column if mirrored[b] else column) + shift[1, b]
                        # what comes in from outside is black, as in the published loaders
                        byte = images[b, c, r, k] if 0 <= r < side and 0 <= k < side else 0
                        out[b, c, row, column] = level[c, byte]

    return compiled(loop)


def normalised(images: Array, rng: np.random.Generator | None = None) -> Array:
    """Return images ``[B, 3, 32, 32]`` of bytes as currents, each channel of mean 0 and deviation 1 over the data set.

    Arguments:
        rng: shift each image by up to 4 pixels and mirror it or not, as this draws.
    """
    batch = len(images)
    bytes_ = np.arange(256, dtype=np.float32) / 255
    level = (bytes_ - np.array(MEAN, np.float32)[:, None]) / np.array(DEVIATION, np.float32)[:, None]
    shift, mirrored = np.zeros((2, batch), np.int64), np.zeros(batch, np.bool_)
    if rng is not None:
        shift, mirrored = rng.integers(-PADDING, PADDING + 1, (2, batch)), rng.random(batch) < 0.5
    out = np.empty(images.shape, np.float32)
    _crop_loop()(images, shift, mirrored, level, out)
    return out


class CifarData(Data):
    """Images, normalised channel by channel, the same at every step; batches are shuffled by seed and epoch."""

    def __init__(self, protocol: Cifar10Protocol, source: str) -> None:
        self.protocol = protocol
        digest = hashlib.sha256()
        self.sets: dict[str, tuple[Tensor, Tensor]] = {}
        for split, samples in (("train", protocol.train_samples), ("test", protocol.test_samples)):
            images, labels, content = read(source, split, samples)
            digest.update(content.encode())
            self.sets[split] = torch.from_numpy(images.copy()), torch.from_numpy(labels.copy())
        self.digest = digest.hexdigest()

    def _batch(self, images: Tensor, labels: Tensor, rng: np.random.Generator | None = None) -> Batch[Tensor]:
        pixels = torch.from_numpy(normalised(images.numpy().reshape(-1, 3, 32, 32), rng)).flatten(1)
        return Batch(pixels.expand(self.protocol.T, -1, -1), labels, labels)

    def train_batches(self, seed: int, epoch: int) -> Iterator[Batch[Tensor]]:
        order_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ORDER, epoch)))
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_AUGMENT, epoch)))
        images, labels = self.sets["train"]
        order = torch.from_numpy(order_rng.permutation(len(labels)))
        for part in order.split(self.protocol.batch_size):
            yield self._batch(images[part], labels[part], rng if self.protocol.augment == "crop_flip" else None)

    def test_batches(self) -> Iterator[Batch[Tensor]]:
        for images, labels in zip(*(tensor.split(AT_ONCE) for tensor in self.sets["test"]), strict=True):
            yield self._batch(images, labels)


class Cifar10(RateBenchmark):
    """The benchmark: a residual network of LIF neurons, the class read from the rates of the last 10."""

    name: ClassVar[str] = "cifar10"
    title: ClassVar[str] = "CIFAR10"
    chance: ClassVar[float] = 0.1
    normal_leak: ClassVar[Leak] = NORMAL_LEAK
    sources: ClassVar[tuple[str, ...]] = ("shapes", "jpeg", "official", "local")
    default_source: ClassVar[str] = "shapes"
    protocol: ClassVar[type[Cifar10Protocol]] = Cifar10Protocol
    groups: ClassVar[tuple[str, ...]] = files.NAMES
    facts: ClassVar[Facts] = Facts(
        kind="spatial",
        place="Table 2",
        samples={"train": 50000, "test": 10000},
        size="32 × 32 pixels",
        origin="natural images",
        form="red, green, blue",
    )

    def sizes(self, protocol: Cifar10Protocol) -> tuple[int, ...]:
        return (3072, protocol.hidden, 10)

    def architecture(self, protocol: Cifar10Protocol) -> str:
        if protocol.network == "mlp":
            return super().architecture(protocol)
        wide = "" if protocol.channels == 1 else f", {protocol.channels:g} times the channels"
        return f"3072–{protocol.network.replace('resnet', 'ResNet-')}{wide}–10"

    def network(self, protocol: Cifar10Protocol, variant: Variant, backend: str) -> SpikingMLP | SpikingResNet:
        if protocol.network == "mlp":
            return super().network(protocol, variant, backend)
        return SpikingResNet(
            variant,
            depth=int(protocol.network.removeprefix("resnet")),
            u_th=protocol.u_th,
            width=protocol.width,
            norm=protocol.norm,
            scale=protocol.channels,
            backend=backend,
            precision=protocol.precision,
        )

    def load(self, protocol: Cifar10Protocol, source: str, progress: Progress | None = None) -> CifarData:
        return CifarData(protocol, source)
