"""What the benchmarks of recorded events share: batches from prepared recordings, and the choice among them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lifroles.benchmarks.base import Batch, Data
from lifroles.cache import Prepared
from lifroles.errors import DataError
from lifroles.neuron import LearnableLeak

Array = np.ndarray[Any, Any]

_ORDER = 0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some samples ``[S]`` of a prepared set, in this order.

    Arguments:
        scale: what counts are multiplied by.
        groups: the group of each label, where it is not the label itself.
    """

    prepared: Prepared
    samples: Array
    scale: float = 1.0
    groups: Array | None = None

    @classmethod
    def of(
        cls,
        prepared: Prepared,
        limit: int | None,
        name: str,
        *,
        among: Array | None = None,
        scale: float = 1.0,
        groups: Array | None = None,
    ) -> Part:
        """Return the first ``limit`` samples, of all or of those in ``among``.

        Raises:
            DataError: there are fewer.
        """
        samples = np.arange(len(prepared)) if among is None else among
        if limit is not None and limit > len(samples):
            raise DataError(f"{name} is {limit}, but this source has {len(samples)} recordings: give that or fewer.")
        return cls(prepared, samples[:limit], scale, groups)

    @property
    def labels(self) -> Array:
        return self.prepared.labels[self.samples]

    def batch(self, positions: Array) -> Batch[Any]:
        """Return the samples at these positions of the part."""
        samples = self.samples[positions]
        sparse = self.prepared.batch(samples)
        if self.scale != 1 and sparse.values is not None:
            sparse.values[:] *= np.float32(self.scale)
        labels = self.prepared.labels[samples]
        groups = labels if self.groups is None else self.groups[labels]
        return Batch(sparse, torch.from_numpy(labels), torch.from_numpy(groups))


class EventData(Data):
    """Training, test and perhaps validation recordings; batches are shuffled by seed and epoch.

    Arguments:
        train, test, valid: the recordings.
        batch_size: recordings of a training batch.
        test_batch_size: recordings of a held-out batch; no result depends on it but for rounding.
    """

    def __init__(
        self, train: Part, test: Part, valid: Part | None = None, *, batch_size: int, test_batch_size: int
    ) -> None:
        self.train, self.test, self.valid = train, test, valid
        self.batch_size, self.test_batch_size = batch_size, test_batch_size
        digest = hashlib.sha256()
        for part in (train, test, *([] if valid is None else [valid])):
            digest.update(part.prepared.digest.encode() + np.asarray(part.samples, "<i8").tobytes())
        self.digest = digest.hexdigest()

    def train_batches(self, seed: int, epoch: int) -> Iterator[Batch[Any]]:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ORDER, epoch)))
        order = rng.permutation(len(self.train.samples))
        for low in range(0, len(order), self.batch_size):
            yield self.train.batch(order[low : low + self.batch_size])

    def test_batches(self) -> Iterator[Batch[Any]]:
        return self._held_out(self.test)

    @property
    def validation(self) -> Callable[[], Iterator[Batch[Any]]] | None:
        valid = self.valid
        return None if valid is None else lambda: self._held_out(valid)

    def _held_out(self, part: Part) -> Iterator[Batch[Any]]:
        for low in range(0, len(part.samples), self.test_batch_size):
            yield part.batch(np.arange(low, min(low + self.test_batch_size, len(part.samples))))


def leaks_apart(network: nn.Module, lr_leak: float) -> list[dict[str, Any]]:
    """Return Adam's parameter groups: all weights at the common learning rate, learnable leaks at their own."""
    leaks = [p for module in network.modules() if isinstance(module, LearnableLeak) for p in module.parameters()]
    own = {id(p) for p in leaks}
    groups: list[dict[str, Any]] = [{"params": [p for p in network.parameters() if id(p) not in own]}]
    if leaks:
        groups.append({"params": leaks, "lr": lr_leak})
    return groups
