"""The neuron on the processor: compiled loops over time, and the gradients by hand.

Forward, with c(t) = k · keep(u(t-1), o(t-1)) carried from step to step and c(0) given by the initial state:

    u(t) = c(t) + x(t) [+ V o(t-1)]        o(t) = 1 where u(t) - u_th >= 0, else 0

in the reference's own order of operations, so that u and o are equal to the reference's bit for bit as long as x is the
same; V o(t-1) is a sum over the neurons that fired, which may round in another way than a matrix product does.

Backward, with g(t) = dL/du(t), h(t) = dL/do(t) and σ(t) = alpha where |u(t) - u_th| < 0.5 / alpha, else 0:

    h(t) = (dL/do(t) from outside) [+ Vᵀ g(t+1)] + k g(t+1) · ∂keep/∂o      (the last term not if ``detach_reset``)
    g(t) = σ(t) h(t) + k g(t+1) · ∂keep/∂u [+ (dL/du(t) from outside)]

    keep(u, o)      ∂keep/∂u    ∂keep/∂o
    u (1 - o)       1 - o(t)    -u(t)           hard
    u - u_th o      1           -u_th           soft
    u               1           0               none

from g(T) = 0 down to t = 0. Then

    dL/dx(t) = g(t)      dL/dc(0) = g(0)
    dL/dk = Σ_t>0 Σ_b g(t) · keep(u(t-1), o(t-1)) [+ by c(0)]      dL/dV = Σ_t>0 Σ_b g(t) o(t-1)ᵀ [+ by c(0)]

Only u is kept for it; o is found again from u. c(0), with V o(-1) in it, is plain torch with autograd, so that initial
states, which are mostly 0, cost the loops nothing.

Where the input is a :class:`~lifroles.sparse.SparseSequence`, x(t) = W s(t) + b is summed over its events inside the
loop and never written; dL/dW is summed over the same events while the g(t) of a few samples lie in cache. There o lies
in memory sample by sample, so that a loop's next step stands beside its last: o ``[T, B, N]`` is a view of
``[B, T, N]``; so does u for those who want to see it.

Where a few weighted sums of the layer's spikes follow, such as a class layer's, the loop writes o as one bit a neuron.
The sums and their weights' gradient are taken from the bits, a thirty-second of o, which is written only for those who
ask for it; and dL/do, of which the sums give W_classᵀ dL/d(sums), is made where the backward loop needs it and never
written.

Where only the backward pass reads u, it lies in memory in the order in which that pass reads: the last step first, and
without recurrence block by block of neurons.

What the loops do not cover goes to the reference, which gives the same numbers more slowly: a surrogate other than
SpikingJelly's ``Rect`` in spiking mode, tensors that are not dense float32 or float64 tensors in main memory or whose
types differ, an input that is not ``[T, B, N]`` or has no elements, autocast, ``torch.func`` and code under
``torch.compile``. There is no second derivative: asked for one (``create_graph=True``), the backward pass refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import functional as F

from lifroles.backends import reference
from lifroles.resets import KERNELS as RESETS
from lifroles.sparse import SparseSequence
from lifroles.variant import Reset

step = reference.step
"""One step has nothing to fuse over time: it is the reference's."""

CACHED = 128
"""Neurons up to which a recurrent layer's weights lie in a core's own cache beside those of its input."""
FEW = 64
"""Classes up to which the sums over a layer's spikes are taken spike by spike."""
DENSE = 0.3
"""Density from which a matrix product is taken: up to here sums over events were faster in every layer measured
(`python -m benchmarks.kernels --only g`)."""


def _plain(like: Tensor, *tensors: Tensor | None) -> bool:
    """Return whether the loops can read all these tensors."""
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    return like.dtype in (torch.float32, torch.float64) and all(
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and tensor.dtype == like.dtype
        and not is_functorch_wrapped_tensor(tensor)
        for tensor in (like, *tensors)
        if tensor is not None
    )


def _covers(
    like: Tensor, shape: tuple[int, ...], u: Tensor, o: Tensor, k_tau: float | Tensor, fire: Callable[[Tensor], Tensor],
    v: Tensor | None, *others: Tensor | None,
) -> bool:  # fmt: skip
    """Return whether the loops compute this layer."""
    alpha = getattr(fire, "alpha", None)
    features = shape[-1]
    return (
        type(fire) is surrogate.Rect
        and getattr(fire, "spiking", False)
        and isinstance(alpha, int | float)
        and alpha > 0
        and len(shape) == 3
        and min(shape) > 0
        and u.shape == o.shape == shape[1:]
        and (not isinstance(k_tau, Tensor) or k_tau.shape == (features,))
        and (v is None or v.shape == (features, features))
        and _plain(like, u, o, k_tau if isinstance(k_tau, Tensor) else None, v, *others)
    )


def _first(
    u: Tensor, o: Tensor, k_tau: float | Tensor, reset: Reset, u_th: float, detach_reset: bool, v: Tensor | None
) -> Tensor:
    """Return c(0), ``[B, N]``: what the initial state contributes to the first step.

    A state that is one row for all samples (``expand``), such as rest, gives one row for all.
    """
    if u.shape[0] > 1 and u.stride(0) == o.stride(0) == 0:
        return _first(u[:1], o[:1], k_tau, reset, u_th, detach_reset, v).expand(u.shape[0], -1)
    c = k_tau * reference.keep(u, o.detach() if detach_reset else o, reset, u_th)
    if v is not None and (o.requires_grad or bool(o.any())):
        c = c + F.linear(o, v)
    return c


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
    """Advance by all ``T`` steps of ``x_seq`` ``[T, B, N]``; arguments as for :func:`lifroles.backends.reference.run`.

    An input that repeats one step (``expand``) is read where it is, not written out.

    Returns:
        spikes ``[T, B, N]``; membrane potentials ``[T, B, N]`` if ``keep_u``, else ``None``; and the
        last ``u`` and ``o``, each ``[B, N]``. Gradients flow back from all of them.
    """
    v = recurrent_weight
    if reset not in RESETS or not _covers(x_seq, tuple(x_seq.shape), u, o, k_tau, fire, v):
        return reference.run(
            x_seq, u, o, k_tau=k_tau, reset=reset, u_th=u_th, fire=fire, detach_reset=detach_reset,
            recurrent_weight=v, keep_u=keep_u,
        )  # fmt: skip
    from lifroles.backends import _fused  # imports Numba, which takes a second

    rule = _fused.Rule(reset, u_th, fire.alpha, detach_reset)  # pyright: ignore[reportFunctionMemberAccess]
    c = _first(u, o, k_tau, reset, u_th, detach_reset, v)
    if v is None:
        o_seq, u_seq, u_last, o_last = _fused.alone(rule, x_seq, c, k_tau, keep_u)
    else:
        o_seq, u_seq, u_last, o_last = _fused.recurrent(rule, x_seq, c, k_tau, v, keep_u)
    return o_seq, u_seq if keep_u else None, u_last, o_last


def run_events(
    events: SparseSequence,
    weight: Tensor,
    bias: Tensor | None,
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
    after: tuple[Tensor, Tensor | None] | None = None,
) -> tuple[Any, ...]:
    """Advance a layer whose current is ``weight @ events + bias``; otherwise as :func:`run`.

    Arguments:
        events: the input ``[T, B, M]``.
        weight: ``[N, M]``.
        bias: ``[N]`` or ``None``.
        after: weights ``[C, N]`` and bias of the weighted sum of this layer's spikes that follows. For a few classes
            neither the spikes are written for it nor dL/do.

    Returns:
        What :func:`run` does. With ``after``, a function that gives the spikes stands in their place, because not
        everybody wants them, and that sum ``[T, B, C]`` comes last.
    """
    v = recurrent_weight
    steps, batch, inputs = events.shape
    neurons = weight.shape[0]
    fits = reset in RESETS and weight.dim() == 2 and weight.shape[1] == inputs > 0 and events.density < DENSE
    if (
        not (fits and _covers(weight, (steps, batch, neurons), u, o, k_tau, fire, v, weight, bias))
        # Else the weights of the events push V out of the cache: the sums first, then the layer.
        or (v is not None and neurons > CACHED)
    ):
        found = run(
            product(events, weight, bias), u, o, k_tau=k_tau, reset=reset, u_th=u_th, fire=fire,
            detach_reset=detach_reset, recurrent_weight=v, keep_u=keep_u,
        )  # fmt: skip
        return found if after is None else (lambda: found[0], *found[1:], spikes_product(found[0], *after))
    from lifroles.backends import _fused  # imports Numba, which takes a second

    rule = _fused.Rule(reset, u_th, fire.alpha, detach_reset)  # pyright: ignore[reportFunctionMemberAccess]
    c = _first(u, o, k_tau, reset, u_th, detach_reset, v)
    few = after if after is not None and _sums_spikes(neurons, weight, *after) else None
    o_seq, u_seq, *last = _fused.driven(rule, events, weight, bias, c, k_tau, v, few, keep_u)
    u_seq = u_seq if keep_u else None
    if after is None:
        return o_seq, u_seq, *last
    if few is None:
        return lambda: o_seq, u_seq, *last, spikes_product(o_seq, *after)
    from lifroles.backends import _products

    *last, sums, fired = last
    return lambda: _products.spikes_of(o_seq, fired), u_seq, *last, sums


def _sums_spikes(neurons: int, like: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Return whether the loops sum a layer's spikes for what follows it."""
    return (
        weight.dim() == 2
        and weight.shape[1] == neurons
        and 0 < weight.shape[0] <= FEW
        and (bias is None or bias.shape == weight.shape[:1])
        and _plain(like, weight, bias)
    )


def product(events: SparseSequence, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``weight @ events + bias``, ``[T, B, N]``, as a sum over events, or as a matrix product if they are many.

    Arguments:
        events: the input ``[T, B, M]``.
        weight: ``[N, M]``.
        bias: ``[N]`` or ``None``.
    """
    fits = weight.dim() == 2 and weight.shape[1] == events.shape[-1] and min(events.shape) > 0 and weight.shape[0] > 0
    if not (fits and events.density < DENSE and _plain(weight, bias)):
        return F.linear(events.dense(weight.dtype, weight.device), weight, bias)
    from lifroles.backends import _products

    return _products.product(events, weight, bias)


def spikes_product(o_seq: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``weight @ o + bias``, ``[T, B, C]``, for a layer's spikes ``[T, B, N]``, each 0 or 1.

    For a few classes, where a matrix product is bound by memory, a sum over the neurons that fired; else that product.

    Arguments:
        o_seq: spikes ``[T, B, N]``.
        weight: ``[C, N]``.
        bias: ``[C]`` or ``None``.
    """
    fits = o_seq.dim() == 3 and weight.dim() == 2 and weight.shape[1] == o_seq.shape[-1]
    if not (fits and o_seq.numel() > 0 and _plain(o_seq, weight, bias)):
        return F.linear(o_seq, weight, bias)
    from lifroles.backends import _products

    return (_products.spikes_product if 0 < weight.shape[0] <= FEW else _products.linear)(o_seq, weight, bias)


def integrate(x_seq: Tensor, *, k_tau: float | Tensor) -> Tensor:
    """Return the membrane potentials ``[T, B, N]`` of units that never fire: ``m(t) = k_tau · m(t-1) + x(t)``."""
    k = k_tau if isinstance(k_tau, Tensor) else None
    if not (x_seq.dim() == 3 and x_seq.numel() > 0 and (k is None or k.shape == x_seq.shape[-1:]) and _plain(x_seq, k)):
        return reference.integrate(x_seq, k_tau=k_tau)
    from lifroles.backends import _fused

    return _fused.alone(_fused.INTEGRATE, x_seq, torch.zeros_like(x_seq[0]), k_tau, True)[1]
