"""A black-box attack: from another class's recording back towards the sample, by decisions alone."""

from __future__ import annotations

import torch
from torch import Tensor

from lifroles.attacks.liang import draws
from lifroles.attacks.outcome import Outcome
from lifroles.attacks.victim import Victim, require_binary
from lifroles.errors import SpecError


def shrink(
    victim: Victim,
    x: Tensor,
    labels: Tensor,
    start: Tensor,
    *,
    queries: int = 500,
    seed: int = 0,
    samples: Tensor | None = None,
) -> Outcome:
    """Take back random flips of an adversarial input for as long as the network stays fooled.

    No gradient is used, so none can be masked: where this needs fewer flips than a white-box attack, that attack was
    weak. Each query takes back a share of the remaining flips, a half at first; the share grows after a success
    and shrinks after a failure, down to single flips.

    Arguments:
        victim: the network.
        x: binary input ``[T, B, N]``.
        labels: the right classes ``[B]``.
        start: inputs that fool the network ``[T, B, N]``: recordings of another class, or what another attack found.
            Samples that do not fool it count as failures.
        queries: decisions asked for.
        seed, samples: of the random numbers, see :func:`~lifroles.attacks.liang.liang`.

    Raises:
        SpecError: an input is not binary, or the shapes differ.
    """
    require_binary(x)
    require_binary(start)
    if x.shape != start.shape:
        raise SpecError(f"start has shape {list(start.shape)} and the input {list(x.shape)}: give equal ones.")
    steps, batch, channels = x.shape
    names = torch.arange(batch) if samples is None else samples
    now = start.clone()
    success = victim.fooled(now, labels)
    asked = torch.zeros(batch, dtype=torch.long)
    share = torch.full((batch,), 0.5)
    for query in range(queries):
        flips = (now != x).sum((0, 2))
        active = (success & (flips > 1)).nonzero()[:, 0]
        if not len(active):
            break
        mine, here = x[:, active], now[:, active]
        different = mine != here
        chance = torch.stack(
            [draws(seed, int(name), query, steps * channels).view(steps, channels) for name in names[active]], 1
        )
        # The flips with the smallest numbers go back: as many as the share says, one at least.
        chance = chance.where(different, torch.full_like(chance, 2.0))
        count = (share[active] * flips[active]).long().clamp(min=1)
        ranked = chance.transpose(0, 1).reshape(len(active), -1).sort(1).values
        limit = ranked.gather(1, count[:, None] - 1)
        tried = torch.where(chance <= limit.view(1, -1, 1), mine, here)
        won = victim.fooled(tried, labels[active])
        now[:, active[won]] = tried[:, won]
        share[active] = torch.where(won, (share[active] * 1.5).clamp(max=0.5), share[active] * 0.7)
        asked[active] += 1
    return Outcome(x, now, success, asked, torch.zeros(batch, dtype=torch.long))
