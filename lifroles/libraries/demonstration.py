"""Two things that a table cannot show: traces of the nodes that people reach for first, and the surrogates' shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from spikingjelly.activation_based import surrogate
from torch import Tensor

from lifroles.libraries.peers import RUNNERS, Case, Fire, load, norse_super
from lifroles.libraries.rows import WIDTH

SHOWN = ("sj-lif-hard", "sj-lif-default", "snn-zero", "snn-subtract", "norse-box")
"""The rows whose nodes are drawn, as they are: hard reset where the library has it by default or by one word."""

K_TAU, U_TH = 0.7, 1.0
# A current too weak to fire alone and strong enough in the end; silence; one strong input; one negative.
CURRENT = (0.45,) * 12 + (0.0,) * 3 + (2.4,) + (0.0,) * 3 + (-0.6,) + (0.5,) * 4

REACH, POINTS = 1.0, 81
"""The surrogates are drawn at so many points from u_th − REACH to u_th + REACH."""


def traces() -> dict[str, Any]:
    """Return what the nodes of :data:`SHOWN` make of one current: potential as they give it out, and spikes."""
    x = torch.tensor(CURRENT).view(-1, 1, 1)
    case = Case(x, K_TAU, U_TH, across=torch.zeros(1, 1), w=torch.zeros(()), mended=False)
    nodes = {}
    for name in SHOWN:
        with torch.no_grad():
            answer = RUNNERS[name](case)
        assert answer.u is not None
        nodes[name] = {"u": [round(v, 6) for v in answer.u.flatten().tolist()], "o": answer.o.flatten().int().tolist()}
    return {"k_tau": K_TAU, "u_th": U_TH, "x": list(CURRENT), "nodes": nodes}


def _atan(x: Tensor) -> Tensor:
    return load("snntorch", "snntorch.surrogate").atan(alpha=2.0)(x)


SURROGATES: Mapping[str, tuple[str, str, Callable[[], Fire]]] = MappingProxyType(
    {
        "lifroles": (
            "VariantLIF: Rect(1/(2 · width)) of SpikingJelly",
            "1/(2 · width) where |x| < width, else 0",
            lambda: surrogate.Rect(alpha=1 / (2 * WIDTH)),
        ),
        "spikingjelly": ("Sigmoid(alpha=4)", "4 s(4x) (1 − s(4x)), s the logistic function", surrogate.Sigmoid),
        "snntorch": ("atan(alpha=2)", "1/(1 + (πx)²)", lambda: _atan),
        "norse": ('"super", alpha=100', "1/(1 + |x|)²; alpha has no effect", lambda: norse_super),
    }
)
"""Ours and each library's default: its name, its derivative at x = u − u_th in words, and how to get it."""


def derivative(fire: Fire, x: Tensor) -> Tensor:
    """Return what a surrogate passes back at each x."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(fire(x).sum(), x)[0]


def grid() -> Tensor:
    """Return where the surrogates are drawn; no point lies on the rectangle's edge."""
    return torch.linspace(-REACH, REACH, POINTS) + 1e-6


def surrogates() -> dict[str, list[float]]:
    """Return each surrogate's derivative at the points of :func:`grid`."""
    return {
        name: [round(v, 6) for v in derivative(make(), grid()).tolist()] for name, (_, _, make) in SURROGATES.items()
    }
