"""Weighted sums of events and of spikes on the ``cpu`` backend, as operations that autograd can differentiate."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lifroles.backends import _buffers, _sums
from lifroles.backends._lanes import WIDTH
from lifroles.backends._layout import (
    DTYPES,
    FINE,
    Array,
    ByChannel,
    Fired,
    Slopes,
    as_blocks,
    blocks_and_samples,
    empty,
    flattened,
    is_by_sample,
    is_streamed,
    padded,
    pieces_of,
    ranges,
    room,
    rows_of,
    samples_of,
    strided,
    values_of,
)
from lifroles.compiled import share
from lifroles.errors import LifrolesError
from lifroles.sparse import SparseSequence


class _Product(torch.autograd.Function):
    """The weighted sums of a sequence of events, ``[T, B, N]``."""

    @staticmethod
    def forward(ctx: Any, events: SparseSequence, weight: Tensor, bias: Tensor | None) -> Tensor:
        (steps, batch, inputs), neurons, dtype = events.shape, weight.shape[0], weight.dtype
        out = _buffers.empty((steps, batch, neurons), dtype)
        packed, values = as_blocks(weight), values_of(events, dtype)
        start, flat = padded(0.0 if bias is None else bias, neurons, dtype), flattened(out)

        def work(block: int, low: int, high: int) -> None:
            _sums.product(
                events.indptr, events.indices, values, packed, start, flat, DTYPES[dtype](0), steps, batch, neurons,
                inputs, block, low, high,
            )  # fmt: skip

        share(work, blocks_and_samples(-(-neurons // WIDTH), batch, out.numel(), FINE))
        ctx.events, ctx.dtype, ctx.neurons = events, dtype, neurons
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise LifrolesError("the cpu backend has no second derivative: give backend='reference'.")
        events: SparseSequence = ctx.events
        (steps, batch, inputs), neurons, dtype = events.shape, ctx.neurons, ctx.dtype
        blocks = -(-neurons // WIDTH)
        channel = ByChannel(events, values_of(events, dtype), WIDTH * dtype.itemsize)
        share(channel.work, channel.pieces)
        pieces = blocks_and_samples(blocks, channel.groups, steps * batch * neurons)
        parts = len(pieces) // blocks
        slopes = Slopes(parts, neurons, inputs, dtype)
        g_bias = room(parts, blocks * WIDTH, dtype)
        rows, stride = rows_of(gradients[0])

        def work(part: int, block: int, low: int, high: int) -> None:
            _sums.product_backward(
                rows, stride, channel.starts, channel.rows, channel.values, slopes.packed[part], g_bias[part],
                DTYPES[dtype](0), steps, batch, neurons, inputs, channel.group, block, low, high,
            )  # fmt: skip
            slopes.written(block, block + 1)

        share(work, [(i % parts, *piece) for i, piece in enumerate(pieces)])
        return (
            None,
            slopes.matrix() if ctx.needs_input_grad[1] else None,
            torch.from_numpy(g_bias.sum(0))[:neurons] if ctx.needs_input_grad[2] else None,
        )


def product(events: SparseSequence, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weighted sums of a sequence of events, ``[T, B, N]``."""
    return _Product.apply(events, weight, bias)


def sums_of_fired(fired: Fired, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weighted sums ``[T, B, C]`` of the neurons that fired."""
    (outputs, inputs), dtype = weight.shape, weight.dtype
    bits, words, steps, batch = fired
    out = _buffers.empty((steps, batch, outputs), dtype)
    arguments = (
        bits, words, as_blocks(weight), padded(0.0 if bias is None else bias, outputs, dtype), flattened(out), steps,
        batch, inputs, outputs,
    )  # fmt: skip
    cuts = ranges(batch, pieces_of(steps * batch * inputs))
    share(lambda low, high: _sums.spikes_product(*arguments, low, high), cuts)
    return out


class _Spikes(torch.autograd.Function):
    """The spikes ``[T, B, N]`` of a layer that noted who fired; in the graph they stand where ``stand_in`` does."""

    @staticmethod
    def forward(ctx: Any, stand_in: Tensor, fired: Fired) -> Tensor:
        (steps, batch, neurons), dtype = stand_in.shape, stand_in.dtype
        o = empty(stand_in.shape, dtype, True)
        flat = strided(o)[0]
        arguments = (fired.bits.view(np.uint32), 2 * fired.words, flat, is_streamed(flat, neurons), neurons)
        share(lambda low, high: _sums.spikes(*arguments, low, high), ranges(steps * batch, pieces_of(o.numel())))
        return o

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return gradients[0], None


def spikes_of(stand_in: Tensor, fired: Fired) -> Tensor:
    """Return the spikes ``[T, B, N]`` of a layer that noted who fired.

    Arguments:
        stand_in: what the layer returned in their place: gradients flow back through it, whoever asks when.
        fired: who fired.
    """
    with torch.inference_mode(False), torch.set_grad_enabled(stand_in.requires_grad):
        return _Spikes.apply(stand_in, fired)


class FiredSlopes:
    """dL/dW and dL/db of :func:`sums_of_fired`, and dL/do, in pieces of work for :func:`~lifroles.compiled.share`.

    Arguments:
        fired: the neurons that fired.
        gradient: dL/d(sums), ``[T, B, C]``.
        weight: ``[C, N]``.
        g_o: dL/do, ``[B, T, N]``, flat, to be written (empty: not wanted).
    """

    def __init__(self, fired: Fired, gradient: Tensor, weight: Tensor, g_o: Array) -> None:
        (outputs, inputs), dtype = weight.shape, weight.dtype
        bits, words, steps, batch = fired
        cuts = ranges(batch, pieces_of(steps * batch * inputs))
        self.pieces = [(part, low, high) for part, (low, high) in enumerate(cuts)]
        self._weight = Slopes(len(cuts), outputs, inputs, dtype)
        self._bias = room(len(cuts), -(-outputs // WIDTH) * WIDTH, dtype)
        onward = as_blocks(weight, transposed=True) if g_o.size else g_o
        self._before = (bits, words, flattened(gradient), onward, g_o)
        self._after = (is_streamed(g_o, inputs), steps, batch, inputs, outputs)

    def work(self, part: int, low: int, high: int) -> None:
        """Do one of the pieces."""
        slopes = self._weight.packed[part], self._bias[part]
        _sums.spikes_product_backward(*self._before, *slopes, *self._after, low, high)
        self._weight.written(0, self._bias.shape[1] // WIDTH)

    def found(self) -> tuple[Tensor, Tensor]:
        """Return dL/dW and dL/db, once all pieces are done."""
        matrix = self._weight.matrix()
        assert matrix is not None
        return matrix, torch.from_numpy(self._bias.sum(0))[: matrix.shape[0]]


class _SpikesProduct(torch.autograd.Function):
    """The weighted sums of a layer's spikes, ``[T, B, C]``."""

    @staticmethod
    def forward(ctx: Any, o: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows, steps, batch = samples_of(o)
        inputs = o.shape[-1]
        fired = Fired.room(steps, batch, inputs)
        halves = fired.bits.view(np.uint32)
        share(
            lambda low, high: _sums.note(rows, halves, 2 * fired.words, inputs, low, high),
            ranges(steps * batch, pieces_of(o.numel())),
        )
        ctx.fired, ctx.shape, ctx.by_sample = fired, o.shape, is_by_sample(o)
        ctx.save_for_backward(weight)
        return sums_of_fired(fired, weight, bias).view(*o.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise LifrolesError("the cpu backend has no second derivative: give backend='reference'.")
        (weight,) = ctx.saved_tensors
        wants_o, wants_weight, wants_bias = ctx.needs_input_grad
        g_o = empty(ctx.shape, weight.dtype, ctx.by_sample) if wants_o else None
        flat = np.zeros(0, DTYPES[weight.dtype]) if g_o is None else samples_of(g_o)[0]
        slopes = FiredSlopes(ctx.fired, gradients[0], weight, flat)
        share(slopes.work, slopes.pieces)
        g_weight, g_bias = slopes.found()
        return g_o, g_weight if wants_weight else None, g_bias if wants_bias else None


def spikes_product(o: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weighted sums of a layer's spikes, ``[T, B, C]``."""
    return _SpikesProduct.apply(o, weight, bias)


def linear(o: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the weighted sums of any sequence, ``[T, B, N]``, laid out as it is."""
    if is_by_sample(o):
        return F.linear(o.transpose(0, 1), weight, bias).transpose(0, 1)
    return F.linear(o, weight, bias)
