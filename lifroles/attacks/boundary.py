"""A black-box attack: from another class's recording back towards the sample, by decisions alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lifroles.attacks.liang import generator
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
    batch = x.shape[1]
    names = torch.arange(batch) if samples is None else samples
    success = victim.fooled(start, labels)
    # Samples in rows, entries t · N + n in columns.
    own, now = (one.transpose(0, 1).flatten(1).clone() for one in (x, start))
    left = [row.nonzero()[:, 0].numpy() for row in now != own]
    rngs = [generator(seed, int(name)) for name in names]
    share = np.full(batch, 0.5)
    asked = torch.zeros(batch, dtype=torch.long)
    for _ in range(queries):
        active = [b for b in range(batch) if success[b] and len(left[b]) > 1]
        if not active:
            break
        kept = []
        tried = now[active]
        for row, b in enumerate(active):
            order = rngs[b].permutation(left[b])
            back = max(1, int(share[b] * len(order)))
            tried[row, order[:back]] = own[b, order[:back]]
            kept.append(order[back:])
        won = victim.fooled(_sequence(tried, x), labels[active]).tolist()
        for row, b in enumerate(active):
            asked[b] += 1
            share[b] = min(0.5, 1.5 * share[b]) if won[row] else 0.7 * share[b]
            if won[row]:
                now[b], left[b] = tried[row], kept[row]
    return Outcome(x, _sequence(now, x), success, asked, torch.zeros(batch, dtype=torch.long))


def _sequence(rows: Tensor, like: Tensor) -> Tensor:
    """Return rows ``[B, T · N]`` as a sequence ``[T, B, N]``."""
    return rows.view(len(rows), like.shape[0], like.shape[2]).transpose(0, 1)
