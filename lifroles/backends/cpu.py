"""The neuron on the processor: compiled loops over time, and the gradients by hand.

Forward, with c(t) = k · keep(u(t-1), o(t-1)) carried from step to step and c(0) given by the initial state:

    u(t) = c(t) + x(t) [+ V o(t-1)]        o(t) = 1 where u(t) - u_th >= 0, else 0

in the reference's own order of operations, so that u and o are equal to the reference's bit for bit (with recurrence
too, because the product is the same call).

Backward, with g(t) = dL/du(t), h(t) = dL/do(t) and σ(t) = alpha where |u(t) - u_th| < 0.5 / alpha, else 0:

    h(t) = (dL/do(t) from outside) [+ Vᵀ g(t+1)] + k g(t+1) · ∂keep/∂o      (the last term not if ``detach_reset``)
    g(t) = σ(t) h(t) + k g(t+1) · ∂keep/∂u [+ (dL/du(t) from outside)]

    keep(u, o)      ∂keep/∂u    ∂keep/∂o
    u (1 - o)       1 - o(t)    -u(t)           hard
    u - u_th o      1           -u_th           soft
    u               1           0               none

from g(T) = 0 down to t = 0. Then

    dL/dx(t) = g(t)      dL/dc(0) = g(0)      dL/do(-1) = Vᵀ g(0) [+ by c(0)]
    dL/dk = Σ_t>0 Σ_b g(t) · keep(u(t-1), o(t-1)) [+ by c(0)]      dL/dV = Σ_t Σ_b g(t) o(t-1)ᵀ, one matrix product

Only u is kept for it, and o where there is recurrence; o is found again from u. c(0) is plain torch with autograd, so
that initial states, which are mostly 0, cost the loops nothing.

What the loops do not cover goes to the reference, which gives the same numbers more slowly: a surrogate other than
SpikingJelly's ``Rect`` in spiking mode, tensors that are not dense float32 or float64 tensors in main memory or whose
types differ, an input that is not ``[T, B, N]`` or has no elements, autocast, and code under ``torch.compile``.
There is no second derivative: asked for one (``create_graph=True``), the backward pass refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn

from lifroles.backends import _loops, reference
from lifroles.errors import LifrolesError
from lifroles.variant import Reset

step = reference.step
"""One step has nothing to fuse over time: it is the reference's."""

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def _plain(like: Tensor, *tensors: Tensor) -> bool:
    """Return whether the loops can read all these tensors."""
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    return like.dtype in _DTYPES and all(
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and tensor.dtype == like.dtype
        for tensor in (like, *tensors)
    )


def _flat(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().resolve_neg().reshape(-1).numpy()


def _rows(sequence: Tensor) -> tuple[np.ndarray[Any, Any], int]:
    """Return ``[T, B, N]`` as a flat array and the distance between two steps: 0 if one step is repeated."""
    if sequence.stride(0) == 0 and sequence.shape[0] > 1:
        return _flat(sequence[0]), 0
    return _flat(sequence), sequence[0].numel()


@lru_cache(maxsize=64)
def _full(size: int, value: float, dtype: torch.dtype) -> np.ndarray[Any, Any]:
    """Return a constant vector, which is only ever read."""
    return np.full(size, value, _DTYPES[dtype])


def _coefficients(k: float | Tensor, neurons: int, dtype: torch.dtype) -> np.ndarray[Any, Any]:
    return _flat(k) if isinstance(k, Tensor) else _full(neurons, float(k), dtype)


def _state(lanes: int, rows: int, recurrent: bool, dtype: torch.dtype) -> tuple[np.ndarray[Any, Any], int]:
    """Return room for the blocks' state and the distance between two blocks' states."""
    size = rows * _loops.BLOCK
    # With recurrence the blocks take turns at every step; without, each is through before the next begins.
    blocks = -(-lanes // _loops.BLOCK) if recurrent else 1
    return np.empty(blocks * size, _DTYPES[dtype]), size if recurrent else 0


def _product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Write ``a @ b`` to ``out``, with the bits that it has between tensors of their own."""
    # The last bits of a BLAS product depend on where its operands begin. Torch begins every tensor at a multiple of
    # 64 bytes; the steps of a sequence begin at one only if their size is one.
    if out.numel() * out.element_size() % 64 == 0:
        torch.mm(a, b, out=out)
    else:
        out.copy_(torch.mm(a.clone(), b))


class _Rule:
    """What does not change along a sequence: reset, threshold and surrogate."""

    def __init__(self, reset: Reset, u_th: float, alpha: float, fires: bool, through_reset: bool) -> None:
        self.hard, self.soft, self.fires = reset == "hard", reset == "soft", fires
        self.u_th, self.alpha, self.through_reset = u_th, alpha, through_reset


def _forward(
    rule: _Rule, x: Tensor, c: Tensor, k: float | Tensor, weight: Tensor | None, o_first: Tensor | None, keep_u: bool
) -> tuple[Tensor, Tensor]:
    """Return u, ``[T, B, N]`` if ``keep_u``, else the last one ``[1, B, N]``; and o ``[T, B, N]`` (empty: none)."""
    steps, dtype = x.shape[0], x.dtype
    u = torch.empty((steps if keep_u else 1, *x.shape[1:]), dtype=dtype)
    o = torch.empty(x.shape if rule.fires else (0,), dtype=dtype)
    rows, stride = _rows(x)
    lanes = c.numel()
    state, state_stride = _state(lanes, _loops.FORWARD_ROWS, weight is not None, dtype)
    loop = _loops.forward(rule.hard, rule.soft, rule.fires, weight is not None)
    arguments = (
        rows, stride, _flat(c), _coefficients(k, x.shape[-1], dtype), _flat(u), lanes if keep_u else 0, _flat(o),
        state, state_stride, _DTYPES[dtype](rule.u_th),
    )  # fmt: skip
    if weight is None or o_first is None:
        loop(*arguments, 0, steps)
        return u, o
    across = weight.detach().t()
    before = o_first
    for t in range(steps):
        _product(before, across, u[t if keep_u else 0])
        loop(*arguments, t, t + 1)
        before = o[t]
    return u, o


class _Sequence(torch.autograd.Function):
    """All steps of a layer. Returns o and u, each ``[T, B, N]``, and the last of each, ``[B, N]``."""

    @staticmethod
    def forward(
        ctx: Any,
        rule: _Rule,
        x: Tensor,
        c: Tensor,
        k: float | Tensor,
        weight: Tensor | None,
        o_first: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        u, o = _forward(rule, x, c, k, weight, o_first, keep_u=True)
        ctx.rule, ctx.shape = rule, x.shape
        ctx.k = None if isinstance(k, Tensor) else k
        ctx.save_for_backward(u, k if isinstance(k, Tensor) else None, weight, o_first, None if weight is None else o)
        ctx.set_materialize_grads(False)
        # Copies, because a state that is carried on must not hold the whole sequence in memory.
        return o, u, o[-1].clone() if rule.fires else o.clone(), u[-1].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        # torch's own once_differentiable lets through what comes from a loss linear in o, without its graph.
        if torch.is_grad_enabled():
            raise LifrolesError("the cpu backend has no second derivative: give backend='reference'.")
        go, gu, go_last, gu_last = gradients
        rule: _Rule = ctx.rule
        u, k_tensor, weight, o_first, o = ctx.saved_tensors
        k = ctx.k if k_tensor is None else k_tensor
        _, wants_x, wants_c, wants_k, wants_weight, wants_first = ctx.needs_input_grad
        (steps, _, neurons), dtype, recurrent = ctx.shape, u.dtype, weight is not None
        lanes = u[0].numel()

        nothing = _full(lanes, 0.0, dtype)
        g = torch.empty_like(u)
        g_k = np.zeros(neurons if wants_k else 0)
        state, state_stride = _state(lanes, _loops.BACKWARD_ROWS, recurrent, dtype)
        loop = _loops.backward(
            rule.hard, rule.soft, rule.fires, recurrent, rule.through_reset, bool(wants_k), gu is not None
        )
        number = _DTYPES[dtype]
        arguments = (
            _flat(u),
            *((nothing, 0) if go is None else _rows(go)),
            *((nothing, 0) if gu is None else _rows(gu)),
            nothing if go_last is None else _flat(go_last),
            nothing if gu_last is None else _flat(gu_last),
            _coefficients(k, neurons, dtype), _flat(g), g_k, state, state_stride,
            number(rule.u_th), number(rule.alpha), number(0.5 / rule.alpha),
        )  # fmt: skip
        g_weight = g_first = None
        if not recurrent:
            loop(*arguments, 0, steps, steps)
        else:
            for t in range(steps - 1, -1, -1):
                if t < steps - 1:
                    _product(g[t + 1], weight, g[t])
                loop(*arguments, t, t + 1, steps)
            if wants_weight:
                g_weight = torch.mm(g[0].t(), o_first)
                if steps > 1:
                    g_weight.addmm_(g[1:].reshape(-1, neurons).t(), o[:-1].reshape(-1, neurons))
            if wants_first:
                g_first = torch.mm(g[0], weight)
        return (
            None,
            g if wants_x else None,
            g[0] if wants_c else None,
            torch.from_numpy(g_k).to(dtype) if wants_k else None,
            g_weight,
            g_first,
        )


def _advance(
    rule: _Rule, x: Tensor, c: Tensor, k: float | Tensor, weight: Tensor | None, o_first: Tensor | None, keep_u: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return o, u (``[T, B, N]`` if ``keep_u`` or a gradient is wanted) and the last of each."""
    differentiable = any(isinstance(v, Tensor) and v.requires_grad for v in (x, c, k, weight, o_first))
    if torch.is_grad_enabled() and differentiable:
        return _Sequence.apply(rule, x, c, k, weight, o_first)
    with torch.no_grad():
        u, o = _forward(rule, x, c, k, weight, o_first, keep_u)
        return o, u, o[-1].clone() if rule.fires else o, u[-1].clone() if keep_u else u[-1]


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
    alpha = getattr(fire, "alpha", None)
    tensors = [value for value in (u, o, k_tau, recurrent_weight) if isinstance(value, Tensor)]
    if not (
        type(fire) is surrogate.Rect
        and getattr(fire, "spiking", False)
        and isinstance(alpha, int | float)
        and alpha > 0
        and x_seq.dim() == 3
        and x_seq.numel() > 0
        and u.shape == o.shape == x_seq.shape[1:]
        and (not isinstance(k_tau, Tensor) or k_tau.shape == x_seq.shape[-1:])
        and (recurrent_weight is None or recurrent_weight.shape == (x_seq.shape[-1],) * 2)
        and _plain(x_seq, *tensors)
    ):
        return reference.run(
            x_seq, u, o, k_tau=k_tau, reset=reset, u_th=u_th, fire=fire, detach_reset=detach_reset,
            recurrent_weight=recurrent_weight, keep_u=keep_u,
        )  # fmt: skip
    c = k_tau * reference.keep(u, o.detach() if detach_reset else o, reset, u_th)
    rule = _Rule(reset, u_th, alpha, True, reset != "none" and not detach_reset)
    o_first = None if recurrent_weight is None else o
    o_seq, u_seq, o_last, u_last = _advance(rule, x_seq, c, k_tau, recurrent_weight, o_first, keep_u)
    return o_seq, u_seq if keep_u else None, u_last, o_last


def integrate(x_seq: Tensor, *, k_tau: float | Tensor) -> Tensor:
    """Return the membrane potentials ``[T, B, N]`` of units that never fire: ``m(t) = k_tau · m(t-1) + x(t)``."""
    tensors = [k_tau] if isinstance(k_tau, Tensor) else []
    if not (
        x_seq.dim() == 3
        and x_seq.numel() > 0
        and (not tensors or tensors[0].shape == x_seq.shape[-1:])
        and _plain(x_seq, *tensors)
    ):
        return reference.integrate(x_seq, k_tau=k_tau)
    c = k_tau * torch.zeros_like(x_seq[0])
    return _advance(_Rule("none", 0.0, 1.0, False, False), x_seq, c, k_tau, None, None, True)[1]
