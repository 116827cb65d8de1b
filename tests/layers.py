"""Layers drawn at random, and what a backend and the oracle make of them."""

import itertools
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import oracle
import torch
from spikingjelly.activation_based import surrogate
from torch import Tensor
from torch.nn import functional as F

F32, F64 = torch.float32, torch.float64
RESETS = ("hard", "soft", "none")
LEAKS = (0.0, 0.3, 1.0, "learnable")
OUTPUTS = ("o", "u", "last u", "last o")

TOLERANCE = {F32: 1e-5, F64: 1e-10}
"""How far a gradient may be from the reference's, relative to its largest entry."""

APART = {F32: 1e-4, F64: 1e-9}
"""How far a drawn layer's potentials stay from the threshold and the rectangle's edges, where rounding would decide."""


@dataclass(frozen=True)
class Case:
    """A layer with its input; x is the input's product with ``w`` where there is a ``w``."""

    x: Tensor
    u: Tensor
    o: Tensor
    k_tau: float | Tensor
    weight: Tensor | None = None
    reset: str = "hard"
    u_th: float = 0.3
    width: float = 0.25
    detach_reset: bool = False
    inputs: Tensor | None = None
    w: Tensor | None = None

    @property
    def leaves(self) -> dict[str, Tensor]:
        """The tensors that a gradient can be asked for, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    @property
    def options(self) -> dict[str, Any]:
        """What ``run`` and ``step`` take besides the input and the state."""
        return {
            "k_tau": self.k_tau,
            "reset": self.reset,
            "u_th": self.u_th,
            "fire": surrogate.Rect(alpha=1 / (2 * self.width)),
            "detach_reset": self.detach_reset,
            "recurrent_weight": self.weight,
        }

    @property
    def layer(self) -> oracle.Layer:
        """The constants for the oracle, the values that this type can hold as float64."""
        dtype = self.x.dtype
        return oracle.Layer(
            number(self.k_tau, dtype),
            self.reset,
            float(number(self.u_th, dtype)),
            self.width,
            self.detach_reset,
            None if self.weight is None else number(self.weight, dtype),
        )


def number(value: Any, dtype: torch.dtype = F64) -> Any:
    """Return a value, as ``dtype`` holds it, as a float64 array."""
    return torch.as_tensor(value, dtype=dtype).detach().double().numpy()


def draw(
    shape: tuple[int, int, int],
    dtype: torch.dtype = F64,
    leak: Any = 0.3,
    recurrent: bool = False,
    *,
    seed: int = 0,
    inputs: int | None = None,
    scale: float = 1.0,
    apart: float | None = None,
    **options: Any,
) -> Case:
    """Return a layer whose scales make some units fire, and whose potentials keep apart from every tie.

    Arguments:
        shape: (T, B, N).
        dtype: of all its tensors.
        leak: k_tau, or ``"learnable"``: one a neuron, between 0.45 and 0.95.
        recurrent: whether there is a V.
        seed: the first to try.
        inputs: number of input channels before the weights, if there are to be weights.
        scale: of the potentials; give the threshold and the width the same.
        apart: how far the potentials stay from every tie; ``None``: as far as rounding asks for.
        options: reset, u_th, width, detach_reset.
    """
    steps, batch, features = shape
    apart = APART[dtype] * scale if apart is None else apart
    for attempt in itertools.count():
        random = torch.Generator().manual_seed(1000 * seed + attempt)

        def rand(*size: int, random: torch.Generator = random) -> Tensor:
            return torch.rand(size, generator=random, dtype=F64)

        given = w = None
        x = (rand(*shape) * 0.8 - 0.3) * scale
        if inputs is not None:
            given = (rand(steps, batch, inputs) < 0.5).to(dtype)
            w = ((rand(features, inputs) - 0.35) * scale).to(dtype)
            x = F.linear(given, w)
        case = Case(
            x.to(dtype),
            (rand(batch, features) * scale).to(dtype),
            (rand(batch, features) < 0.4).to(dtype),
            (rand(features) * 0.5 + 0.45).to(dtype) if leak == "learnable" else leak,
            ((rand(features, features) - 0.5) * scale / max(features, 1) ** 0.5).to(dtype) if recurrent else None,
            inputs=given,
            w=w,
            **options,
        )
        if not case.x.numel() or oracle.margin(case.layer, trajectory(case)) > apart:
            return case
    raise AssertionError("never reached")


def trajectory(case: Case) -> oracle.Trajectory:
    """Return the oracle's spikes and potentials."""
    return oracle.forward(case.layer, number(case.x), number(case.u), number(case.o))


def slopes(case: Case, outputs: tuple[str, ...] = OUTPUTS) -> dict[str, Tensor]:
    """Return random derivatives of a loss by each of ``outputs``, zero for the others."""
    random = torch.Generator().manual_seed(5)
    shapes = {"o": case.x.shape, "u": case.x.shape, "last u": case.u.shape, "last o": case.u.shape}
    drawn = {name: torch.randn(shape, generator=random, dtype=F64).to(case.x.dtype) for name, shape in shapes.items()}
    return {name: value if name in outputs else torch.zeros_like(value) for name, value in drawn.items()}


Outcome = tuple[dict[str, Tensor | None], dict[str, Tensor | None]]


def outcome(
    kernels: Any, case: Case, *, outputs: tuple[str, ...] = OUTPUTS, needs: tuple[str, ...] | None = None
) -> Any:
    """Run a backend forward, and backward from ``outputs``; return its outputs and the gradients, by name.

    What is not asked for is `None`; the type leaves that to the test to know.
    """
    leaves = {name: leaf.detach().requires_grad_(needs is None or name in needs) for name, leaf in case.leaves.items()}
    if case.w is not None:
        leaves["x"] = F.linear(leaves["inputs"], leaves["w"])
        leaves["x"].retain_grad()
    run = replace(case, **leaves)
    o, u, u_last, o_last = kernels.run(run.x, run.u, run.o, keep_u="u" in outputs, **run.options)
    found = {"o": o, "u": u, "last u": u_last, "last o": o_last}
    assert (u is None) == ("u" not in outputs)
    weights = slopes(case, outputs)
    loss = sum((found[name] * weights[name]).sum() for name in outputs)
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.backward()
    return (
        {name: None if value is None else value.detach() for name, value in found.items()},
        {name: leaf.grad for name, leaf in leaves.items()},
    )


def wanted(case: Case, outputs: tuple[str, ...] = OUTPUTS) -> Outcome:
    """Return what :func:`outcome` has to, by the oracle, in the case's type."""
    found = trajectory(case)
    weights = {name: number(value) for name, value in slopes(case, outputs).items()}
    g = oracle.backward(
        case.layer,
        number(case.u),
        number(case.o),
        found,
        weights["o"],
        weights["u"],
        weights["last o"],
        weights["last u"],
    )
    gradients = {"x": g.x, "u": g.u, "o": g.o, "k_tau": g.k_tau, "weight": g.weight}
    if case.inputs is not None and case.w is not None:
        gradients["inputs"] = np.einsum("tbi,ij->tbj", g.x, number(case.w))
        gradients["w"] = np.einsum("tbi,tbj->ij", g.x, number(case.inputs))
    last_u, last_o = (found.u[-1], found.o[-1]) if len(found.u) else (number(case.u), number(case.o))
    values = {"o": found.o, "u": found.u if "u" in outputs else None, "last u": last_u, "last o": last_o}

    def tensor(value: Any) -> Tensor | None:
        return None if value is None else torch.from_numpy(np.asarray(value)).to(case.x.dtype)

    return (
        {name: tensor(value) for name, value in values.items()},
        {name: tensor(value) for name, value in gradients.items() if name in case.leaves},
    )


def assert_close(found: Tensor, expected: Tensor, tolerance: float, name: str) -> None:
    """Assert equality to ``tolerance`` relative to the largest entry; entries above 1e6 relative to themselves."""
    assert found.shape == expected.shape and found.dtype == expected.dtype, name
    size = expected.abs()
    ordinary = size < 1e6
    largest = size[ordinary].max() if ordinary.any() else torch.zeros((), dtype=expected.dtype)
    near = (found - expected).abs() <= tolerance * torch.where(ordinary, largest, size)
    same = near | (found == expected) | (found.isnan() & expected.isnan())
    assert same.all(), f"{name}: {found[~same].tolist()} instead of {expected[~same].tolist()} at {(~same).nonzero()}"


def assert_alike(found: Outcome, expected: Outcome, tolerance: float) -> None:
    """Assert the same spikes, and the same potentials and gradients to ``tolerance``."""
    for name, value in expected[0].items():
        mine = found[0][name]
        if mine is None or value is None:
            assert mine is value, name
        else:
            assert_close(mine, value, 0.0 if name.endswith("o") else tolerance, name)
    for name, value in expected[1].items():
        mine = found[1][name]
        if mine is None or value is None:
            # No gradient at all and a gradient of zero are the same thing said in two ways.
            assert all(one is None or not one.any() for one in (mine, value)), name
        else:
            assert_close(mine, value, tolerance, name)
