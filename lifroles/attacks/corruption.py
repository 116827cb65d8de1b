"""What nature does to events: noise, losses, jitter in time, shifts in space."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lifroles.errors import SpecError

KINDS = ("noise", "drop", "jitter", "shift")


def corrupt(kind: str, x: Tensor, strength: float, rng: np.random.Generator, side: int = 34) -> Tensor:
    """Return corrupted events ``[T, B, N]``, 0 or 1.

    Arguments:
        kind: ``"noise"``: an event appears at each empty entry with probability ``strength``; ``"drop"``: each event
            is lost with that probability; ``"jitter"``: each event moves by a number of steps drawn from a normal
            distribution of that standard deviation (steps) and rounded, and those that leave the recording are lost;
            ``"shift"``: all events of a sample move by that many pixels in one of the four directions.
        x: binary events ``[T, B, N]``; N is polarity, row, column of ``side`` × ``side`` pixels for a shift.
        rng: where the random numbers come from.
        side: pixels of an edge.

    Raises:
        SpecError: there is no such corruption, or its strength is out of range.
    """
    top = 1.0 if kind in ("noise", "drop") else float("inf")
    if kind not in KINDS or not 0 <= strength <= top:
        raise SpecError(f"corruption {kind!r} of strength {strength}: give one of {', '.join(KINDS)} and 0 or more.")
    if kind == "noise":
        return torch.maximum(x, _below(strength, x, rng))
    if kind == "drop":
        return x * (1 - _below(strength, x, rng))
    if kind == "jitter":
        return _jitter(x, strength, rng)
    return _shift(x, strength, rng, side)


def _below(probability: float, x: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.random(tuple(x.shape), dtype=np.float32) < probability).to(x.dtype)


def _jitter(x: Tensor, deviation: float, rng: np.random.Generator) -> Tensor:
    at = x.nonzero()
    moved = at[:, 0] + torch.from_numpy(np.rint(rng.normal(0, deviation, len(at))).astype(np.int64))
    inside = (moved >= 0) & (moved < x.shape[0])
    out = torch.zeros_like(x)
    out[moved[inside], at[inside, 1], at[inside, 2]] = 1
    return out


def _shift(x: Tensor, pixels: float, rng: np.random.Generator, side: int) -> Tensor:
    if pixels != int(pixels):
        raise SpecError(f"a shift of {pixels} pixels: give a whole number.")
    steps, batch, channels = x.shape
    if channels % (side * side):
        raise SpecError(f"{channels} channels are not polarities of {side} × {side} pixels: give their side.")
    frames = x.view(steps, batch, -1, side, side)
    out = torch.zeros_like(frames)
    by, edge = int(pixels), side - int(pixels)
    if edge <= 0:
        return out.view_as(x)
    directions = torch.from_numpy(rng.integers(0, 4, batch))
    for direction, (target, origin) in enumerate(
        [
            ((slice(by, None), slice(None)), (slice(None, edge), slice(None))),
            ((slice(None, edge), slice(None)), (slice(by, None), slice(None))),
            ((slice(None), slice(by, None)), (slice(None), slice(None, edge))),
            ((slice(None), slice(None, edge)), (slice(None), slice(by, None))),
        ]
    ):
        mine = directions == direction
        moved = torch.zeros_like(frames[:, mine])
        moved[..., target[0], target[1]] = frames[:, mine][..., origin[0], origin[1]]
        out[:, mine] = moved
    return out.view_as(x)
