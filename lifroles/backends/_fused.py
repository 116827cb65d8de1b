"""The layers of the ``cpu`` backend, as operations that autograd can differentiate."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifroles.backends import _buffers, _loops, _products, _rows
from lifroles.backends._lanes import WIDTH
from lifroles.backends._layout import (
    DTYPES,
    FINE,
    Array,
    ByChannel,
    Fired,
    Kept,
    Slopes,
    as_blocks,
    blocks_and_samples,
    coefficients_of,
    empty,
    flattened,
    is_by_sample,
    is_streamed,
    lanes_of,
    padded,
    pieces_of,
    ranges,
    room,
    rows_of,
    strided,
    values_of,
)
from lifroles.compiled import share
from lifroles.errors import LifrolesError
from lifroles.sparse import SparseSequence
from lifroles.variant import Reset

Outputs = tuple[Any, ...]
"""o and u, and the last of u and of o. Where sums follow, something stands for o, and they and who fired come last."""
After = tuple[Tensor, Tensor | None]
"""Weights ``[C, N]`` and bias of the weighted sums that follow a layer."""
Outside = tuple[Tensor, Tensor | None]

_RESETS = {"none": _loops.NONE, "hard": _loops.HARD, "soft": _loops.SOFT}

CACHED = 128
"""Neurons up to which V lies in a core's own cache, so that its product is best taken sample by sample."""
MOST_FILLED = 1.25
"""Times a layer's own size up to which its potentials are filled up to whole blocks."""


class Rule:
    """What does not change along a sequence: reset, threshold and surrogate."""

    def __init__(self, reset: Reset, u_th: float, alpha: float, detach_reset: bool, fires: bool = True) -> None:
        self.reset = _RESETS[reset]
        self.u_th, self.alpha, self.half = u_th, alpha, 0.5 / alpha
        self.through_reset, self.fires = not detach_reset, fires


INTEGRATE = Rule("none", 1.0, 1.0, True, fires=False)
"""Units that never fire."""


def _last(rule: Rule, o: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    return _copied(o[-1]) if rule.fires else o.clone(), _copied(u[-1])


def _copied(last: Tensor) -> Tensor:
    """Return a copy: a state that is carried on must not hold the whole sequence in memory."""
    return _buffers.empty(last.shape, last.dtype).copy_(last)


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
    rows, stride = rows_of(x)
    lanes = c.numel()
    number = DTYPES[dtype]
    flat_u, flat_o = flattened(u), flattened(o)
    streamed = keep_u and is_streamed(flat_u, lanes) and (not rule.fires or is_streamed(flat_o, lanes))
    arguments = (
        rows, stride, flattened(c), coefficients_of(k, dtype), flat_u, lanes if keep_u else 0, flat_o,
        number(rule.u_th), rule.reset, rule.fires, streamed, steps,
    )  # fmt: skip
    share(lambda low, high: _loops.forward(*arguments, low, high), lanes_of(lanes, x.numel()))
    return o, u


def _outside_rows(outside: Outside) -> tuple[Array, int, Array, int]:
    """Return dL/do and dL/du with their distances from step to step."""
    go, gu = outside
    go_rows, go_stride = rows_of(go)
    gu_rows, gu_stride = (go_rows[:0], 0) if gu is None else rows_of(gu)
    return go_rows, go_stride, gu_rows, gu_stride


def _alone_backward(
    rule: Rule, u: Tensor, outside: Outside, k: float | Tensor, g: Tensor, wants_k: bool
) -> Tensor | None:
    """Write dL/du of all steps to ``g``; return dL/dk ``[N]`` if it is wanted."""
    (steps, batch, neurons), dtype = u.shape, u.dtype
    lanes = batch * neurons
    number = DTYPES[dtype]
    g_k, flat_g = np.zeros(lanes if wants_k else 0, number), flattened(g)
    arguments = (
        flattened(u), *_outside_rows(outside), coefficients_of(k, dtype), flat_g, g_k, number(rule.u_th),
        number(rule.alpha), number(rule.half), rule.reset, rule.fires, False, rule.through_reset,
        outside[1] is not None, wants_k, is_streamed(flat_g, lanes), steps, 0, steps, lanes,
    )  # fmt: skip
    share(lambda low, high: _loops.backward(*arguments, low, high), lanes_of(lanes, u.numel()))
    return torch.from_numpy(g_k).view(batch, neurons).sum(0, dtype=torch.float64).to(dtype) if wants_k else None


def alone(rule: Rule, x: Tensor, c: Tensor, k: float | Tensor, keep_u: bool) -> Outputs:
    """Return o and u of a layer without recurrence, ``[T, B, N]`` (u: if kept or needed), and the last of u and o."""
    if rule.fires and is_by_sample(x):
        return _by_rows(rule, None, x, None, None, c, k, None, None, keep_u)
    if torch.is_grad_enabled() and any(isinstance(v, Tensor) and v.requires_grad for v in (x, c, k)):
        return _Alone.apply(rule, x, c, k)
    with torch.no_grad():
        o, u = _alone_forward(rule, x, c, k, keep_u)
        return o, u, _copied(u[-1]) if keep_u else u[-1], _copied(o[-1]) if rule.fires else o


class _Rows(torch.autograd.Function):
    """All steps of a layer, sample by sample, and the weighted sums that follow it. Returns :data:`Outputs`."""

    @staticmethod
    def forward(
        ctx: Any, rule: Rule, events: SparseSequence | None, x: Tensor | None, weight: Tensor | None,
        bias: Tensor | None, c: Tensor, k: float | Tensor, v: Tensor | None, after: Tensor | None,
        after_bias: Tensor | None, keep_u: bool, learns: bool,
    ) -> Outputs:  # fmt: skip
        channel = None
        if events is not None and learns:
            width = WIDTH if v is None else -(-c.shape[1] // WIDTH) * WIDTH
            channel = ByChannel(events, values_of(events, c.dtype), width * c.dtype.itemsize, ctx.needs_input_grad[3])
        o, kept, u_last, o_last, fired = _rows_forward(
            rule, events, x, weight, bias, c, k, v, after is not None, keep_u, learns, channel
        )
        u = kept.u if keep_u else torch.empty(0, dtype=o.dtype)
        ctx.rule, ctx.fired, ctx.shape, ctx.by_sample = rule, fired, o.shape, is_by_sample(o)
        ctx.k = None if isinstance(k, Tensor) else k
        ctx.distances, ctx.channel = kept.distances, channel
        ctx.save_for_backward(kept.u, k if isinstance(k, Tensor) else None, v, after)
        ctx.set_materialize_grads(False)
        if fired is None:
            return o, u, u_last, o_last
        assert after is not None
        sums = _products.sums_of_fired(fired, after, after_bias)
        return o, u, u_last, o_last, sums, fired

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        go, gu, gu_last, go_last, *onward = gradients
        rule: Rule = ctx.rule
        u, k_tensor, v, after = ctx.saved_tensors
        outside = _from_outside(ctx.shape, u.dtype, (go, gu, go_last, gu_last))
        wants = ctx.needs_input_grad
        k = ctx.k if k_tensor is None else k_tensor
        if v is not None and ctx.shape[-1] > CACHED:
            g, g_k, g_v = _stepwise_backward(rule, u, outside, k, v, wants[6], wants[7])
            g_c = g[0] if wants[5] else None
            return None, None, g if wants[2] else None, None, None, g_c, g_k, g_v, None, None, None, None
        g_sums = onward[0] if onward else None
        slopes = None
        if g_sums is not None and (wants[8] or wants[9]):
            slopes = _products.FiredSlopes(ctx.fired, g_sums, after, np.zeros(0, DTYPES[u.dtype]))
        found = _rows_backward(
            rule, ctx.channel, Kept(u, *ctx.distances), ctx.by_sample, outside, k, v, wants[3], wants[5],
            wants[7], after, g_sums, slopes,
        )  # fmt: skip
        every = zip((*found, *(slopes.found() if slopes else (None, None))), wants[2:10], strict=True)
        return None, None, *(part if wanted else None for part, wanted in every), None, None


def _by_rows(
    rule: Rule, events: SparseSequence | None, x: Tensor | None, weight: Tensor | None, bias: Tensor | None, c: Tensor,
    k: float | Tensor, v: Tensor | None, after: After | None, keep_u: bool,
) -> Outputs:  # fmt: skip
    """Return :data:`Outputs` of a layer that is followed sample by sample; u is empty if not ``keep_u``."""
    inputs = (rule, events, x, weight, bias, c, k, v, *(after or (None, None)))
    learns = torch.is_grad_enabled() and any(isinstance(one, Tensor) and one.requires_grad for one in inputs)
    return _Rows.apply(*inputs, keep_u, learns)


def _rows_forward(
    rule: Rule, events: SparseSequence | None, x: Tensor | None, weight: Tensor | None, bias: Tensor | None, c: Tensor,
    k: float | Tensor, v: Tensor | None, notes: bool, keep_u: bool, learns: bool, channel: ByChannel | None,
) -> tuple[Tensor, Kept, Tensor, Tensor, Fired | None]:  # fmt: skip
    """Return o ``[T, B, N]``, u (empty if not kept and nothing learns), the last of both and, if asked, who fired.

    Where it is noted who fired, o is not written: one number stands for it.
    The events are sorted by ``channel`` on the way, last: threads that are done with the layer need not wait.
    """
    (batch, neurons), dtype = c.shape, c.dtype
    number = DTYPES[dtype]
    nothing = np.zeros(0, number)
    if events is not None and weight is not None:
        steps, _, inputs = events.shape
        source = (events.indptr, events.indices, values_of(events, dtype), as_blocks(weight))
        currents = (nothing, 0, 0)
        by_sample = True
    else:
        assert x is not None
        steps, inputs = x.shape[0], 0
        source = (np.zeros(1, np.int64), np.zeros(0, np.uint16), nothing, nothing)
        currents = strided(x)
        # Where the backward pass takes a matrix product a step, a step has to lie in one piece.
        by_sample = is_by_sample(x) and (v is None or neurons <= CACHED)
    shape = torch.Size((steps, batch, neurons))
    o = torch.empty((), dtype=dtype).expand(shape) if notes else empty(shape, dtype, by_sample)
    kept = _kept(steps, batch, neurons, dtype, by_sample, v, keep_u, learns)
    u_last, o_last = (_buffers.empty((batch, neurons), dtype) for _ in range(2))
    written = (nothing, 0, 0) if notes else strided(o)
    fired = Fired.room(steps, batch, neurons) if notes else None
    bits, words = (np.zeros(0, np.uint64), 0) if fired is None else (fired.bits, fired.words)
    before = (
        *currents, *source, padded(0.0 if bias is None else bias, neurons, dtype), *rows_of(c),
        padded(k, neurons, dtype),
    )  # fmt: skip
    arguments = (
        kept.flat, *kept.distances, kept.is_streamed, *written, flattened(u_last), flattened(o_last),
        bits.view(np.uint32), 2 * words, number(rule.u_th), rule.reset, events is not None, steps, neurons, inputs,
    )  # fmt: skip
    if v is None:
        pieces = blocks_and_samples(-(-neurons // WIDTH), batch, o.numel(), FINE)
        loop, arguments = _rows.forward, (*before, *arguments)
    else:
        pieces = ranges(batch, pieces_of(o.numel()))
        loop, arguments = _rows.forward_recurrent, (*before, *arguments, as_blocks(v))
    tasks: list[tuple[Any, ...]] = [(loop, *arguments, *piece) for piece in pieces]
    tasks += [] if channel is None else [(channel.work, *piece) for piece in channel.pieces]
    share(lambda do, *task: do(*task), tasks)
    return o, kept, u_last, o_last, fired


def _kept(
    steps: int, batch: int, neurons: int, dtype: torch.dtype, by_sample: bool, v: Tensor | None, keep_u: bool,
    learns: bool,
) -> Kept:  # fmt: skip
    """Return room for a layer's potentials, as those who read them want it."""
    if not (keep_u or learns):
        return Kept.shown(torch.empty((0, 0, 0), dtype=dtype))
    filled = -(-neurons // WIDTH) * WIDTH <= MOST_FILLED * neurons
    if keep_u or not filled or (v is not None and neurons > CACHED):
        return Kept.shown(empty((steps, batch, neurons), dtype, by_sample))
    return Kept.hidden(steps, batch, neurons, dtype, v is None)


def _rows_backward(
    rule: Rule, channel: ByChannel | None, kept: Kept, by_sample: bool, outside: Outside, k: float | Tensor,
    v: Tensor | None, wants_weight: bool, wants_c: bool, wants_v: bool, after: Tensor | None, g_sums: Tensor | None,
    slopes: _products.FiredSlopes | None,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """Return dL/dx, dL/dW, dL/db, dL/dc, dL/dk and dL/dV; ``None`` for what there is not or is not wanted.

    Events drove the layer if there is a ``channel``.
    What the sums that follow add to dL/do, ``afterᵀ · g_sums``, is never written. The work for their own ``slopes`` is
    done on the way, last: threads that are done with the layer need not wait.
    """
    shape, dtype = outside[0].shape, kept.u.dtype
    steps, batch, neurons = shape
    number = DTYPES[dtype]
    blocks = -(-neurons // WIDTH)
    nothing = np.zeros(0, number)
    inputs, group, groups = 0, 1, batch
    starts, rows, values = np.zeros(0, np.int64), np.zeros(0, np.int32), nothing
    if channel is not None:
        starts, rows, values, inputs, group, groups = (
            channel.starts, channel.rows, channel.values, channel.inputs, channel.group, channel.groups,
        )  # fmt: skip
    size = shape.numel()
    pieces = blocks_and_samples(blocks, groups, size) if v is None else ranges(groups, pieces_of(size))
    # Pieces that meet the same neurons add to sums of their own.
    parts = len(pieces) // (blocks if v is None else 1)
    g = empty(shape, dtype, by_sample) if channel is None else None
    g_c = _buffers.empty((batch, neurons) if wants_c else (0,), dtype)
    g_k, g_bias = (room(parts, blocks * WIDTH, dtype) for _ in range(2))
    g_weight = Slopes(parts, neurons, inputs, dtype, wants_weight)
    g_v = Slopes(parts, neurons, neurons, dtype, wants_v)
    across = nothing if v is None else as_blocks(v, transposed=True)
    onward, flat_sums, outputs = nothing, nothing, 0
    if g_sums is not None:
        assert after is not None
        onward, flat_sums, outputs = as_blocks(after, transposed=True), flattened(g_sums), after.shape[0]
    written, flat_c = (nothing, 0, 0) if g is None else strided(g), flattened(g_c)
    go, gu = outside
    arriving = *strided(go), *((nothing, 0, 0) if gu is None else strided(gu))
    flat_u, coefficients = kept.flat, padded(k, neurons, dtype)

    def work(part: int, *piece: int) -> None:
        arriving_at = (flat_u, *kept.distances, *arriving, coefficients)
        following = (onward, flat_sums, *written, flat_c, g_k[part])
        from_events = (starts, rows, values, g_weight.packed[part], g_bias[part])
        rest = (
            number(rule.u_th), number(rule.alpha), number(rule.half), rule.reset, rule.through_reset, gu is not None,
            channel is not None, steps, batch, neurons, inputs, outputs, group, *piece,
        )  # fmt: skip
        if v is None:
            _rows.backward(*arriving_at, *following, *from_events, *rest)
            g_weight.written(piece[0], piece[0] + 1)
        else:
            _rows.backward_recurrent(*arriving_at, across, *following, g_v.packed[part], *from_events, *rest)
            g_weight.written(0, blocks)
            g_v.written(0, blocks)

    tasks: list[tuple[Any, ...]] = [(work, i % parts, *piece) for i, piece in enumerate(pieces)]
    tasks += [] if slopes is None else [(slopes.work, *piece) for piece in slopes.pieces]
    share(lambda do, *task: do(*task), tasks)
    return (
        g,
        g_weight.matrix(),
        torch.from_numpy(g_bias.sum(0))[:neurons],
        g_c,
        torch.from_numpy(g_k.sum(0))[:neurons],
        g_v.matrix(),
    )


def _stepwise_backward(
    rule: Rule, u: Tensor, outside: Outside, k: float | Tensor, v: Tensor, wants_k: bool,
    wants_v: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:  # fmt: skip
    """Return dL/dx, dL/dk and dL/dV of a recurrent layer that is wide: one matrix product a step."""
    (steps, batch, neurons), dtype = u.shape, u.dtype
    lanes = batch * neurons
    number = DTYPES[dtype]
    g = _buffers.empty(u.shape, dtype)
    g_k = np.zeros(lanes if wants_k else 0, number)
    flat_u, flat_g, coefficients, cuts = flattened(u), flattened(g), coefficients_of(k, dtype), lanes_of(lanes, lanes)
    arriving = _outside_rows(outside)

    def work(t: int, low: int, high: int) -> None:
        _loops.backward(
            flat_u, *arriving, coefficients, flat_g, g_k, number(rule.u_th), number(rule.alpha), number(rule.half),
            rule.reset, True, True, rule.through_reset, outside[1] is not None, wants_k, False, steps, t, t + 1, lanes,
            low, high,
        )  # fmt: skip

    weight = v.detach()
    for t in range(steps - 1, -1, -1):
        if t < steps - 1:
            torch.mm(g[t + 1], weight, out=g[t])
        share(work, [(t, low, high) for low, high in cuts])
    slope_k = torch.from_numpy(g_k).view(batch, neurons).sum(0, dtype=torch.float64).to(dtype) if wants_k else None
    slope_v = None
    if wants_v:
        before = (u[:-1] >= rule.u_th).to(dtype)
        slope_v = torch.mm(g[1:].reshape(-1, neurons).t(), before.reshape(-1, neurons))
    return g, slope_k, slope_v


def recurrent(rule: Rule, x: Tensor, c: Tensor, k: float | Tensor, v: Tensor, keep_u: bool) -> Outputs:
    """Return o and u of a layer with recurrence, ``[T, B, N]`` (u: if kept), and the last of u and o."""
    return _by_rows(rule, None, x, None, None, c, k, v, None, keep_u)


def driven(
    rule: Rule, events: SparseSequence, weight: Tensor, bias: Tensor | None, c: Tensor, k: float | Tensor,
    v: Tensor | None, after: After | None, keep_u: bool,
) -> Outputs:  # fmt: skip
    """Return :data:`Outputs` of a layer that events drive (u: if kept)."""
    return _by_rows(rule, events, None, weight, bias, c, k, v, after, keep_u)
