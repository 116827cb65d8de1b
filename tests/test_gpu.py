"""The cuda backend on a GPU, where there is one: the same numbers as on the processor, and no copy on the way."""

import itertools
from dataclasses import replace
from typing import Any

import layers
import pytest
import torch
from cuda_shim import exact
from layers import F32, F64, LEAKS, RESETS, TOLERANCE, assert_alike, assert_close, draw
from spikingjelly.activation_based import surrogate

from lifroles.backends import cuda, reference
from lifroles.networks import SpikingMLP
from lifroles.variant import Variant

NAN = float("nan")


def on_gpu(case):
    return replace(case, **{name: leaf.cuda() for name, leaf in case.leaves.items()})


def outcome(kernels, case) -> Any:
    """Return outputs and gradients in main memory."""
    found = layers.outcome(kernels, case)
    return [{name: None if value is None else value.cpu() for name, value in part.items()} for part in found]


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("reset", RESETS)
def test_every_variant_agrees_with_the_reference(gpu, reset, recurrent, dtype):
    options: dict[str, Any] = {"recurrent": recurrent, "reset": reset}
    cases = [
        draw((9, 6, 7), dtype, leak, detach_reset=detach, **options)
        for leak, detach in itertools.product(LEAKS, (False, True))
    ]
    cases += [exact(draw(s, dtype, "learnable", apart=0.0, **options)) for s in ((30, 257, 33), (5, 3, 700))]
    for case in cases:
        found, expected = outcome(cuda, on_gpu(case)), outcome(reference, case)
        assert_alike(found, expected, TOLERANCE[dtype])
        if not recurrent:
            assert all(torch.equal(found[0][name], value) for name, value in expected[0].items())


def test_two_runs_give_the_same_bits(gpu):
    for recurrent in (False, True):
        case = on_gpu(draw((50, 70, 130), F32, "learnable", recurrent, apart=0.0))
        first, second = (outcome(cuda, case) for _ in range(2))
        for kind in (0, 1):
            assert all(torch.equal(second[kind][name], value) for name, value in first[kind].items())


def test_it_waits_for_what_torch_does_on_the_same_stream(gpu):
    case = on_gpu(draw((20, 64, 128), F32, 0.5, apart=0.0))
    expected = cuda.run(case.x, case.u, case.o, **case.options)[0]
    with torch.cuda.stream(torch.cuda.Stream()):
        busy = torch.rand(4096, 4096, device="cuda")
        for _ in range(20):
            busy = busy @ busy / 4096
        # The current is there only when the stream has got to it, and overwritten right after.
        late = case.x + 0 * busy[0, 0]
        found = cuda.run(late, case.u, case.o, **case.options)[0]
        late.fill_(NAN)
    torch.cuda.synchronize()
    assert torch.equal(found, expected)


def test_auto_picks_it_and_the_network_learns_the_same(gpu):
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        net = SpikingMLP((6, 8, 3), Variant("learnable", recurrent=True), u_th=0.3, width=0.25, readout="integrator")
        x = torch.rand(9, 4, 6, dtype=F64, generator=torch.Generator().manual_seed(1)) * 2
        net.double().to(device)(x.to(device)).output.square().mean().backward()
        kernels: list[Any] = [node._kernels for node in net.nodes]
        assert {one.name for one in kernels} == {device}
        parameters: Any = dict(net.named_parameters())
        results.append({key: parameter.grad.cpu() for key, parameter in parameters.items()})
    for key, gradient in results[0].items():
        assert_close(results[1][key], gradient, TOLERANCE[F64], key)


def test_a_repeated_input_is_not_written_out(gpu):
    step = torch.rand(512, 1024, device="cuda")
    zero = torch.zeros_like(step)
    cuda.run(step.expand(2, -1, -1), zero, zero, k_tau=0.5, reset="hard", u_th=0.3, fire=surrogate.Rect())
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with torch.no_grad():
        o, *_ = cuda.run(step.expand(100, -1, -1), zero, zero, k_tau=0.5, reset="hard", u_th=0.3, fire=surrogate.Rect())
    used = torch.cuda.max_memory_allocated() - before
    assert used < 1.1 * o.numel() * o.element_size()


def test_the_smallest_numbers_are_not_taken_for_zero(gpu):
    for dtype, tiny in ((F32, 2.0**-149), (F64, 2.0**-1074)):
        x = torch.tensor([4, 3, 0, 1], dtype=dtype).mul(tiny).view(4, 1, 1)
        m = cuda.integrate(x.cuda(), k_tau=1.0).cpu()
        assert m.flatten().div(tiny).tolist() == [4, 7, 7, 8]
