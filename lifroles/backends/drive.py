"""A layer's input as events: its weighted sums, on every backend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lifroles.sparse import SparseSequence


def product(kernels: Any, events: SparseSequence, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``weight @ events + bias``, ``[T, B, N]``.

    On the processor a sum over events (``cpu`` backend) or a matrix product with the dense sequence (``reference``);
    elsewhere torch's product with a sparse matrix.

    Arguments:
        kernels: the backend.
        events: the input ``[T, B, M]``.
        weight: ``[N, M]``.
        bias: ``[N]`` or ``None``.
    """
    if weight.device.type != "cpu":
        steps, batch, _ = events.shape
        rows = torch.sparse.mm(events.csr(weight.dtype, weight.device), weight.t())
        current = rows.view(batch, steps, -1).transpose(0, 1)
        return current if bias is None else current + bias
    if hasattr(kernels, "product"):
        return kernels.product(events, weight, bias)
    return F.linear(events.dense(weight.dtype), weight, bias)


def spikes_product(kernels: Any, o_seq: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``weight @ o + bias``, ``[T, B, C]``, for a layer's spikes ``[T, B, N]``, each 0 or 1."""
    if o_seq.device.type == "cpu" and hasattr(kernels, "spikes_product"):
        return kernels.spikes_product(o_seq, weight, bias)
    return F.linear(o_seq, weight, bias)


def run(
    kernels: Any,
    events: SparseSequence,
    weight: Tensor,
    bias: Tensor | None,
    u: Tensor,
    o: Tensor,
    *,
    after: tuple[Tensor, Tensor | None] | None = None,
    **equation: Any,
) -> tuple[Any, ...]:
    """Advance a layer that events drive; returns what :func:`lifroles.backends.reference.run` does.

    With ``after`` (weights ``[C, N]`` and bias), a function that gives the spikes stands in their place, and the
    weighted sum ``[T, B, C]`` of them comes last.
    """
    if weight.device.type == "cpu" and hasattr(kernels, "run_events"):
        return kernels.run_events(events, weight, bias, u, o, after=after, **equation)
    found = kernels.run(product(kernels, events, weight, bias), u, o, **equation)
    return found if after is None else (lambda: found[0], *found[1:], spikes_product(kernels, found[0], *after))
