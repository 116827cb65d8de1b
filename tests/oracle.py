"""An independent oracle: one layer of the neuron and its gradients in NumPy, derived by hand from the paper.

It imports nothing of the package and nothing of torch, so that a mistake would have to be made twice to go unseen.

    u(t) = k_tau R(t) + V o(t-1) + x(t)            o(t) = H(u(t) - u_th)                Eqs. (3), (4)
    R(t) = u(t-1) (1 - o(t-1))                     hard reset, Eq. (8)
         = u(t-1) - u_th o(t-1)                    soft reset
         = u(t-1)                                  no reset, Eq. (9)

Write a(t) for the whole derivative of the loss by u(t), b(t) for the one by o(t), s(t) for the surrogate, 1 / (2 width)
where |u(t) - u_th| < width and else 0. u(t) acts on the loss by itself, through o(t) and through R(t+1); o(t) by
itself, through V and, unless that is detached, through R(t+1). So, beginning behind the last step with zero,

    b(t) = dL/do(t) + Vᵀ a(t+1) + k_tau a(t+1) ∂R(t+1)/∂o(t)
    a(t) = dL/du(t) + s(t) b(t) + k_tau a(t+1) ∂R(t+1)/∂u(t)

and dL/dx(t) = a(t), dL/dk_tau = Σ a(t) R(t), dL/dV = Σ a(t) o(t-1)ᵀ; what would come next at t = -1 (without s: the
first spikes are given, they are not fired) is the gradient of the initial state.

In float32 arrays everything is float32 arithmetic, one rounding an operation; in float64 it is the measure.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Fire = Callable[[int, Array], Array]
"""``fire(t, u(t))`` gives o(t)."""


@dataclass(frozen=True)
class Layer:
    """A layer's constants: ``k_tau`` a number or ``[N]``, ``weight`` V ``[N, N]`` (row i into neuron i) or ``None``."""

    k_tau: Any
    reset: str
    u_th: float
    width: float = 0.25
    detach_reset: bool = False
    weight: Array | None = None


@dataclass(frozen=True)
class Trajectory:
    """Spikes and potentials ``[T, B, N]``."""

    o: Array
    u: Array


@dataclass(frozen=True)
class Gradients:
    """Of x ``[T, B, N]``, the initial state ``[B, N]``, k_tau (like k_tau) and V (``None`` where there is none)."""

    x: Array
    u: Array
    o: Array
    k_tau: Array
    weight: Array | None


def kept(layer: Layer, u: Array, o: Array) -> Array:
    """Return R: what the reset leaves of u."""
    return {"hard": u * (1 - o), "soft": u - layer.u_th * o, "none": u}[layer.reset]


def heaviside(layer: Layer) -> Fire:
    """Return the neuron's own way to fire."""
    return lambda t, u: (u >= layer.u_th).astype(u.dtype)


def ramp(layer: Layer) -> Fire:
    """Return a continuous way to fire whose true derivative is the surrogate: 0 below the rectangle, 1 above it."""
    return lambda t, u: np.clip((u - layer.u_th) / (2 * layer.width) + 0.5, 0, 1)


def tangent(layer: Layer, at: Trajectory) -> Fire:
    """Return a smooth way to fire that at the trajectory ``at`` gives its spikes, and has the surrogate as slope."""
    slope = surrogate(layer, at.u)
    return lambda t, u: at.o[t] + slope[t] * (u - at.u[t])


def surrogate(layer: Layer, u: Array) -> Array:
    """Return s: the rectangle of area 1 around the threshold."""
    return (np.abs(u - layer.u_th) < layer.width) / u.dtype.type(2 * layer.width)


def forward(
    layer: Layer, x: Array, u: Array, o: Array, fire: Fire | None = None, resets: Array | None = None
) -> Trajectory:
    """Return what the layer does with the currents ``x`` ``[T, B, N]`` from the state ``u``, ``o`` ``[B, N]``.

    ``resets`` ``[T, B, N]``, if given, are the spikes that reset at each step, instead of those of the step before.
    """
    fire = fire or heaviside(layer)
    k = np.asarray(layer.k_tau, x.dtype)
    found = Trajectory(np.zeros_like(x), np.zeros_like(x))
    for t in range(len(x)):
        heard = 0 if layer.weight is None else np.einsum("ij,bj->bi", layer.weight, o)
        u = k * kept(layer, u, o if resets is None else resets[t]) + x[t] + heard
        o = fire(t, u)
        found.u[t], found.o[t] = u, o
    return found


def backward(
    layer: Layer, u_first: Array, o_first: Array, found: Trajectory, d_o: Array, d_u: Array, d_o_last: Array,
    d_u_last: Array,
) -> Gradients:  # fmt: skip
    """Return the gradients of a loss with these own derivatives by o and u ``[T, B, N]`` and by the last of each."""
    k = np.asarray(layer.k_tau, found.u.dtype)
    before_u = np.concatenate([u_first[None], found.u])[:-1]
    before_o = np.concatenate([o_first[None], found.o])[:-1]
    slope = surrogate(layer, found.u)
    by_u, by_o = d_u_last, d_o_last
    a = np.zeros_like(found.u)
    g_k = np.zeros(found.u.shape[-1], found.u.dtype)
    g_weight = None if layer.weight is None else np.zeros_like(layer.weight)
    for t in reversed(range(len(found.u))):
        a[t] = (by_u + d_u[t]) + slope[t] * (by_o + d_o[t])
        back = k * a[t]
        by_u = back * (1 - before_o[t]) if layer.reset == "hard" else back
        by_o = np.zeros_like(back)
        if not layer.detach_reset:
            by_o = by_o - back * {"hard": before_u[t], "soft": layer.u_th, "none": 0}[layer.reset]
        if layer.weight is not None:
            by_o = by_o + np.einsum("ij,bi->bj", layer.weight, a[t])
            g_weight += np.einsum("bi,bj->ij", a[t], before_o[t])
        g_k += (a[t] * kept(layer, before_u[t], before_o[t])).sum(0)
    return Gradients(a, by_u, by_o, g_k if k.ndim else g_k.sum(), g_weight)


def integrate(x: Array, k_tau: Any) -> Array:
    """Return m(t) = k_tau m(t-1) + x(t), the closed form: each input, times k_tau once for every step since."""
    m = np.zeros_like(x)
    for t in range(len(x)):
        for since in range(t + 1):
            m[t] += np.asarray(k_tau, x.dtype) ** since * x[t - since]
    return m


def integrate_backward(x: Array, k_tau: Any, d_m: Array) -> tuple[Array, Array]:
    """Return the gradients of x and k_tau for the derivatives ``d_m`` ``[T, B, N]`` of the loss by m."""
    k = np.asarray(k_tau, x.dtype)
    g_x, g_k = np.zeros_like(x), np.zeros(x.shape[-1], x.dtype)
    for t in range(len(x)):
        for since in range(t + 1):
            g_x[t - since] += k**since * d_m[t]
            if since:
                g_k += (since * k ** (since - 1) * x[t - since] * d_m[t]).sum(0)
    return g_x, g_k if k.ndim else g_k.sum()


def margin(layer: Layer, found: Trajectory) -> float:
    """Return how far the nearest potential is from the threshold or from an edge of the rectangle."""
    distance = np.abs(found.u - layer.u_th)
    return float(min(distance.min(initial=np.inf), np.abs(distance - layer.width).min(initial=np.inf)))


def in_float64(layer: Layer) -> Layer:
    """Return the layer with the same values as float64."""
    return replace(
        layer,
        k_tau=np.asarray(layer.k_tau, np.float64),
        weight=None if layer.weight is None else layer.weight.astype(np.float64),
    )
