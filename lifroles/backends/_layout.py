"""How the ``cpu`` backend lays tensors out for its compiled loops, and cuts their work into pieces.

Work is cut into pieces whose number depends on the layer's shape only, and each piece's sums are added up in order: the
numbers do not depend on how many threads there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lifroles.backends import _buffers, _rows
from lifroles.backends._lanes import LINE, WIDTH
from lifroles.compiled import share
from lifroles.sparse import SparseSequence

Array = np.ndarray[Any, Any]

DTYPES = {torch.float32: np.float32, torch.float64: np.float64}

PIECES = 16
"""Pieces that a layer's work is cut into, at least."""
FINE = 64
"""Pieces of work that adds nothing up, so that none has sums of its own: the last thread waits less."""
CACHE = 1 << 18
"""Bytes of dL/dx that a group of samples may take: half of a second-level cache."""
STREAMED = 1 << 23
"""Bytes that no cache keeps until the backward pass."""
SMALL = 1 << 14
"""Numbers ``T · B · N`` below which a second thread costs more than it saves."""


def flattened(tensor: Tensor) -> Array:
    """Return a tensor's numbers as a flat array: its own memory where they lie in one piece."""
    return tensor.detach().resolve_neg().contiguous().numpy().reshape(-1)


def rows_of(sequence: Tensor) -> tuple[Array, int]:
    """Return ``[T, B, N]``, or ``[B, N]``, as a flat array and the distance along its first dimension.

    The distance is 0 if one step, or one row, is repeated: it stands in the array once.
    """
    if sequence.stride(0) == 0:
        return flattened(sequence[0]), 0
    return flattened(sequence), sequence[0].numel()


def strided(sequence: Tensor) -> tuple[Array, int, int]:
    """Return ``[T, B, N]`` as a flat array and the distances between two steps and two samples; no copy of our own."""
    steps, batch, neurons = sequence.shape
    if sequence.stride(0) == 0:
        rows, sample = rows_of(sequence[0])
        return rows, 0, sample
    if is_by_sample(sequence):
        return flattened(sequence.transpose(0, 1)), neurons, steps * neurons
    return flattened(sequence), batch * neurons, neurons


def is_streamed(flat: Array, *distances: int) -> bool:
    """Return whether an array is best written past the cache, which takes rows that begin at its lines.

    Arguments:
        flat: the whole of it.
        distances: numbers from row to row, along each dimension.
    """
    return flat.nbytes >= STREAMED and not any(
        start % LINE for start in (flat.ctypes.data, *(distance * flat.itemsize for distance in distances))
    )


def is_by_sample(sequence: Tensor) -> bool:
    """Return whether each sample's steps of ``[T, B, N]`` lie one after the other."""
    return not sequence.is_contiguous() and sequence.transpose(0, 1).is_contiguous()


def empty(shape: Sequence[int], dtype: torch.dtype, by_sample: bool) -> Tensor:
    """Return ``[T, B, N]`` with whatever numbers lie in its memory, step by step or sample by sample."""
    if not by_sample:
        return _buffers.empty(shape, dtype)
    steps, batch, neurons = shape
    return _buffers.empty((batch, steps, neurons), dtype).transpose(0, 1)


class Kept(NamedTuple):
    """The potentials of a layer, as its loops over samples lay them out.

    Neuron n of step t and sample b lies at ``start + t · step + b · sample + n // 32 · block + n % 32``.
    """

    u: Tensor
    start: int
    step: int
    sample: int
    block: int

    @classmethod
    def shown(cls, u: Tensor) -> Kept:
        """Return ``[T, B, N]`` as it lies, for a caller who wants to see it (empty: nobody wants it)."""
        _, step, sample = strided(u)
        return cls(u, 0, step, sample, WIDTH)

    @classmethod
    def hidden(cls, steps: int, batch: int, neurons: int, dtype: torch.dtype, by_block: bool) -> Kept:
        """Return room for what only the backward pass reads: in its order, the last step first.

        So the processor itself foresees what is read next. That takes whole blocks, one after the other (``by_block``)
        for loops that follow one block through all samples; for the others the blocks of a step stand side by side.
        """
        blocks = -(-neurons // WIDTH)
        width = WIDTH if by_block else blocks * WIDTH
        block = batch * steps * WIDTH if by_block else WIDTH
        u = _buffers.empty((blocks * batch * steps * WIDTH,), dtype)
        return cls(u, (steps - 1) * width, -width, steps * width, block)

    @property
    def flat(self) -> Array:
        """The numbers as a flat array."""
        return strided(self.u)[0] if self.u.dim() == 3 else flattened(self.u)

    @property
    def distances(self) -> tuple[int, int, int, int]:
        """Where the first step of the first sample lies, and what is from step to step, sample and block."""
        return self.start, self.step, self.sample, self.block

    @property
    def is_streamed(self) -> bool:
        """Whether it is best written past the cache."""
        return is_streamed(self.flat, self.step, self.sample)


def room(parts: int, size: int, dtype: torch.dtype) -> Array:
    """Return room for sums, ``[parts, size]``, with whatever numbers lie in it."""
    return _buffers.empty((parts, size), dtype).numpy()


def padded(values: float | Tensor, neurons: int, dtype: torch.dtype) -> Array:
    """Return one number a neuron, filled up with 0 to whole blocks."""
    filled = np.zeros(-(-neurons // WIDTH) * WIDTH, DTYPES[dtype])
    filled[:neurons] = flattened(values) if isinstance(values, Tensor) else values
    return filled


def coefficients_of(k: float | Tensor, dtype: torch.dtype) -> Array:
    """Return leakage coefficients as an array: one, or one a neuron."""
    return flattened(k) if isinstance(k, Tensor) else np.full(1, k, DTYPES[dtype])


def ranges(count: int, pieces: int) -> list[tuple[int, int]]:
    """Return at most so many ranges, about equally long, that make up ``range(count)``."""
    pieces = max(1, min(pieces, count))
    edges = [count * i // pieces for i in range(pieces + 1)]
    return list(itertools.pairwise(edges))


def pieces_of(size: int, pieces: int = PIECES) -> int:
    """Return into how many pieces so many numbers ``T · B · N`` are cut."""
    return pieces if size >= SMALL else 1


def lanes_of(lanes: int, size: int) -> list[tuple[int, int]]:
    """Return ranges of lanes for the threads: whole vectors."""
    vectors = -(-lanes // WIDTH)
    return [(a * WIDTH, min(b * WIDTH, lanes)) for a, b in ranges(vectors, pieces_of(size, max(4, lanes // 8192)))]


def blocks_and_samples(blocks: int, samples: int, size: int, pieces: int = PIECES) -> list[tuple[int, int, int]]:
    """Return the block and the first and last sample (or group) of each piece of work; as many of every block."""
    cuts = ranges(samples, -(-pieces_of(size, pieces) // blocks))
    return [(block, low, high) for block in range(blocks) for low, high in cuts]


def as_blocks(weight: Tensor, transposed: bool = False) -> Array:
    """Return a matrix ``[out, in]`` (or its transpose) as ``[blocks of out, in, 32]``, flat."""
    matrix = weight.detach().resolve_neg()
    matrix = matrix.t() if transposed else matrix
    neurons, inputs = matrix.shape
    base = matrix.reshape(-1) if matrix.is_contiguous() else matrix.t().reshape(-1)
    row, column = (inputs, 1) if matrix.is_contiguous() else (1, neurons)
    blocks = -(-neurons // WIDTH)
    packed = _buffers.empty((blocks * inputs * WIDTH,), weight.dtype).numpy()
    flat = base.numpy()
    share(
        lambda low, high: _rows.pack(flat, row, column, neurons, inputs, packed, low, high),
        ranges(blocks, pieces_of(packed.size)),
    )
    return packed


class Slopes:
    """The gradient of a matrix ``[neurons, inputs]``: packed, in parts that pieces of work write, then as it is.

    Arguments:
        parts: pieces that meet the same neurons.
        neurons: rows of the matrix.
        inputs: columns.
        dtype: its type.
        wanted: whether there is one.
    """

    def __init__(self, parts: int, neurons: int, inputs: int, dtype: torch.dtype, wanted: bool = True) -> None:
        self._parts = parts
        self._blocks = -(-neurons // WIDTH)
        self.packed = room(parts, self._blocks * inputs * WIDTH if wanted else 0, dtype)
        self._matrix = _buffers.empty((neurons, inputs), dtype) if wanted else None
        self._arguments = (
            () if self._matrix is None
            else (self.packed.reshape(-1), parts, self.packed.shape[1], neurons, inputs, flattened(self._matrix))
        )  # fmt: skip

    def written(self, low: int, high: int) -> None:
        """Say that blocks have been written by their only piece, and may still be in the cache."""
        if self._parts == 1:
            self._unpack(low, high)

    def _unpack(self, low: int, high: int) -> None:
        if self._arguments:
            _rows.unpack(*self._arguments, low, high)

    def matrix(self) -> Tensor | None:
        """Return the gradient, once every piece has written its part; ``None`` if there is none."""
        if self._parts > 1:
            share(self._unpack, ranges(self._blocks, pieces_of(self.packed.size)))
        return self._matrix


class ByChannel:
    """The events of a batch, sorted by channel within groups of samples whose dL/dx fit the cache.

    They are once all ``pieces`` of ``work`` are done; if they are not ``wanted``, there are none.
    """

    def __init__(self, events: SparseSequence, values: Array, row_bytes: int, wanted: bool = True) -> None:
        steps, batch, self.inputs = events.shape
        self.group = max(1, min(batch, CACHE // (row_bytes * steps)))
        self.groups = -(-batch // self.group)
        self.starts = np.empty(self.groups * (self.inputs + 1), np.int64)
        # Numbers half as wide are sorted faster.
        self.rows = np.empty(events.entries if wanted else 0, np.uint16 if self.group * steps <= 1 << 16 else np.int32)
        self.values = np.empty(values.size, values.dtype)
        self.pieces = ranges(self.groups, pieces_of(events.entries)) if wanted else []
        self._arguments = (
            events.indptr, events.indices, values, self.starts, self.rows, self.values, steps, batch, self.inputs,
            self.group,
        )  # fmt: skip

    def work(self, low: int, high: int) -> None:
        """Do one of the pieces."""
        _rows.by_channel(*self._arguments, low, high)


def values_of(events: SparseSequence, dtype: torch.dtype) -> Array:
    """Return the events' values in the layer's type; none: all 1."""
    kept = np.zeros(0, np.float32) if events.values is None else events.values
    return kept.astype(DTYPES[dtype], copy=False)


class Fired(NamedTuple):
    """Which neurons fired, one bit each, in rows sample by sample: ``[B, T, words]``, flat.

    The bit of neuron n is bit n mod 64 of word n // 64. Blocks of 32 are written as halves of words, the lower first,
    as they lie on every processor that torch runs on.
    """

    bits: Array
    words: int
    steps: int
    batch: int

    @classmethod
    def room(cls, steps: int, batch: int, neurons: int) -> Fired:
        """Return one to be written."""
        blocks = -(-neurons // WIDTH)
        words = -(-blocks // 2)
        room = _buffers.empty((steps * batch * words,), torch.int64)
        if blocks % 2 == 1:
            room.zero_()  # half of a row's last word is nobody's
        return cls(room.numpy().view(np.uint64), words, steps, batch)


def samples_of(o: Tensor) -> tuple[Array, int, int]:
    """Return spikes as rows sample by sample, and how many steps and samples; step by step, a row is a sample."""
    if is_by_sample(o):
        return flattened(o.transpose(0, 1)), o.shape[0], o.shape[1]
    return flattened(o), 1, o.shape[0] * o.shape[1]
