"""The CUDA kernels, run on the processor: the reference's numbers, however the tensors lie and the threads run."""

import ctypes
import itertools
import mmap
from dataclasses import replace
from typing import Any

import cuda_shim
import layers
import numpy as np
import pytest
import torch
from layers import F32, F64, LEAKS, RESETS, TOLERANCE, assert_alike, assert_close, draw
from spikingjelly.activation_based import surrogate

from lifroles import backends
from lifroles.backends import _cupy, cuda, reference
from lifroles.networks import SpikingMLP
from lifroles.variant import Variant

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def shim(require):
    """Return the cuda backend on the processor, with a fresh list of launches."""
    return cuda_shim.backend(require)


def outcome(kernels, case, **options) -> Any:
    return layers.outcome(kernels, case, **options)


def launches(backend) -> list[str]:
    return [kernel for kernel, _, _ in backend._launch.launched]


def assert_same_bits(found, expected):
    for name, value in expected.items():
        assert (found[name] is None) if value is None else torch.equal(found[name], value), name


# what the kernels compute


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("detach", [False, True], ids=["", "detach"])
@pytest.mark.parametrize("reset", RESETS)
def test_every_variant_agrees_with_the_reference(shim, reset, detach, recurrent, dtype):
    for leak in LEAKS:
        case = draw((9, 6, 7), dtype, leak, recurrent, reset=reset, detach_reset=detach)
        found, expected = outcome(shim, case), outcome(reference, case)
        assert_alike(found, expected, TOLERANCE[dtype])
        if not recurrent:
            assert_same_bits(found[0], expected[0])
    assert len(launches(shim)) == 2 * len(LEAKS), "every one of them ran in the kernels"


@pytest.mark.parametrize(
    "shape",
    # lanes that leave a block's last threads idle, lengths beside what is read ahead, one of everything
    [(1, 1, 1), (8, 5, 1), (7, 1, 33), (9, 4, 32), (17, 3, 129), (4, 2, 256)],
    ids=str,
)
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_any_shape(shim, shape, recurrent):
    for dtype in (F32, F64):
        case = draw(shape, dtype, "learnable", recurrent)
        assert_alike(outcome(shim, case), outcome(reference, case), TOLERANCE[dtype])


@pytest.mark.parametrize(("dtype", "batch"), [(F32, 5), (F64, 3)], ids=["f32", "f64"])
def test_more_neurons_than_threads_and_a_batch_that_fills_no_block(shim, dtype, batch):
    case = cuda_shim.exact(draw((4, batch, 700), dtype, "learnable", True, apart=0.0))
    assert_alike(outcome(shim, case), outcome(reference, case), TOLERANCE[dtype])


def test_more_neurons_than_threads_that_all_get_one_current(shim):
    case = cuda_shim.exact(draw((3, 2, 550), F64, 0.5, True, apart=0.0))
    x, v = case.x[:, :, :1], case.leaves["weight"]
    o, *_ = shim.run(
        x.expand(3, 2, 550), case.u, case.o, k_tau=1.0, reset="hard", u_th=0.3125, fire=surrogate.Rect(alpha=2.0),
        recurrent_weight=v,
    )  # fmt: skip
    expected, *_ = reference.run(
        x.expand(3, 2, 550), case.u, case.o, k_tau=1.0, reset="hard", u_th=0.3125, fire=surrogate.Rect(alpha=2.0),
        recurrent_weight=v,
    )  # fmt: skip
    assert launches(shim) == ["forward_recurrent"]
    assert 0 < o.mean() < 1
    assert torch.equal(o, expected)


def test_the_most_neurons_and_one_more(shim):
    most = cuda.RECURRENT_MOST
    for features in (most, most + 1):
        case = draw((2, 1, features), F64, 0.5, True, apart=0.0)
        assert_alike(outcome(shim, case), outcome(reference, case), TOLERANCE[F64])
    assert launches(shim) == ["forward_recurrent", "backward_recurrent"], "the larger layer went to the reference"


def test_spikes_that_are_not_0_or_1_before_the_first_step(shim):
    case = draw((5, 3, 40), F64, 0.5, True)
    case = replace(case, o=torch.linspace(-1, 1, 120, dtype=F64).view(3, 40))
    assert_alike(outcome(shim, case), outcome(reference, case), TOLERANCE[F64])


class Guarded:
    """A copy of numbers in memory that ends (or begins) where a page begins (or ends) that nobody may touch.

    Arguments:
        numbers: a flat tensor.
        ends: whether the page comes behind it.
    """

    def __init__(self, numbers: torch.Tensor, ends: bool) -> None:
        page, size = mmap.PAGESIZE, numbers.nbytes
        pages = -(-size // page)
        memory = mmap.mmap(-1, (pages + 2) * page)
        offset = (pages + 1) * page - size if ends else page
        self.tensor = torch.frombuffer(memory, dtype=numbers.dtype, count=len(numbers), offset=offset)
        self.tensor.copy_(numbers)
        for place in (self.tensor.data_ptr() - offset, self.tensor.data_ptr() - offset + (pages + 1) * page):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(place), ctypes.c_size_t(page), 0) == 0


@pytest.mark.parametrize("ends", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 5), (9, 2, 33)], ids=str)
def test_nothing_is_touched_outside_of_the_arrays(shim, monkeypatch, shape, recurrent, ends):
    run = cuda._Rule.run

    def guarded(rule, kernel, like, blocks, threads, arguments):
        arguments, held = list(arguments), []
        for i, tensor in enumerate(arguments):
            if isinstance(tensor, torch.Tensor) and tensor.numel() > 0:
                extent = 1 + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
                numbers = tensor.detach().as_strided((extent,), (1,))
                held.append((numbers, Guarded(numbers, ends)))
                arguments[i] = held[-1][1].tensor
        run(rule, kernel, like, blocks, threads, arguments)
        for numbers, copy in held:
            numbers.copy_(copy.tensor)

    case = draw(shape, F64, 0.5, recurrent)
    cases = [case]
    if recurrent:
        weight = case.leaves["weight"].clone()
        weight[0, -1] = INF
        cases.append(replace(case, weight=weight))
    for one in cases:
        expected = outcome(shim, one)
        with monkeypatch.context() as patch:
            patch.setattr(cuda._Rule, "run", guarded)
            found = outcome(shim, one)
        for a, b in zip(found, expected, strict=True):
            for name, value in b.items():
                assert (a[name] is None) if value is None else torch.equal(a[name].nan_to_num(), value.nan_to_num()), (
                    name
                )


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("of", [0, 3, 4])
def test_a_recurrent_weight_that_is_not_finite_counts_without_a_spike_too(shim, of, value):
    """In a matrix product 0 times it is no number, so that a product that skips zeros would give something else."""
    case = draw((6, 4, 5), F64, 0.5, True)
    weight = case.leaves["weight"].clone()
    weight[2, of] = value
    for before in (case.o, torch.zeros_like(case.o), torch.ones_like(case.o)):
        spoilt = replace(case, weight=weight, o=before)
        found, expected = outcome(shim, spoilt)[0], outcome(reference, spoilt)[0]
        for name, potential in expected.items():
            assert_close(found[name], potential, 1e-12, name)
        assert expected["u"][:, :, 2].isnan().any()
        assert expected["u"][:, :, 4].isfinite().all()


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("reset", RESETS)
def test_an_infinite_potential_at_the_last_step_leads_nowhere(shim, reset, recurrent):
    """Nothing follows: not even 0 times infinity."""
    case = draw((4, 2, 5), F64, "learnable", recurrent, reset=reset)
    case.x[-1, :, :3] = torch.tensor([INF, -INF, NAN], dtype=F64)
    found, expected = outcome(shim, case, outputs=("o",)), outcome(reference, case, outputs=("o",))
    assert_alike(found, expected, TOLERANCE[F64])
    assert expected[1]["x"].isfinite().all()


def test_the_order_in_which_threads_run_does_not_matter(require):
    """Threads that do not wait for each other where they should would read what is not there yet."""
    for dtype, shape in itertools.product((F32, F64), ((6, 5, 70), (3, 2, 530))):
        case = draw(shape, dtype, "learnable", True, apart=0.0)
        results = [outcome(cuda_shim.backend(require, seed), case) for seed in range(3)]
        for values, gradients in results[1:]:
            assert_same_bits(values, results[0][0])
            assert_same_bits(gradients, results[0][1])


def test_the_sum_for_the_leak_keeps_the_digits_of_a_long_sequence(shim):
    """In float32 a sum of 4,000 terms, one by one, would be off by 1e-4."""
    case = draw((4000, 2, 3), F32, "learnable", reset="none", apart=0.0)
    exact = replace(case, **{name: leaf.double() for name, leaf in case.leaves.items()})
    learned, expected = (outcome(kernels, one, outputs=("u",))[1] for kernels, one in ((shim, case), (shim, exact)))
    assert_close(learned["k_tau"], expected["k_tau"].float(), 1e-5, "k_tau")


# how they are called


def test_a_layer_takes_one_launch_forward_and_one_backward(shim):
    case = draw((9, 6, 7), F32, "learnable")
    outcome(shim, case)
    outcome(shim, replace(case, weight=torch.zeros(7, 7)))
    m = shim.integrate(case.x.requires_grad_(), k_tau=case.k_tau)
    m.sum().backward()
    assert launches(shim) == ["forward", "backward", "forward_recurrent", "backward_recurrent", "forward", "backward"]
    with torch.no_grad():
        shim.run(case.x, case.u, case.o, **case.options)
    assert launches(shim)[6:] == ["forward"]
    resets = [options for _, options, _ in shim._launch.launched]
    assert resets == [_cupy.Options("float", "HARD")] * 4 + [_cupy.Options("float", "SILENT")] * 2 + resets[:1]


def test_the_input_is_read_where_it_is(shim):
    x = draw((6, 4, 5), F64).x
    wide = torch.zeros(6, 4, 10, dtype=F64)
    cases = {
        "dense": (x, (20, 5, 1)),
        "one step for all": (x[0].expand(6, -1, -1), (0, 5, 1)),
        "one row for the batch": (x[:, :1].expand(-1, 4, -1), (20, 0, 1)),
        "one number": (x[:1, :1, :1].expand(6, 4, 5), (0, 0, 0)),
        "batch first": (x.transpose(0, 1).contiguous().transpose(0, 1), (5, 30, 1)),
        "every other step": (x[::2], (40, 5, 1)),
        "a part of each row": (wide[..., :5], (40, 10, 1)),
    }
    zero = torch.zeros(4, 5, dtype=F64)
    for name, (current, strides) in cases.items():
        shim.run(current, zero, zero, k_tau=0.5, reset="hard", u_th=0.3, fire=surrogate.Rect())
        assert shim._launch.launched[-1][2][:4] == (current.data_ptr(), *strides), name
    spread = wide[..., ::2]
    shim.run(spread, zero, zero, k_tau=0.5, reset="hard", u_th=0.3, fire=surrogate.Rect())
    address, *strides = shim._launch.launched[-1][2][:4]
    assert address != spread.data_ptr() and strides == [20, 5, 1], "neighbours that lie apart are brought together"


def test_a_gradient_that_is_one_number_is_read_where_it_is(shim):
    case = draw((6, 4, 5), F64)
    gradients = []
    for kernels in (reference, shim):
        x = case.x.detach().requires_grad_()
        kernels.run(x, case.u, case.o, **case.options)[0].sum().backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)
    assert shim._launch.launched[-1][2][4:7] == (0, 0, 0), "strides"


def test_nothing_is_kept_that_no_gradient_needs(shim):
    for recurrent in (False, True):
        case = draw((6, 4, 5), F64, recurrent=recurrent)
        o, u, *_ = shim.run(case.x, case.u, case.o, **case.options)
        assert u is None and o.grad_fn is None
        assert shim._launch.launched[-1][2][12] == 0, "u is not written"
    outcome(shim, draw((6, 4, 5), F64), outputs=("o",), needs=("u",))
    assert shim._launch.launched[-1][2][22] == 0, "dL/dx is not written"


def test_autocast_and_functional_transforms_go_to_the_reference(shim):
    case = draw((4, 3, 5), F32)
    expected = reference.run(case.x, case.u, case.o, **case.options)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(shim.run(case.x, case.u, case.o, **case.options)[0], expected)
    batched = torch.vmap(lambda x: shim.integrate(x[:, None], k_tau=0.5)[:, 0], 1, 1)
    assert torch.equal(batched(case.x), reference.integrate(case.x, k_tau=0.5))
    assert not launches(shim)


def test_a_network_learns_the_same(shim, monkeypatch):
    results = []
    for kernels in (reference, shim):
        monkeypatch.setattr(backends, "select", lambda name, kernels=kernels: (name, kernels))
        torch.manual_seed(0)
        net = SpikingMLP((6, 8, 3), Variant("learnable", recurrent=True), u_th=0.3, width=0.25, readout="integrator")
        x = torch.rand(9, 4, 6, dtype=F64, generator=torch.Generator().manual_seed(1)) * 2
        net.double()(x).output.square().mean().backward()
        results.append({key: parameter.grad for key, parameter in net.named_parameters()})
    for key, gradient in results[0].items():
        assert gradient is not None
        assert_close(results[1][key], gradient, TOLERANCE[F64], key)
    assert launches(shim) == ["forward_recurrent", "forward", "backward", "backward_recurrent"]


# the shim itself


def test_the_shim_tells_a_wrong_barrier_from_a_right_one(require):
    require(cuda_shim.compiler(), "no C++ compiler is installed: install g++")
    launch = cuda_shim.Launch()
    for stop in (0, 64):
        launch.call("shim_test_barrier", 1, 64, (stop,))
    with pytest.raises(RuntimeError, match="not all threads reach a barrier"):
        launch.call("shim_test_barrier", 1, 64, (63,))
    out = np.zeros(64, np.int64)
    wanted = list(range(63, -1, -1))
    for seed in range(4):
        cuda_shim.Launch(seed).call("shim_test_race", 2, 64, (1, out.ctypes.data))
        assert out.tolist() == wanted
        cuda_shim.Launch(seed).call("shim_test_race", 2, 64, (0, out.ctypes.data))
        assert out.tolist() != wanted, "a missing barrier shows"
    launch.call("shim_test_vote", 1, 64, (out.ctypes.data,))
    votes = [sum(1 << i for i in range(32) if (first + i) % 3 == 0) for first in (0, 32)]
    assert out.tolist() == [votes[0]] * 32 + [votes[1]] * 32
    with pytest.raises(RuntimeError, match="wrong number of arguments"):
        launch.call("shim_test_vote", 1, 64, ())
    with pytest.raises(RuntimeError, match="an argument of the wrong size"):
        launch.call("shim_test_vote", 1, 64, (np.float32(1),))
