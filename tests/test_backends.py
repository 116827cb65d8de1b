"""What the cpu backend promises beyond the conformance suite: its own shapes, and not to hand over."""

import itertools
import subprocess
import sys

import pytest
import torch
from cuda_shim import exact
from layers import F32, F64, RESETS, TOLERANCE, assert_alike, draw, outcome

from lifroles import backends
from lifroles.backends import cpu, reference
from lifroles.errors import SpecError
from lifroles.networks import LeakyIntegrator

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
