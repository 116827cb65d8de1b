"""The fewest flips in a given order: by the gradient, or by chance."""

from __future__ import annotations

import torch
from torch import Tensor

from lifroles.attacks.liang import generator
from lifroles.attacks.outcome import Outcome
from lifroles.attacks.victim import Victim, require_binary


def gains(x: Tensor, gradient: Tensor) -> Tensor:
    """Return what flipping each entry adds to the loss to first order, ``[T, B, N]``."""
    return gradient * (1 - 2 * x)


def flipped(x: Tensor, order: Tensor, count: Tensor) -> Tensor:
    """Return ``x`` ``[T, B, N]`` with the first ``count`` ``[B]`` of the entries ``order`` ``[B, K]`` flipped."""
    steps, batch, channels = x.shape
    flat = x.transpose(0, 1).reshape(batch, steps * channels)
    chosen = torch.arange(order.shape[1]) < count[:, None]
    values = flat.gather(1, order)
    flat = flat.scatter(1, order, torch.where(chosen, 1 - values, values))
    return flat.view(batch, steps, channels).transpose(0, 1)


def fewest(victim: Victim, x: Tensor, labels: Tensor, order: Tensor, usable: Tensor | None = None) -> Outcome:
    """Flip the entries of each sample in order until the network is fooled; then find a smaller number by bisection.

    The number is doubled until it does, and the bisection goes on between the last that did not and the first that did:
    no smaller prefix was seen to fool the network, though one may, since more flips need not be better.

    Arguments:
        victim: the network.
        x: binary input ``[T, B, N]``.
        labels: the right classes ``[B]``.
        order: entries ``t · N + n`` in the order of their flips, ``[B, K]``.
        usable: how many of them may be flipped, ``[B]``; K by default.
    """
    batch, length = order.shape
    usable = torch.full((batch,), length) if usable is None else usable
    low = torch.zeros(batch, dtype=torch.long)  # does not fool, or was fooled without a flip
    high = torch.ones(batch, dtype=torch.long).minimum(usable)
    iterations = torch.zeros(batch, dtype=torch.long)
    success = victim.fooled(x, labels)
    high[success] = 0
    searching = ~success & (usable > 0)
    while searching.any():
        at = searching.nonzero()[:, 0]
        won = victim.fooled(flipped(x[:, at], order[at], high[at]), labels[at])
        iterations[at] += 1
        success[at[won]] = True
        lost = at[~won]
        searching[at[won]] = False
        searching[lost[high[lost] >= usable[lost]]] = False
        low[lost] = high[lost]
        high[lost] = (2 * high[lost]).minimum(usable[lost])
    while (narrowing := success & (high - low > 1)).any():
        at = narrowing.nonzero()[:, 0]
        middle = (low[at] + high[at]) // 2
        won = victim.fooled(flipped(x[:, at], order[at], middle), labels[at])
        iterations[at] += 1
        high[at[won]] = middle[won]
        low[at[~won]] = middle[~won]
    adversarial = flipped(x, order, high)
    return Outcome(x, adversarial, success, iterations, torch.zeros(batch, dtype=torch.long))


def by_gradient(victim: Victim, x: Tensor, labels: Tensor, *, step: int = 8, most: int = 4096) -> Outcome:
    """Flip the entries that raise the loss most, a few at a time, until the network is fooled, and no more than needed.

    The gradient is taken again before each step; no entry flips twice. Of the last step, bisection keeps the fewest
    flips that do. A far finer attack than Liang's, which flips hundreds of entries at once; a sample without a gradient
    fails, and ``vanished`` counts it.

    Arguments:
        victim: the network.
        x: binary input ``[T, B, N]``.
        labels: the right classes ``[B]``.
        step: flips at a time at first; an eighth of those so far, once that is more.
        most: flips after which a sample counts as a failure.

    Raises:
        SpecError: the input is not binary.
    """
    require_binary(x)
    steps, batch, channels = x.shape
    now = x.clone()
    success = victim.fooled(x, labels)
    iterations = torch.zeros(batch, dtype=torch.long)
    vanished = torch.zeros(batch, dtype=torch.long)
    active = (~success).nonzero()[:, 0]
    flips = 0
    while len(active) and flips < most:
        here = now[:, active]
        gradient = victim.gradient(here, labels[active])
        gain = gains(here, gradient).masked_fill(here != x[:, active], 0)
        count = min(max(step, flips // 8), most - flips)
        top = gain.transpose(0, 1).reshape(len(active), steps * channels).topk(min(count, steps * channels), dim=1)
        usable = (top.values > 0).sum(1)
        moved = flipped(here, top.indices, usable)
        won = victim.fooled(moved, labels[active])
        iterations[active] += 1
        vanished[active] += (gradient.abs().amax((0, 2)) == 0).long()
        now[:, active] = moved
        if won.any():
            last = fewest(victim, here[:, won], labels[active[won]], top.indices[won], usable[won])
            now[:, active[won]] = last.adversarial
        success[active[won]] = True
        active = active[~won & (usable > 0)]
        flips += count
    return Outcome(x, now, success, iterations, vanished)


def by_chance(victim: Victim, x: Tensor, labels: Tensor, *, seed: int = 0, samples: Tensor | None = None) -> Outcome:
    """Flip entries in a random order, as few as fool the network: what flips cost that know nothing of it.

    Arguments:
        victim: the network.
        x: binary input ``[T, B, N]``.
        labels: the right classes ``[B]``.
        seed, samples: of the order, see :func:`~lifroles.attacks.liang.liang`.

    Raises:
        SpecError: the input is not binary.
    """
    require_binary(x)
    steps, batch, channels = x.shape
    return fewest(victim, x, labels, random_order(batch, steps * channels, seed, samples))


def random_order(batch: int, size: int, seed: int, samples: Tensor | None = None) -> Tensor:
    """Return a permutation of 0 ... size - 1 for each sample, ``[B, size]``."""
    names = torch.arange(batch) if samples is None else samples
    return torch.stack([torch.from_numpy(generator(seed, int(name)).permutation(size)) for name in names])
