"""What the ``cpu`` backend hands to its compiled loops, as operations that autograd can differentiate.

Work is cut into pieces whose number depends on the layer's shape only, and each piece's sums are added up in order: the
numbers do not depend on how many threads there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lifroles.backends import _buffers, _loops, _rows
from lifroles.backends._lanes import WIDTH
from lifroles.compiled import share
from lifroles.errors import LifrolesError
from lifroles.sparse import SparseSequence
from lifroles.variant import Reset

Array = np.ndarray[Any, Any]
Outputs = tuple[Tensor, Tensor, Tensor, Tensor]
Outside = tuple[Tensor, Tensor | None]

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
_RESETS = {"none": _loops.NONE, "hard": _loops.HARD, "soft": _loops.SOFT}

CACHED = 128
"""Neurons up to which V lies in a core's own cache, so that its product is best taken sample by sample."""
PIECES = 16
"""Pieces that a layer's work is cut into, at least."""
CACHE = 1 << 18
"""Bytes of dL/dx that a group of samples may take: half of a second-level cache."""
SMALL = 1 << 14
"""Numbers ``T · B · N`` below which a second thread costs more than it saves."""


class Rule:
    """What does not change along a sequence: reset, threshold and surrogate."""

    def __init__(self, reset: Reset, u_th: float, alpha: float, detach_reset: bool, fires: bool = True) -> None:
        self.reset = _RESETS[reset]
        self.u_th, self.alpha, self.half = u_th, alpha, 0.5 / alpha
        self.through_reset, self.fires = not detach_reset, fires


INTEGRATE = Rule("none", 1.0, 1.0, True, fires=False)
"""Units that never fire."""


def _flat(tensor: Tensor) -> Array:
    # reshape alone would leave a number that is repeated (`expand`) where it is
    return tensor.detach().resolve_neg().reshape(-1).contiguous().numpy()


def _rows_of(sequence: Tensor) -> tuple[Array, int]:
    """Return ``[T, B, N]`` as a flat array and the distance between two steps: 0 if one step is repeated."""
    if sequence.stride(0) == 0 and sequence.shape[0] > 1:
        return _flat(sequence[0]), 0
    return _flat(sequence), sequence[0].numel()


def _strided(sequence: Tensor) -> tuple[Array, int, int]:
    """Return ``[T, B, N]`` as a flat array and the distances between two steps and two samples; no copy of our own."""
    steps, batch, neurons = sequence.shape
    if sequence.stride(0) == 0 and steps > 1:
        return _flat(sequence[0]), 0, neurons
    if _is_by_sample(sequence):
        return _flat(sequence.transpose(0, 1)), neurons, steps * neurons
    return _flat(sequence), batch * neurons, neurons


def _is_by_sample(sequence: Tensor) -> bool:
    """Return whether each sample's steps of ``[T, B, N]`` lie one after the other."""
    return not sequence.is_contiguous() and sequence.transpose(0, 1).is_contiguous()


def _empty(shape: Sequence[int], dtype: torch.dtype, by_sample: bool) -> Tensor:
    """Return ``[T, B, N]`` with whatever numbers lie in its memory, step by step or sample by sample."""
    if not by_sample:
        return _buffers.empty(shape, dtype)
    steps, batch, neurons = shape
    return _buffers.empty((batch, steps, neurons), dtype).transpose(0, 1)


def _padded(values: float | Tensor, neurons: int, dtype: torch.dtype) -> Array:
    """Return one number a neuron, filled up with 0 to whole blocks."""
    padded = np.zeros(-(-neurons // WIDTH) * WIDTH, _DTYPES[dtype])
    padded[:neurons] = _flat(values) if isinstance(values, Tensor) else values
    return padded


def _coefficients(k: float | Tensor, dtype: torch.dtype) -> Array:
    return _flat(k) if isinstance(k, Tensor) else np.full(1, k, _DTYPES[dtype])


def _cuts(count: int, pieces: int) -> list[tuple[int, int]]:
    """Return at most so many ranges, about equally long, that make up ``range(count)``."""
    pieces = max(1, min(pieces, count))
    edges = [count * i // pieces for i in range(pieces + 1)]
    return list(itertools.pairwise(edges))


def _pieces(size: int, pieces: int = PIECES) -> int:
    return pieces if size >= SMALL else 1


def _last(rule: Rule, o: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    # Copies, because a state that is carried on must not hold the whole sequence in memory.
    return (o[-1].clone() if rule.fires else o.clone()), u[-1].clone()


def _from_outside(shape: torch.Size, dtype: torch.dtype, gradients: tuple[Tensor | None, ...]) -> Outside:
    """Return dL/do and dL/du (``None``: 0) of all steps, from those of the sequences and of the last step."""
    if torch.is_grad_enabled():
        # torch's own once_differentiable lets through what comes from a loss linear in o, without its graph.
        raise LifrolesError("the cpu backend has no second derivative: give backend='reference'.")
    go, gu, go_last, gu_last = gradients

    def both(sequence: Tensor | None, last: Tensor | None) -> Tensor | None:
        if last is None:
            return sequence
        whole = torch.zeros(shape, dtype=dtype) if sequence is None else sequence.clone()
        whole[-1] += last
        return whole

    go, gu = both(go, go_last), both(gu, gu_last)
    nothing = torch.zeros(1, dtype=dtype).expand(shape[1:].numel()).view(1, *shape[1:]).expand(shape)
    return nothing if go is None else go, gu


class _Alone(torch.autograd.Function):
    """All steps of a layer without recurrence. Returns o and u, each ``[T, B, N]``, and the last of each."""

    @staticmethod
    def forward(ctx: Any, rule: Rule, x: Tensor, c: Tensor, k: float | Tensor) -> Outputs:
        o, u = _alone_forward(rule, x, c, k, keep_u=True)
        ctx.rule, ctx.shape = rule, x.shape
        ctx.k = None if isinstance(k, Tensor) else k
        ctx.save_for_backward(u, k if isinstance(k, Tensor) else None)
        ctx.set_materialize_grads(False)
        o_last, u_last = _last(rule, o, u)
        return o, u, u_last, o_last

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        go, gu, gu_last, go_last = gradients
        rule, (u, k_tensor) = ctx.rule, ctx.saved_tensors
        outside = _from_outside(ctx.shape, u.dtype, (go, gu, go_last, gu_last))
        k = ctx.k if k_tensor is None else k_tensor
        _, wants_x, wants_c, wants_k = ctx.needs_input_grad
        g = _buffers.empty(ctx.shape, u.dtype)
        slope = _alone_backward(rule, u, outside, k, g, wants_k)
        return None, g if wants_x else None, g[0] if wants_c else None, slope


def _alone_forward(rule: Rule, x: Tensor, c: Tensor, k: float | Tensor, keep_u: bool) -> tuple[Tensor, Tensor]:
    """Return o (empty: none) and u, ``[T, B, N]`` if ``keep_u``, else the last one ``[1, B, N]``."""
    steps, dtype = x.shape[0], x.dtype
    u = _buffers.empty((steps if keep_u else 1, *x.shape[1:]), dtype)
    o = _buffers.empty(x.shape, dtype) if rule.fires else torch.empty(0, dtype=dtype)
    rows, stride = _rows_of(x)
    lanes = c.numel()
    number = _DTYPES[dtype]
    arguments = (
        rows, stride, _flat(c), _coefficients(k, dtype), _flat(u), lanes if keep_u else 0, _flat(o),
        number(rule.u_th), rule.reset, rule.fires, steps,
    )  # fmt: skip
    share(lambda low, high: _loops.forward(*arguments, low, high), _lanes_of(lanes, x.numel()))
    return o, u


def _lanes_of(lanes: int, size: int) -> list[tuple[int, int]]:
    """Return ranges of lanes for the threads: whole vectors."""
    vectors = -(-lanes // WIDTH)
    return [(a * WIDTH, min(b * WIDTH, lanes)) for a, b in _cuts(vectors, _pieces(size, max(4, lanes // 8192)))]


def _outside_rows(outside: Outside) -> tuple[Array, int, Array, int]:
    """Return dL/do and dL/du with their distances from step to step."""
    go, gu = outside
    go_rows, go_stride = _rows_of(go)
    gu_rows, gu_stride = (go_rows[:0], 0) if gu is None else _rows_of(gu)
    return go_rows, go_stride, gu_rows, gu_stride


def _alone_backward(
    rule: Rule, u: Tensor, outside: Outside, k: float | Tensor, g: Tensor, wants_k: bool
) -> Tensor | None:
    """Write dL/du of all steps to ``g``; return dL/dk ``[N]`` if it is wanted."""
    (steps, batch, neurons), dtype = u.shape, u.dtype
    lanes = batch * neurons
    number = _DTYPES[dtype]
    g_k = np.zeros(lanes if wants_k else 0, number)
    arguments = (
        _flat(u), *_outside_rows(outside), _coefficients(k, dtype), _flat(g), g_k, number(rule.u_th),
        number(rule.alpha), number(rule.half), rule.reset, rule.fires, False, rule.through_reset,
        outside[1] is not None, wants_k, steps, 0, steps, lanes,
    )  # fmt: skip
    share(lambda low, high: _loops.backward(*arguments, low, high), _lanes_of(lanes, u.numel()))
    return torch.from_numpy(g_k).view(batch, neurons).sum(0, dtype=torch.float64).to(dtype) if wants_k else None


def alone(rule: Rule, x: Tensor, c: Tensor, k: float | Tensor, keep_u: bool) -> Outputs:
    """Return o and u of a layer without recurrence, ``[T, B, N]`` (u: if kept or needed), and the last of u and o."""
    if rule.fires and _is_by_sample(x):
        return _run_rows(rule, None, x, None, None, c, k, None)
    if torch.is_grad_enabled() and any(isinstance(v, Tensor) and v.requires_grad for v in (x, c, k)):
        return _Alone.apply(rule, x, c, k)
    with torch.no_grad():
        o, u = _alone_forward(rule, x, c, k, keep_u)
        return o, u, u[-1].clone() if keep_u else u[-1], o[-1].clone() if rule.fires else o


def _packed(weight: Tensor, transposed: bool = False) -> Array:
    """Return a matrix ``[out, in]`` (or its transpose) as ``[blocks of out, in, 32]``, flat."""
    matrix = weight.detach().resolve_neg()
    matrix = matrix.t() if transposed else matrix
    neurons, inputs = matrix.shape
    base = matrix.reshape(-1) if matrix.is_contiguous() else matrix.t().reshape(-1)
    row, column = (inputs, 1) if matrix.is_contiguous() else (1, neurons)
    blocks = -(-neurons // WIDTH)
    packed = np.empty(blocks * inputs * WIDTH, _DTYPES[weight.dtype])
    flat = base.numpy()
    share(
        lambda low, high: _rows.pack(flat, row, column, neurons, inputs, packed, low, high),
        _cuts(blocks, _pieces(packed.size)),
    )
    return packed


def _unpacked(packed: Array, parts: int, neurons: int, inputs: int) -> Tensor:
    """Return the sum of ``parts`` packed matrices as one ``[neurons, inputs]``."""
    weight = np.empty(neurons * inputs, packed.dtype)
    share(
        lambda low, high: _rows.unpack(packed, parts, packed.size // parts, neurons, inputs, weight, low, high),
        _cuts(-(-neurons // WIDTH), _pieces(packed.size)),
    )
    return torch.from_numpy(weight).view(neurons, inputs)


class _ByChannel:
    """The events of a batch, sorted by channel within groups of samples whose dL/dx fit the cache."""

    def __init__(self, events: SparseSequence, values: Array, row_bytes: int) -> None:
        steps, batch, inputs = events.shape
        self.group = max(1, min(batch, CACHE // (row_bytes * steps)))
        self.groups = -(-batch // self.group)
        self.starts = np.empty(self.groups * (inputs + 1), np.int64)
        self.rows = np.empty(events.entries, np.int32)
        self.values = np.empty(values.size, values.dtype)
        arguments = (
            events.indptr, events.indices, values, self.starts, self.rows, self.values, steps, batch, inputs,
        )  # fmt: skip
        cuts = _cuts(self.groups, _pieces(events.entries))
        share(lambda low, high: _rows.by_channel(*arguments, self.group, low, high), cuts)


def _values(events: SparseSequence, dtype: torch.dtype) -> Array:
    """Return the events' values in the layer's type; none: all 1."""
    kept = np.zeros(0, np.float32) if events.values is None else events.values
    return kept.astype(_DTYPES[dtype], copy=False)


class _Rows(torch.autograd.Function):
    """All steps of a layer, sample by sample. Returns o and u, each ``[T, B, N]``, and the last of each."""

    @staticmethod
    def forward(
        ctx: Any, rule: Rule, events: SparseSequence | None, x: Tensor | None, weight: Tensor | None,
        bias: Tensor | None, c: Tensor, k: float | Tensor, v: Tensor | None,
    ) -> Outputs:  # fmt: skip
        o, u = _rows_forward(rule, events, x, weight, bias, c, k, v)
        ctx.rule, ctx.events = rule, events
        ctx.k = None if isinstance(k, Tensor) else k
        ctx.save_for_backward(u, k if isinstance(k, Tensor) else None, v)
        ctx.set_materialize_grads(False)
        o_last, u_last = _last(rule, o, u)
        return o, u, u_last, o_last

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        go, gu, gu_last, go_last = gradients
        rule: Rule = ctx.rule
        u, k_tensor, v = ctx.saved_tensors
        outside = _from_outside(u.shape, u.dtype, (go, gu, go_last, gu_last))
        wants = ctx.needs_input_grad
        k = ctx.k if k_tensor is None else k_tensor
        if v is not None and u.shape[-1] > CACHED:
            g, g_k, g_v = _stepwise_backward(rule, u, outside, k, v, wants[6], wants[7])
            return None, None, g if wants[2] else None, None, None, g[0] if wants[5] else None, g_k, g_v
        found = _rows_backward(rule, ctx.events, u, outside, k, v, wants[3], wants[7])
        return None, None, *(part if wanted else None for part, wanted in zip(found, wants[2:], strict=True))


def _rows_forward(
    rule: Rule, events: SparseSequence | None, x: Tensor | None, weight: Tensor | None, bias: Tensor | None, c: Tensor,
    k: float | Tensor, v: Tensor | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    (batch, neurons), dtype = c.shape, c.dtype
    number = _DTYPES[dtype]
    nothing = np.zeros(0, number)
    if events is not None and weight is not None:
        steps, _, inputs = events.shape
        source = (events.indptr, events.indices, _values(events, dtype), _packed(weight))
        currents = (nothing, 0, 0)
        by_sample = True
    else:
        assert x is not None
        steps, inputs = x.shape[0], 0
        source = (np.zeros(1, np.int64), np.zeros(0, np.uint16), nothing, nothing)
        currents = _strided(x)
        # Where the backward pass takes a matrix product a step, a step has to lie in one piece.
        by_sample = _is_by_sample(x) and (v is None or neurons <= CACHED)
    u, o = (_empty((steps, batch, neurons), dtype, by_sample) for _ in range(2))
    (flat_u, step, sample), (flat_o, *_) = _strided(u), _strided(o)
    arguments = (
        *currents, *source, _padded(0.0 if bias is None else bias, neurons, dtype), _flat(c),
        _padded(k, neurons, dtype), nothing if v is None else _packed(v), flat_u, flat_o, step, sample,
        number(rule.u_th), rule.reset, events is not None, v is not None, steps, neurons, inputs,
    )  # fmt: skip
    blocks = -(-neurons // WIDTH)
    share(
        lambda *piece: _rows.forward(*arguments, *piece), _blocks_and_samples(blocks, batch, v is not None, u.numel())
    )
    return o, u


def _blocks_and_samples(blocks: int, samples: int, together: bool, size: int) -> list[tuple[int, int, int, int]]:
    """Return first and last block and first and last sample (or group) of each piece of work."""
    pieces = _pieces(size)
    if together:
        return [(0, blocks, low, high) for low, high in _cuts(samples, pieces)]
    cuts = _cuts(samples, -(-pieces // blocks))
    return [(block, block + 1, low, high) for block in range(blocks) for low, high in cuts]


def _rows_backward(
    rule: Rule, events: SparseSequence | None, u: Tensor, outside: Outside,
    k: float | Tensor, v: Tensor | None, wants_weight: bool, wants_v: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """Return dL/dx, dL/dW, dL/db, dL/dc, dL/dk and dL/dV; ``None`` for what there is not or is not wanted."""
    (steps, batch, neurons), dtype = u.shape, u.dtype
    number = _DTYPES[dtype]
    blocks = -(-neurons // WIDTH)
    nothing = np.zeros(0, number)
    inputs, group, groups = 0, 1, batch
    starts, rows, values = np.zeros(0, np.int64), np.zeros(0, np.int32), nothing
    if events is not None:
        inputs = events.shape[-1]
        width = (blocks if v is not None else 1) * WIDTH
        channel = _ByChannel(events, _values(events, dtype), width * dtype.itemsize)
        starts, rows, values, group, groups = (
            channel.starts, channel.rows, channel.values, channel.group, channel.groups,
        )  # fmt: skip
    pieces = _blocks_and_samples(blocks, groups, v is not None, u.numel())
    # Pieces that meet the same neurons add to sums of their own.
    parts = sum(piece[0] == 0 for piece in pieces)
    flat_u, step, sample = _strided(u)
    g = _empty(u.shape, dtype, _is_by_sample(u)) if events is None else None
    g_c = torch.empty((batch, neurons), dtype=dtype)
    g_k, g_bias = (np.zeros((parts, blocks * WIDTH), number) for _ in range(2))
    g_weight = np.zeros((parts, blocks * inputs * WIDTH if wants_weight else 0), number)
    g_v = np.zeros((parts, blocks * neurons * WIDTH if wants_v and v is not None else 0), number)
    across = nothing if v is None else _packed(v, transposed=True)
    flat_g, flat_c = nothing if g is None else _strided(g)[0], _flat(g_c)
    go, gu = outside
    arriving = *_strided(go), *((nothing, 0, 0) if gu is None else _strided(gu))
    coefficients = _padded(k, neurons, dtype)

    def work(part: int, *piece: int) -> None:
        _rows.backward(
            flat_u, step, sample, *arriving, coefficients, across, flat_g, flat_c, g_k[part], g_v[part], starts, rows,
            values, g_weight[part], g_bias[part], number(rule.u_th), number(rule.alpha), number(rule.half),
            rule.reset, rule.through_reset, gu is not None, events is not None, v is not None, steps, batch, neurons,
            inputs, group, *piece,
        )  # fmt: skip

    share(work, [(i % parts, *piece) for i, piece in enumerate(pieces)])
    return (
        g,
        _unpacked(g_weight.reshape(-1), parts, neurons, inputs) if wants_weight and events is not None else None,
        torch.from_numpy(g_bias.sum(0))[:neurons],
        g_c,
        torch.from_numpy(g_k.sum(0))[:neurons],
        _unpacked(g_v.reshape(-1), parts, neurons, neurons) if g_v.size else None,
    )


def _stepwise_backward(
    rule: Rule, u: Tensor, outside: Outside, k: float | Tensor, v: Tensor, wants_k: bool,
    wants_v: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:  # fmt: skip
    """Return dL/dx, dL/dk and dL/dV of a recurrent layer that is wide: one matrix product a step."""
    (steps, batch, neurons), dtype = u.shape, u.dtype
    lanes = batch * neurons
    number = _DTYPES[dtype]
    g = _buffers.empty(u.shape, dtype)
    g_k = np.zeros(lanes if wants_k else 0, number)
    flat_u, flat_g, coefficients, cuts = _flat(u), _flat(g), _coefficients(k, dtype), _lanes_of(lanes, lanes)
    arriving = _outside_rows(outside)

    def work(t: int, low: int, high: int) -> None:
        _loops.backward(
            flat_u, *arriving, coefficients, flat_g, g_k, number(rule.u_th), number(rule.alpha), number(rule.half),
            rule.reset, True, True, rule.through_reset, outside[1] is not None, wants_k, steps, t, t + 1, lanes, low,
            high,
        )  # fmt: skip

    weight = v.detach()
    for t in range(steps - 1, -1, -1):
        if t < steps - 1:
            torch.mm(g[t + 1], weight, out=g[t])
        share(work, [(t, low, high) for low, high in cuts])
    slope_k = torch.from_numpy(g_k).view(batch, neurons).sum(0, dtype=torch.float64).to(dtype) if wants_k else None
    slope_v = None
    if wants_v:
        slope_v = torch.zeros_like(weight)
        if steps > 1:
            before = (u[:-1] >= rule.u_th).to(dtype)
            slope_v = torch.mm(g[1:].reshape(-1, neurons).t(), before.reshape(-1, neurons))
    return g, slope_k, slope_v


def recurrent(rule: Rule, x: Tensor, c: Tensor, k: float | Tensor, v: Tensor, keep_u: bool) -> Outputs:
    """Return o and u of a layer with recurrence, ``[T, B, N]``, and the last of u and o."""
    return _run_rows(rule, None, x, None, None, c, k, v)


def driven(
    rule: Rule, events: SparseSequence, weight: Tensor, bias: Tensor | None, c: Tensor, k: float | Tensor,
    v: Tensor | None, keep_u: bool,
) -> Outputs:  # fmt: skip
    """Return o and u of a layer that events drive, ``[T, B, N]``, and the last of u and o."""
    return _run_rows(rule, events, None, weight, bias, c, k, v)


def _run_rows(
    rule: Rule, events: SparseSequence | None, x: Tensor | None, weight: Tensor | None, bias: Tensor | None, c: Tensor,
    k: float | Tensor, v: Tensor | None,
) -> Outputs:  # fmt: skip
    if torch.is_grad_enabled() and any(
        isinstance(value, Tensor) and value.requires_grad for value in (x, weight, bias, c, k, v)
    ):
        return _Rows.apply(rule, events, x, weight, bias, c, k, v)
    with torch.no_grad():
        o, u = _rows_forward(rule, events, x, weight, bias, c, k, v)
        return o, u, u[-1].clone(), o[-1].clone()


class _Product(torch.autograd.Function):
    """The weighted sums of a sequence of events, ``[T, B, N]``."""

    @staticmethod
    def forward(ctx: Any, events: SparseSequence, weight: Tensor, bias: Tensor | None) -> Tensor:
        (steps, batch, inputs), neurons, dtype = events.shape, weight.shape[0], weight.dtype
        out = _buffers.empty((steps, batch, neurons), dtype)
        packed, values = _packed(weight), _values(events, dtype)
        start, flat = _padded(0.0 if bias is None else bias, neurons, dtype), _flat(out)

        def work(block: int, _: int, low: int, high: int) -> None:
            _rows.product(
                events.indptr, events.indices, values, packed, start, flat, _DTYPES[dtype](0), steps, batch, neurons,
                inputs, block, low, high,
            )  # fmt: skip

        share(work, _blocks_and_samples(-(-neurons // WIDTH), batch, False, out.numel()))
        ctx.events, ctx.dtype, ctx.neurons = events, dtype, neurons
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise LifrolesError("the cpu backend has no second derivative: give backend='reference'.")
        events: SparseSequence = ctx.events
        (steps, batch, inputs), neurons, dtype = events.shape, ctx.neurons, ctx.dtype
        blocks = -(-neurons // WIDTH)
        channel = _ByChannel(events, _values(events, dtype), WIDTH * dtype.itemsize)
        pieces = _blocks_and_samples(blocks, channel.groups, False, steps * batch * neurons)
        parts = sum(piece[0] == 0 for piece in pieces)
        g_weight = np.zeros((parts, blocks * inputs * WIDTH), _DTYPES[dtype])
        g_bias = np.zeros((parts, blocks * WIDTH), _DTYPES[dtype])
        rows, stride = _rows_of(gradients[0])

        def work(part: int, block: int, _: int, low: int, high: int) -> None:
            _rows.product_backward(
                rows, stride, channel.starts, channel.rows, channel.values, g_weight[part], g_bias[part],
                _DTYPES[dtype](0), steps, batch, neurons, inputs, channel.group, block, low, high,
            )  # fmt: skip

        share(work, [(i % parts, *piece) for i, piece in enumerate(pieces)])
        return (
            None,
            _unpacked(g_weight.reshape(-1), parts, neurons, inputs) if ctx.needs_input_grad[1] else None,
            torch.from_numpy(g_bias.sum(0))[:neurons] if ctx.needs_input_grad[2] else None,
        )


def product(events: SparseSequence, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weighted sums of a sequence of events, ``[T, B, N]``."""
    return _Product.apply(events, weight, bias)


class _SpikesProduct(torch.autograd.Function):
    """The weighted sums of a layer's spikes, ``[T, B, C]``."""

    @staticmethod
    def forward(ctx: Any, o: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        (outputs, inputs), dtype = weight.shape, o.dtype
        out = _buffers.empty((*o.shape[:-1], outputs), dtype)
        rows, steps, batch = _samples(o)
        arguments = (
            rows, _packed(weight), _padded(0.0 if bias is None else bias, outputs, dtype), _flat(out), steps, batch,
            inputs, outputs,
        )  # fmt: skip
        share(lambda low, high: _rows.spikes_product(*arguments, low, high), _cuts(batch, _pieces(o.numel())))
        ctx.save_for_backward(o, weight)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise LifrolesError("the cpu backend has no second derivative: give backend='reference'.")
        o, weight = ctx.saved_tensors
        (outputs, inputs), dtype, blocks = weight.shape, o.dtype, -(-weight.shape[0] // WIDTH)
        rows, steps, batch = _samples(o)
        cuts = _cuts(batch, _pieces(o.numel()))
        g_o = _empty(o.shape, dtype, _is_by_sample(o)) if ctx.needs_input_grad[0] else None
        g_weight = np.zeros((len(cuts), blocks * inputs * WIDTH), _DTYPES[dtype])
        g_bias = np.zeros((len(cuts), blocks * WIDTH), _DTYPES[dtype])
        flat_o = np.zeros(0, _DTYPES[dtype]) if g_o is None else _samples(g_o)[0]
        arguments = (rows, _flat(gradients[0]), _flat(weight), flat_o)

        def work(part: int, low: int, high: int) -> None:
            _rows.spikes_product_backward(
                *arguments, g_weight[part], g_bias[part], steps, batch, inputs, outputs, low, high
            )

        share(work, [(part, low, high) for part, (low, high) in enumerate(cuts)])
        return (
            g_o,
            _unpacked(g_weight.reshape(-1), len(cuts), outputs, inputs) if ctx.needs_input_grad[1] else None,
            torch.from_numpy(g_bias.sum(0))[:outputs] if ctx.needs_input_grad[2] else None,
        )


def _samples(o: Tensor) -> tuple[Array, int, int]:
    """Return spikes as rows sample by sample, and how many steps and samples; step by step, a row is a sample."""
    if _is_by_sample(o):
        return _flat(o.transpose(0, 1)), o.shape[0], o.shape[1]
    return _flat(o), 1, o.shape[0] * o.shape[1]


def spikes_product(o: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weighted sums of a layer's spikes, ``[T, B, C]``."""
    return _SpikesProduct.apply(o, weight, bias)


def linear(o: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weighted sums of any sequence, ``[T, B, N]``, laid out as it is."""
    if _is_by_sample(o):
        return F.linear(o.transpose(0, 1), weight, bias).transpose(0, 1)
    return F.linear(o, weight, bias)
