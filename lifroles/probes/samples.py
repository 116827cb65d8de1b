"""The recordings that the probes of section 4.2 look at: N-MNIST at any step length, one split at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from lifroles.benchmarks import Batch, nmnist
from lifroles.benchmarks.recordings import Part
from lifroles.errors import DataError
from lifroles.sparse import SparseSequence
from lifroles.spec import RunSpec

Array = np.ndarray[Any, Any]

BATCH = 500


def is_nmnist(spec: RunSpec) -> bool:
    """Return whether a run is of N-MNIST."""
    return spec.benchmark == nmnist.Nmnist.name


def part(spec: RunSpec, split: str, source: str | None = None, **changes: object) -> Part:
    """Return a split of N-MNIST, binned as the run's protocol says but for ``changes``.

    Only this split is binned: the other may be ten times as large.

    Arguments:
        spec: the run.
        split: ``"Train"`` or ``"Test"``.
        source: where the recordings come from; the run's own source where it is ``None``.
        changes: protocol fields that are not the run's: ``dt``, ``T``, ``duration``, ``values``.

    Raises:
        DataError: the recordings are missing or damaged.
    """
    wanted: dict[str, Any] = {**spec.protocol.model_dump(), **changes}
    if source not in (None, spec.source):
        # How many recordings the run was limited to says nothing of another source.
        wanted |= {"train_samples": None, "test_samples": None}
    protocol = nmnist.NmnistProtocol.model_validate(wanted)
    found = nmnist.locate(protocol, source or spec.source, split)
    limit = protocol.train_samples if split == "Train" else protocol.test_samples
    return Part.of(nmnist.prepare(protocol, found, split), limit, f"{split.lower()}_samples")


def first(source: Part, count: int) -> Array:
    """Return the positions of the first ``count`` recordings, or of all where there are fewer."""
    return np.arange(min(count, len(source.samples)))


def first_of_each(source: Part, count: int, classes: int = 10) -> Array:
    """Return the positions of the first ``count`` recordings of every class, in the order of the recordings.

    Raises:
        DataError: a class has fewer.
    """
    labels = source.labels
    chosen = [np.flatnonzero(labels == c)[:count] for c in range(classes)]
    if min(map(len, chosen)) < count:
        raise DataError(f"A class has {min(map(len, chosen))} recordings of the {count} asked for: ask for fewer.")
    return np.sort(np.concatenate(chosen))


def batches(
    source: Part, positions: Array | None = None, *, scale: float = 1.0, size: int = BATCH
) -> Callable[[], Iterator[Batch[Any]]]:
    """Return what yields the recordings in batches of ``size``, every entry multiplied by ``scale``."""
    wanted = np.arange(len(source.samples)) if positions is None else positions

    def each() -> Iterator[Batch[Any]]:
        for low in range(0, len(wanted), size):
            batch = source.batch(wanted[low : low + size])
            yield batch if scale == 1 else Batch(scaled(batch.inputs, scale), batch.labels, batch.groups)

    return each


def scaled(x: SparseSequence | torch.Tensor, scale: float) -> SparseSequence | torch.Tensor:
    """Return a sequence with every entry multiplied by ``scale``."""
    if isinstance(x, torch.Tensor):
        return x * scale
    values = np.ones(x.entries, np.float32) if x.values is None else x.values
    return SparseSequence(x.shape, x.indptr, x.indices, values * np.float32(scale))
