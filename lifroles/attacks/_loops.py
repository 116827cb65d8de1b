"""The loops of :mod:`lifroles.attacks.liang`: one pass over the gradient for its maximum, one for the flips."""

from __future__ import annotations

from typing import Any

from lifroles.compiled import compiled


@compiled
def largest(bits: Any, magnitude: Any, top: Any) -> None:
    """Write the largest magnitude of each sample's gradient to ``top`` ``[B]``, as the bits of a float.

    Without their sign, floats are ordered as the integers of their bits are, and a maximum of integers is vectorised.
    A gradient that is no number counts as larger than all others.

    Arguments:
        bits: the gradient's bits ``[T, B, N]``.
        magnitude: all bits but that of the sign.
    """
    steps, batch, channels = bits.shape
    for t in range(steps):
        for b in range(batch):
            row = bits[t, b]
            high = top[b]
            for n in range(channels):
                size = row[n] & magnitude
                high = size if size > high else high
            top[b] = high


@compiled
def flip(
    x: Any, sample: int, gradient: Any, place: int, largest: Any, chance: Any, scale: Any, toward: Any, gamma: Any
) -> None:
    """Make one step of the attack on one sample of ``x``, in place.

    An entry of the gradient ``g`` is kept where its random number lies below ``scale · |g| / largest``, and the spike
    moves by its sign, within 0 and 1. Without a gradient (``largest`` is 0) an entry flips where it lies below
    ``gamma``.

    Arguments:
        x: binary ``[T, B, N]``.
        sample: which of them.
        gradient: ``[T, B', N]``, of the samples that are still under attack.
        place: where the sample's stands among these.
        largest: its largest magnitude.
        chance: numbers from U(0, 1), ``[T, N]``.
        toward: 1 to raise the loss, -1 to lower it.
    """
    steps, _, channels = x.shape
    zero, one = x.dtype.type(0), x.dtype.type(1)
    if largest == 0:
        for t in range(steps):
            row, drawn = x[t, sample], chance[t]
            for n in range(channels):
                row[n] = one - row[n] if drawn[n] < gamma else row[n]
        return
    for t in range(steps):
        row, slope, drawn = x[t, sample], gradient[t, place], chance[t]
        for n in range(channels):
            up = toward * slope[n]
            spike = one if up > 0 else zero
            # A kept entry of either sign sets the spike; one of 0 or without number is never kept.
            row[n] = spike if drawn[n] < scale * abs(up) / largest else row[n]
