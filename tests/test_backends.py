"""What the cpu backend promises beyond the conformance suite: the reference's bits, and to hand over where it must."""

import itertools
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from cuda_shim import exact
from layers import F32, F64, LEAKS, RESETS, TOLERANCE, assert_alike, assert_close, draw, outcome, slopes
from spikingjelly.activation_based import surrogate

from lifroles import backends
from lifroles.backends import cpu, reference
from lifroles.errors import LifrolesError, SpecError
from lifroles.networks import LeakyIntegrator, SpikingMLP
from lifroles.variant import Variant

# B·N of 1, of less and of more than one block of the loops, and N that no vector register holds evenly.
SHAPES = [(7, 3, 5), (1, 1, 1), (4, 2, 4099), (30, 257, 33), (3, 500, 16)]


@pytest.fixture
def no_fallback(monkeypatch):
    """Make the reference's sequences fail when `cpu` hands over to them: returns a switch."""

    def refuse(*args, **kwargs):
        raise AssertionError("handed over to the reference")

    real = reference.run, reference.integrate

    class Switch:
        def __enter__(self):
            monkeypatch.setattr(reference, "run", refuse)
            monkeypatch.setattr(reference, "integrate", refuse)

        def __exit__(self, *error):
            monkeypatch.setattr(reference, "run", real[0])
            monkeypatch.setattr(reference, "integrate", real[1])

    return Switch()


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("leak", LEAKS)
def test_without_recurrence_all_but_the_leaks_gradient_is_the_references_bit_for_bit(leak, reset, dtype):
    """As long as only spikes lead to the loss, there is one order of operations."""
    case = draw((20, 12, 16), dtype, leak, reset=reset, apart=0.0)
    (values, gradients), (expected, expected_gradients) = (
        outcome(kernels, case, outputs=("o",)) for kernels in (cpu, reference)
    )
    for name in ("o", "last o", "last u"):
        assert torch.equal(values[name], expected[name]), name
    assert torch.equal(gradients["x"], expected_gradients["x"])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_shape(shape):
    for dtype, leak in itertools.product((F32, F64), (0.3, "learnable")):
        case = draw(shape, dtype, leak, apart=0.0)
        found, expected = outcome(cpu, case), outcome(reference, case)
        assert_alike(found, expected, TOLERANCE[dtype])
        assert all(torch.equal(found[0][name], value) for name, value in expected[0].items())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_shape_with_recurrence(shape):
    if shape[-1] > 1000:
        shape = (shape[0], shape[-1], shape[1])
    for dtype, leak in itertools.product((F32, F64), (0.0, 1.0, "learnable")):
        case = exact(draw(shape, dtype, leak, True, apart=0.0))
        assert_alike(outcome(cpu, case), outcome(reference, case), TOLERANCE[dtype])


def test_the_ordinary_case_runs_in_the_loops(no_fallback):
    """Without this the suite would also pass if everything were handed over."""
    with no_fallback:
        for dtype, reset, recurrent, leak in itertools.product((F32, F64), RESETS, (False, True), (0.3, "learnable")):
            outcome(cpu, draw((4, 3, 5), dtype, leak, recurrent, reset=reset))
            cpu.integrate(torch.rand(4, 3, 5, dtype=dtype), k_tau=0.5)
            cpu.integrate(torch.rand(4, 3, 5, dtype=dtype), k_tau=torch.rand(5, dtype=dtype))


def test_the_graph_may_be_used_twice_but_has_no_second_derivative():
    for recurrent in (False, True):
        case = draw((6, 4, 5), F64, 0.3, recurrent)
        x = case.x.requires_grad_()
        out, *_ = cpu.run(x, case.u, case.o, **case.options)
        (first,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
        (again,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
        assert torch.equal(first, again)
        with pytest.raises(LifrolesError, match="no second derivative: give backend='reference'"):
            torch.autograd.grad(out.sum(), x, create_graph=True)


@pytest.mark.parametrize(
    "change",
    [
        {"fire": surrogate.Sigmoid()},
        {"fire": surrogate.Rect(spiking=False)},
        {"dtype": torch.bfloat16},
        {"k_tau": torch.tensor(0.5)},
        {"k_tau": torch.full((5,), 0.5, dtype=F64), "recurrent_weight": None},
    ],
    ids=["surrogate", "not spiking", "type", "one coefficient tensor", "mixed types"],
)
def test_what_the_loops_do_not_cover_is_the_references(change):
    case = draw((4, 3, 5), F32, 0.3, True)
    dtype = change.get("dtype", F32)
    case = replace(case, **{name: leaf.to(dtype) for name, leaf in case.leaves.items()})
    options = {**case.options, **{name: value for name, value in change.items() if name != "dtype"}}
    results = []
    for backend in (reference, cpu):
        leaf = case.x.clone().requires_grad_()
        out, *_ = backend.run(leaf, case.u, case.o, **options)
        out.sum().backward()
        results.append((out, leaf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("shape", [(9, 4, 3), (1, 1, 1), (3, 5000, 2)], ids=str)
def test_the_integrator_is_the_references_bit_for_bit(shape, leak, dtype, no_fallback):
    case = draw(shape, dtype, leak, apart=0.0)
    weight = slopes(case)["u"]
    results = []
    for backend in (reference, cpu):
        leaf = case.x.clone().requires_grad_()
        k = case.k_tau.clone().requires_grad_() if isinstance(case.k_tau, torch.Tensor) else case.k_tau
        if backend is cpu:
            with no_fallback:
                m = backend.integrate(leaf, k_tau=k)
        else:
            m = backend.integrate(leaf, k_tau=k)
        (m * weight).sum().backward()
        results.append((m, leaf.grad, k.grad if isinstance(k, torch.Tensor) else None))
    (m, g, g_k), (found, found_g, found_k) = results
    assert torch.equal(found, m)
    assert torch.equal(found_g, g)
    if g_k is not None:
        assert_close(found_k, g_k, TOLERANCE[dtype], "k_tau")


def test_one_training_step_of_a_network_agrees_between_backends():
    results = []
    for name in ("reference", "cpu"):
        torch.manual_seed(0)
        net = SpikingMLP(
            (6, 8, 3), Variant("learnable", recurrent=True), u_th=0.3, width=0.25, readout="integrator", backend=name
        ).double()
        x = torch.rand(9, 4, 6, dtype=F64, generator=torch.Generator().manual_seed(1)) * 2
        net(x).output.square().mean().backward()
        results.append({key: parameter.grad for key, parameter in net.named_parameters()})
    for key, gradient in results[0].items():
        torch.testing.assert_close(results[1][key], gradient, rtol=1e-11, atol=1e-14, msg=lambda m, n=key: f"{n}: {m}")


def test_backends_are_chosen_by_name():
    name, chosen = backends.select("auto")
    assert name == "cpu"
    assert chosen is cpu or torch.cuda.is_available()
    assert backends.select("reference") == ("reference", reference)
    assert LeakyIntegrator(3, 0.5, backend="reference").backend == "reference"
    with pytest.raises(SpecError, match=r"backend is 'gpu': give one of auto, reference, cpu, cuda\."):
        backends.select("gpu")


def test_importing_the_package_does_not_import_numba():
    code = "import sys, lifroles.backends.cpu; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
