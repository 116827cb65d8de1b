"""The definition of the neuron: plain torch, one step a line, autograd does the rest.

Every other backend must agree with this one. Nothing here is optimised.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from lifroles.resets import RESETS
from lifroles.variant import Reset


def keep(u: Tensor, o: Tensor, reset: Reset, u_th: float) -> Tensor:
    """Return what the reset leaves of the membrane potential for the next step.

    Eq. (8) multiplies by ``1 - o`` (hard), Eq. (9) keeps ``u`` (none); soft reset subtracts the threshold.
    Any other is a rule that was added (:func:`lifroles.resets.register`).
    """
    added = RESETS[reset]
    if added is not None:
        return added(u, o, u_th)
    if reset == "hard":
        return u * (1 - o)
    if reset == "soft":
        return u - u_th * o
    return u


def step(
    x: Tensor,
    u: Tensor,
    o: Tensor,
    *,
    k_tau: float | Tensor,
    reset: Reset,
    u_th: float,
    fire: Callable[[Tensor], Tensor],
    detach_reset: bool = False,
    recurrent_weight: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Advance the neuron by one step: Eqs. (3) and (4), with Eqs. (5)-(11) as its variants.

        u(t) = k_tau · u(t-1) · (1 - o(t-1)) + V o(t-1) + x(t)
        o(t) = H(u(t) - u_th)

    The reset acts here, one step after the spike, and the input is not scaled by ``1 - k_tau``.

    Arguments:
        x: input current, the weighted sum of the layer's input spikes, ``[B, N]``.
        u: membrane potential of the step before, ``[B, N]``.
        o: spikes of the step before, ``[B, N]``, 0 or 1.
        k_tau: leakage coefficient, a number or ``[N]``.
        reset: what a spike does to the potential.
        u_th: firing threshold.
        fire: the Heaviside function with its surrogate gradient, applied to ``u - u_th``.
        detach_reset: whether the gradient is stopped at the spike inside the reset.
        recurrent_weight: ``[N, N]``, row i the weights into neuron i, or ``None``.

    Returns:
        ``u`` and ``o`` of this step, each ``[B, N]``.
    """
    u = k_tau * keep(u, o.detach() if detach_reset else o, reset, u_th) + x
    if recurrent_weight is not None:
        u = u + F.linear(o, recurrent_weight)
    return u, fire(u - u_th)


def run(
    x_seq: Tensor,
    u: Tensor,
    o: Tensor,
    *,
    k_tau: float | Tensor,
    reset: Reset,
    u_th: float,
    fire: Callable[[Tensor], Tensor],
    detach_reset: bool = False,
    recurrent_weight: Tensor | None = None,
    keep_u: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Advance by all ``T`` steps of ``x_seq`` ``[T, B, N]``; arguments as for :func:`step`.

    Returns:
        spikes ``[T, B, N]``; membrane potentials ``[T, B, N]`` if ``keep_u``, else ``None``; and the
        last ``u`` and ``o``, each ``[B, N]``.
    """
    spikes, potentials = [], []
    # Indexing x_seq[t] would fill a whole [T, B, N] gradient at every step: unbind splits it once.
    for x in x_seq.unbind(0):
        u, o = step(
            x,
            u,
            o,
            k_tau=k_tau,
            reset=reset,
            u_th=u_th,
            fire=fire,
            detach_reset=detach_reset,
            recurrent_weight=recurrent_weight,
        )
        spikes.append(o)
        if keep_u:
            potentials.append(u)
    o_seq = torch.stack(spikes) if spikes else x_seq.new_zeros(x_seq.shape)
    u_seq = (torch.stack(potentials) if potentials else x_seq.new_zeros(x_seq.shape)) if keep_u else None
    return o_seq, u_seq, u, o


def integrate(x_seq: Tensor, *, k_tau: float | Tensor) -> Tensor:
    """Return the membrane potentials ``[T, B, N]`` of units that never fire: ``m(t) = k_tau · m(t-1) + x(t)``.

    The readout of the temporal benchmarks: Eq. (3) without spikes and so without reset.
    """
    m = torch.zeros_like(x_seq[0])
    potentials = []
    for x in x_seq.unbind(0):
        m = k_tau * m + x
        potentials.append(m)
    return torch.stack(potentials)
