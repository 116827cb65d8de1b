"""Input that is mostly zero, kept as the few entries that are not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifroles.errors import SpecError

Array = np.ndarray[Any, Any]


def index_type(features: int) -> type[np.unsignedinteger[Any]] | type[np.signedinteger[Any]]:
    """Return the narrowest type that :class:`SparseSequence` keeps channel numbers in."""
    return np.uint16 if features <= 1 << 16 else np.int32


@dataclass(frozen=True, slots=True, eq=False)
class SparseSequence:
    """A sequence ``[T, B, N]`` of spikes or counts as compressed sparse rows.

    Row ``b · T + t`` holds step t of sample b, so that a batch is its samples one after the other, and a kernel that
    follows one sample through time reads one stretch of memory.

    Arguments:
        shape: (T, B, N).
        indptr: where each row begins in ``indices``, and where the last one ends: ``[B · T + 1]``, int64.
        indices: channel of each entry, ``[entries]``, uint16 (int32 where N is above 65,536); within a row
            ascending, none twice.
        values: what stands there, ``[entries]``, float32; ``None``: 1 everywhere (spikes).

    Raises:
        SpecError: the arrays do not fit the shape or each other.
    """

    shape: tuple[int, int, int]
    indptr: Array
    indices: Array
    values: Array | None = None

    def __post_init__(self) -> None:
        steps, batch, features = self.shape
        if min(self.shape) < 0 or self.indptr.shape != (steps * batch + 1,) or self.indptr.dtype != np.int64:
            raise SpecError(
                f"indptr is {self.indptr.dtype}{list(self.indptr.shape)}: rows of {list(self.shape)} need "
                f"int64[{steps * batch + 1}]."
            )
        if self.indices.ndim != 1 or self.indices.dtype != index_type(features):
            raise SpecError(
                f"indices are {self.indices.dtype}{list(self.indices.shape)}: give one dimension of "
                f"{np.dtype(index_type(features))} for {features} channels."
            )
        if self.indptr[0] != 0 or self.indptr[-1] != len(self.indices) or (np.diff(self.indptr) < 0).any():
            raise SpecError(f"indptr has to rise from 0 to {len(self.indices)}, the number of indices.")
        if len(self.indices) and int(self.indices.max()) >= features:
            raise SpecError(f"an index is {int(self.indices.max())}: channels are numbered from 0 to {features - 1}.")
        if self.values is not None and (self.values.shape != self.indices.shape or self.values.dtype != np.float32):
            raise SpecError(
                f"values are {self.values.dtype}{list(self.values.shape)}: give float32[{len(self.indices)}], "
                "one for each index."
            )

    @property
    def entries(self) -> int:
        """Number of entries kept."""
        return len(self.indices)

    @property
    def density(self) -> float:
        """Share of the T · B · N entries that are kept; 0 where there are none."""
        size = self.shape[0] * self.shape[1] * self.shape[2]
        return self.entries / size if size else 0.0

    def dim(self) -> int:
        """Return 3, as a tensor ``[T, B, N]`` would."""
        return 3

    @classmethod
    def from_dense(cls, sequence: Tensor) -> SparseSequence:
        """Return the entries of ``[T, B, N]`` that are not zero; a sequence of 0 and 1 keeps no values.

        Raises:
            SpecError: there are not three dimensions.
        """
        if sequence.dim() != 3:
            raise SpecError(f"the sequence has shape {list(sequence.shape)}: give [T, B, N].")
        from lifroles import _nonzero  # compiled, and slow to import

        steps, batch, features = sequence.shape
        dense = sequence.detach().cpu()
        if dense.dtype not in (torch.float32, torch.float64):
            dense = dense.float()
        dense = dense.contiguous().numpy()
        counts, ones = np.empty(batch * steps, np.int64), np.empty(batch * steps, np.int64)
        _nonzero.count(dense, counts, ones)
        indptr = np.zeros(batch * steps + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        entries = int(indptr[-1])
        indices = np.empty(entries, index_type(features))
        values = np.empty(0 if ones.sum() == entries else entries, np.float32)
        _nonzero.fill(dense, indptr, indices, values)
        return cls((steps, batch, features), indptr, indices, values if len(values) else None)

    @classmethod
    def from_samples(
        cls, steps: int, features: int, samples: Iterable[tuple[Array, Array, Array | None]]
    ) -> SparseSequence:
        """Return a batch of samples, each ``(indptr [T + 1], indices, values or None)`` with rows in order of time.

        Raises:
            SpecError: a sample has another number of steps, or some have values and some have none.
        """
        parts = list(samples)
        if any(len(indptr) != steps + 1 for indptr, _, _ in parts):
            raise SpecError(f"a sample's indptr has to have {steps + 1} entries, one more than there are steps.")
        if len({values is None for _, _, values in parts}) > 1:
            raise SpecError("some samples have values and some have none: give all or none.")
        ends = np.concatenate([[0], *(np.diff(indptr) for indptr, _, _ in parts)]).astype(np.int64)
        empty = np.zeros(0, index_type(features))
        indices = np.concatenate([empty, *(part for _, part, _ in parts)]).astype(index_type(features), copy=False)
        kept = [values for _, _, values in parts if values is not None]
        values = np.concatenate(kept).astype(np.float32, copy=False) if kept else None
        return cls((steps, len(parts), features), np.cumsum(ends), indices, values)

    def dense(self, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
        """Return the sequence as a tensor ``[T, B, N]``."""
        steps, batch, features = self.shape
        rows = torch.zeros(batch * steps, features, dtype=dtype)
        row = torch.from_numpy(np.repeat(np.arange(batch * steps), np.diff(self.indptr)))
        values = torch.ones(()) if self.values is None else torch.from_numpy(self.values)
        rows[row, torch.from_numpy(self.indices.astype(np.int64))] = values.to(dtype)
        return rows.view(batch, steps, features).transpose(0, 1).to(device)

    def csr(self, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
        """Return the rows as torch's sparse matrix ``[B · T, N]``."""
        steps, batch, features = self.shape
        values = np.ones(len(self.indices), np.float32) if self.values is None else self.values
        with warnings.catch_warnings():
            # torch says once a process that CSR is in beta and that it does not check what is checked above
            warnings.filterwarnings("ignore", "Sparse (CSR tensor support|invariant checks)", UserWarning)
            return torch.sparse_csr_tensor(
                torch.from_numpy(self.indptr), torch.from_numpy(self.indices.astype(np.int64)),
                torch.from_numpy(values).to(dtype), (batch * steps, features), device=device,
            )  # fmt: skip
