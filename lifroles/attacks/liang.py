"""The attack of Liang et al. (2021), as section 4.3 uses it: gradients turned into flips of spikes by chance."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lifroles.attacks.outcome import Outcome
from lifroles.attacks.victim import Victim, require_binary
from lifroles.errors import SpecError

GAMMA = 0.05
"""Share of entries that the restricted spike flipper flips (code of Liang et al. 2021)."""


def generator(seed: int, *of: int) -> np.random.Generator:
    """Return random numbers that depend on the arguments alone, so on no other sample of a batch."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy=seed, spawn_key=of)))


def draws(seed: int, sample: int, iteration: int, size: int) -> Tensor:
    """Return ``[size]`` numbers from U(0, 1) for an iteration of the attack on a sample."""
    return torch.from_numpy(generator(seed, sample, iteration).random(size, dtype=np.float32))


def spikes_from_gradient(gradient: Tensor, chance: Tensor, scale: float = 1.0) -> Tensor:
    """Return the step of the gradient-to-spike converter: -1, 0 or 1 for each entry, ``[T, B, N]``.

    An entry is kept with probability ``scale · |g| / max |g|``, the maximum taken in its sample; a step is its sign.

    Arguments:
        gradient: ``[T, B, N]``.
        chance: numbers from U(0, 1), ``[T, B, N]``.
    """
    size = gradient.abs()
    largest = size.amax((0, 2), keepdim=True)
    keep = chance < scale * size / largest.where(largest > 0, torch.ones_like(largest))
    return gradient.sign() * keep


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

    Where the gradient is not zero everywhere, the gradient-to-spike converter makes the step, and what leaves {0, 1} is
    clipped; where it is, the restricted spike flipper flips each entry with probability ``gamma``.

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
    adversarial = x.clone()
    iterations = torch.zeros(batch, dtype=torch.long)
    vanished = torch.zeros(batch, dtype=torch.long)
    success = victim.fooled(x, labels, targets)
    for iteration in range(cap):
        active = (~success).nonzero()[:, 0]
        if not len(active):
            break
        now = adversarial[:, active]
        aim = labels[active] if targets is None else targets[active]
        gradient = victim.gradient(now, aim)
        chance = torch.stack(
            [draws(seed, int(name), iteration, steps * channels).view(steps, channels) for name in names[active]], 1
        )
        away = spikes_from_gradient(gradient if targets is None else -gradient, chance, scale)
        gone = gradient.abs().amax((0, 2)) == 0
        stepped = (now + away).clamp(0, 1)
        flipped = torch.where(chance < gamma, 1 - now, now)
        now = torch.where(gone[None, :, None], flipped, stepped)
        adversarial[:, active] = now
        iterations[active] += 1
        vanished[active] += gone.long()
        success[active] = victim.fooled(now, labels[active], None if targets is None else targets[active])
    return Outcome(x, adversarial, success, iterations, vanished)
