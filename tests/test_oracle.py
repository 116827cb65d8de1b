"""The oracle is right, and so are the gradients: against finite differences, on smooth relaxations of the neuron.

A spike has no derivative, so there is nothing to take differences of. Two ways to fire that have one lead around that:
the ramp, whose true derivative is the surrogate everywhere, and the tangent, which at one trajectory gives the spiking
neuron's own spikes and the surrogate as its slope. The tangent puts the kernels themselves to the test, which can fire
in one way only.
"""

import ast
from dataclasses import replace
from pathlib import Path

import layers
import numpy as np
import oracle
import pytest
import torch
from layers import F64, RESETS, draw, number

from lifroles.backends import reference

SMALL = (3, 2, 3)


def test_the_oracle_shares_no_code_with_the_package():
    tree = ast.parse(Path(oracle.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"collections.abc", "dataclasses", "typing", "numpy"}


def reset_spikes(case, found):
    """Return the spikes that reset at each step, which a detached reset takes as they are."""
    return np.concatenate([number(case.o)[None], found.o])[:-1] if case.detach_reset else None


@pytest.mark.parametrize("relaxation", ["ramp", "tangent"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("detach", [False, True], ids=["", "detach"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("leak", [0.3, "learnable"])
def test_the_oracles_gradients_are_the_finite_differences(leak, reset, detach, recurrent, relaxation):
    case = draw((6, 3, 4), leak=leak, recurrent=recurrent, reset=reset, detach_reset=detach, apart=1e-3)
    layer, x, u, o = case.layer, number(case.x), number(case.u), number(case.o)
    fire = oracle.ramp(layer) if relaxation == "ramp" else oracle.tangent(layer, layers.trajectory(case))
    at = oracle.forward(layer, x, u, o, fire)
    resets = reset_spikes(case, at)
    rng = np.random.default_rng(1)
    d_o, d_u = rng.standard_normal((2, *x.shape))
    d_o_last, d_u_last = rng.standard_normal((2, *u.shape))
    g = oracle.backward(layer, u, o, at, d_o, d_u, d_o_last, d_u_last)
    toward = {name: rng.standard_normal(np.shape(value)) for name, value in vars(g).items() if value is not None}

    def loss(step):
        moved = replace(
            layer,
            k_tau=layer.k_tau + step * toward["k_tau"],
            weight=None if layer.weight is None else layer.weight + step * toward["weight"],
        )
        found = oracle.forward(
            moved, x + step * toward["x"], u + step * toward["u"], o + step * toward["o"], fire, resets
        )
        return (
            (d_o * found.o).sum()
            + (d_u * found.u).sum()
            + (d_o_last * found.o[-1]).sum()
            + (d_u_last * found.u[-1]).sum()
        )

    # the five-point formula, since with recurrence the loss is a polynomial of a high degree
    step = 1e-4
    expected = (8 * (loss(step) - loss(-step)) - (loss(2 * step) - loss(-2 * step))) / (12 * step)
    found = sum((getattr(g, name) * value).sum() for name, value in toward.items())
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("k", [0.5, np.array([0.0, 0.9, 1.0])], ids=["one", "each"])
def test_the_oracles_integrator_has_the_finite_differences_as_gradients(k):
    rng = np.random.default_rng(2)
    x, toward, d_m = rng.standard_normal((3, 5, 2, 3))
    toward_k = rng.standard_normal(np.shape(k))
    g_x, g_k = oracle.integrate_backward(x, k, d_m)
    step = 1e-6
    ends = [(d_m * oracle.integrate(x + s * toward, k + s * toward_k)).sum() for s in (step, -step)]
    assert (g_x * toward).sum() + (g_k * toward_k).sum() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-7)


def test_the_oracles_float32_is_the_references_bit_for_bit():
    """So that the oracle may be asked what one rounding an operation gives."""
    case = draw((20, 3, 5), torch.float32, 0.3, reset="soft")
    o, u, *_ = reference.run(case.x, case.u, case.o, **case.options, keep_u=True)
    layer = oracle.Layer(np.float32(0.3), "soft", float(np.float32(0.3)))
    found = oracle.forward(layer, case.x.numpy(), case.u.numpy(), case.o.numpy())
    assert found.u.dtype == np.float32
    assert u is not None
    assert np.array_equal(found.u, u.numpy()) and np.array_equal(found.o, o.numpy())


def gradcheck(function, *tensors):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors if tensor is not None]
    assert torch.autograd.gradcheck(function, leaves, eps=1e-6, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("reset", RESETS)
def test_gradcheck_of_the_references_graph_with_the_ramp(reset, recurrent):
    case = draw(SMALL, F64, "learnable", recurrent, reset=reset, apart=1e-3)
    options = case.options

    def ramp(over):
        return (over / (2 * case.width) + 0.5).clamp(0, 1)

    def run(x, u, o, k, *v):
        changed = {"k_tau": k, "fire": ramp, "recurrent_weight": v[0] if v else None}
        return reference.run(x, u, o, **{**options, **changed}, keep_u=True)

    spikes = run(case.x, case.u, case.o, case.k_tau, *([case.weight] if recurrent else []))[0]
    assert ((spikes > 0) & (spikes < 1)).any(), "no potential is on the ramp"
    gradcheck(run, case.x, case.u, case.o, case.k_tau, case.weight)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("reset", RESETS)
def test_gradcheck_of_the_kernels_where_no_potential_is_in_the_rectangle(kernels, reset, recurrent):
    """There the spikes do not move and the rest is smooth: leak, reset, V and the sum over time, just as they run."""
    case = draw(SMALL, F64, "learnable", recurrent, reset=reset, width=0.001, apart=0.01)
    found = layers.trajectory(case)
    assert 0 < found.o.mean() < 1

    def run(x, u, k, *v):
        changed = {"k_tau": k, "recurrent_weight": v[0] if v else None}
        return torch.cat([*map(torch.flatten, kernels.run(x, u, case.o, **{**case.options, **changed}, keep_u=True))])

    gradcheck(run, case.x, case.u, case.k_tau, case.weight)


class Tangent(torch.autograd.Function):
    """The oracle forward, firing along the tangent of one trajectory; a backend's gradients backward."""

    @staticmethod
    def forward(ctx, kernels, case, x, u, o, k, v):
        ctx.kernels, ctx.case = kernels, case
        ctx.save_for_backward(x, u, o, k, v)
        at = layers.trajectory(case)
        moved = replace(case, x=x, u=u, o=o, k_tau=k, weight=v)
        found = oracle.forward(
            moved.layer, number(x), number(u), number(o), oracle.tangent(case.layer, at), reset_spikes(case, at)
        )
        return tuple(torch.from_numpy(part.copy()) for part in (found.o, found.u, found.u[-1], found.o[-1]))

    @staticmethod
    def backward(ctx, *gradients):
        leaves = [None if leaf is None else leaf.detach().requires_grad_() for leaf in ctx.saved_tensors]
        x, u, o, k, v = leaves
        wanted = [leaf for leaf in leaves if leaf is not None]
        with torch.enable_grad():
            outputs = ctx.kernels.run(x, u, o, **replace(ctx.case, k_tau=k, weight=v).options, keep_u=True)
            found = iter(torch.autograd.grad(outputs, wanted, gradients, materialize_grads=True))
        return None, None, *(None if leaf is None else next(found) for leaf in leaves)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("detach", [False, True], ids=["", "detach"])
@pytest.mark.parametrize("reset", RESETS)
def test_gradcheck_of_the_kernels_against_the_tangent_of_their_own_trajectory(kernels, reset, detach, recurrent):
    case = draw(SMALL, F64, "learnable", recurrent, reset=reset, detach_reset=detach, seed=1)
    spikes = layers.trajectory(case).o
    assert 0 < spikes.mean() < 1

    def run(x, u, o, k, *v):
        return Tangent.apply(kernels, case, x, u, o, k, v[0] if v else None)

    gradcheck(run, case.x, case.u, case.o, case.k_tau, case.weight)


def test_gradcheck_of_the_integrator(kernels):
    """It is smooth as it is."""
    case = draw((4, 2, 3), F64, "learnable")
    gradcheck(lambda x, k: kernels.integrate(x, k_tau=k), case.x, case.k_tau)
