"""The attack of Liang et al. (2021), as section 4.3 uses it: gradients turned into flips of spikes by chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifroles.attacks import _loops
from lifroles.attacks.outcome import Outcome
from lifroles.attacks.victim import Victim, require_binary
from lifroles.errors import SpecError

Array = np.ndarray[Any, Any]

GAMMA = 0.05
"""Share of entries that the restricted spike flipper flips (code of Liang et al. 2021)."""


def generator(seed: int, *of: int) -> np.random.Generator:
    """Return random numbers that depend on the arguments alone, so on no other sample of a batch."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy=seed, spawn_key=of)))


def advance(
    x: Tensor,
    active: Tensor,
    gradient: Tensor,
    chance: Callable[[int], Array],
    *,
    toward: int,
    scale: float,
    gamma: float,
) -> Tensor:
    """Make one step of the attack in place; return which samples found no gradient, as many as are active.

    The gradient-to-spike converter keeps an entry with probability ``scale · |g| / max |g|``, the maximum taken in its
    sample; a spike moves by the sign of what is kept, and what leaves {0, 1} is clipped. Where a sample's gradient is
    zero everywhere, the restricted spike flipper flips each of its entries with probability ``gamma``.

    Arguments:
        x: binary ``[T, B, N]``, contiguous.
        active: numbers of the samples under attack, ``[B']``.
        gradient: theirs, ``[T, B', N]``, of the same type.
        chance: returns the numbers from U(0, 1) of the sample at a place in ``active``, float32 ``[T, N]``.
        toward: 1 to raise the loss whose gradient this is, -1 to lower it.
    """
    values, slopes = x.numpy(), gradient.contiguous().numpy()
    real = slopes.dtype.type
    whole = np.dtype(f"i{slopes.itemsize}")
    top = np.zeros(len(active), whole)
    _loops.largest(slopes.view(whole), whole.type(np.iinfo(whole).max), top)
    highest = top.view(real)
    for place, sample in enumerate(active.tolist()):
        _loops.flip(
            values, sample, slopes, place, highest[place], chance(place), real(scale), real(toward), np.float32(gamma)
        )
    return torch.from_numpy(highest == 0)


def liang(
    victim: Victim,
    x: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    seed: int = 0,
    samples: Tensor | None = None,
    cap: int = 200,
    scale: float = 1.0,
    gamma: float = GAMMA,
) -> Outcome:
    """Attack every sample until it fools the network; the gradient is taken again at each iteration.

    :func:`advance` makes the step.

    Arguments:
        victim: the network.
        x: binary input ``[T, B, N]``.
        labels: the right classes ``[B]``; the attack leads away from them.
        targets: classes ``[B]`` to lead to instead.
        seed: of the random numbers.
        samples: a number for each sample ``[B]`` that its random numbers belong to; 0 ... B - 1 by default.
        cap: iterations after which a sample counts as a failure.
        scale: factor of the converter's probabilities; smaller ones make finer steps.
        gamma: the flipper's probability.

    Raises:
        SpecError: the input is not binary, or a number is out of range.
    """
    require_binary(x)
    if cap < 1 or not (math.isfinite(scale) and scale > 0) or not 0 < gamma <= 1:
        raise SpecError(f"cap is {cap}, scale {scale}, gamma {gamma}: give cap >= 1, scale > 0 and gamma in (0, 1].")
    steps, batch, channels = x.shape
    names = torch.arange(batch) if samples is None else samples
    adversarial = x.detach().clone(memory_format=torch.contiguous_format)
    iterations = torch.zeros(batch, dtype=torch.long)
    vanished = torch.zeros(batch, dtype=torch.long)
    success = victim.fooled(x, labels, targets)
    numbers = np.empty((steps, channels), np.float32)
    for iteration in range(cap):
        active = (~success).nonzero()[:, 0]
        if not len(active):
            break
        aim = None if targets is None else targets[active]
        gradient = victim.gradient(adversarial[:, active], labels[active] if aim is None else aim)
        called = names[active].tolist()

        def chance(place: int, iteration: int = iteration, called: list[int] = called) -> Array:
            return generator(seed, called[place], iteration).random(out=numbers, dtype=np.float32)

        gone = advance(adversarial, active, gradient, chance, toward=1 if aim is None else -1, scale=scale, gamma=gamma)
        iterations[active] += 1
        vanished[active] += gone.long()
        success[active] = victim.fooled(adversarial[:, active], labels[active], aim)
    return Outcome(x, adversarial, success, iterations, vanished)
