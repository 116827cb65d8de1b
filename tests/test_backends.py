"""Every backend computes what the reference defines: the same spikes and potentials, the same gradients."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spikingjelly.activation_based import surrogate

from lifroles import backends
from lifroles.backends import cpu, reference
from lifroles.errors import LifrolesError, SpecError
from lifroles.networks import LeakyIntegrator, SpikingMLP
from lifroles.variant import Variant

F32, F64 = torch.float32, torch.float64
RECT = surrogate.Rect(alpha=2.0)
RESETS = ("hard", "soft", "none")
# B·N of 1, of less and of more than one block of the loops, and N that no vector register holds evenly.
SHAPES = [(7, 3, 5), (1, 1, 1), (4, 2, 4099), (30, 257, 33), (3, 500, 16)]


def case(shape, dtype, leak, recurrent, seed=0) -> Any:
    """Leaves for one layer: current, initial potential and spikes, k_tau, V, whose scales make some units fire."""
    random = torch.Generator().manual_seed(seed)

    def rand(*size):
        return torch.rand(size, generator=random, dtype=F64)

    _, batch, features = shape
    x = rand(*shape) * 0.8 - 0.3
    u = rand(batch, features)
    o = (rand(batch, features) < 0.4).to(F64)
    k = rand(features) * 0.5 + 0.45 if leak == "learnable" else leak
    v = (rand(features, features) - 0.5) / features**0.5 if recurrent else None
    return [part.to(dtype) if isinstance(part, torch.Tensor) else part for part in (x, u, o, k, v)]


def outcome(backend, parts, *, outputs=("o", "u", "last u", "last o"), needs="xuokv", seed=5, **options) -> Any:
    """Run forward and backward from random gradients at `outputs`; return the outputs and the leaves' gradients."""
    leaves = [
        part.detach().clone().requires_grad_(name in needs) if isinstance(part, torch.Tensor) else part
        for name, part in zip("xuokv", parts, strict=True)
    ]
    x, u, o, k, v = leaves
    options = {"reset": "hard", "u_th": 0.3, "fire": RECT, **options}
    o_seq, u_seq, u_last, o_last = backend.run(x, u, o, k_tau=k, recurrent_weight=v, keep_u="u" in outputs, **options)
    named = {"o": o_seq, "u": u_seq, "last u": u_last, "last o": o_last}
    random = torch.Generator().manual_seed(seed)
    loss = 0
    for name in outputs:
        weight = torch.randn(named[name].shape, generator=random, dtype=F64).to(x.dtype)
        loss = loss + (named[name] * weight).sum()
    if isinstance(loss, torch.Tensor) and loss.requires_grad:
        loss.backward()
    gradients = {name: leaf.grad for name, leaf in zip("xuokv", leaves, strict=True) if isinstance(leaf, torch.Tensor)}
    return {name: None if part is None else part.detach() for name, part in named.items()}, gradients


def assert_alike(parts, **options):
    """Assert that `cpu` gives the reference's outputs exactly and its gradients to rounding."""
    expected, expected_gradients = outcome(reference, parts, **options)
    found, gradients = outcome(cpu, parts, **options)
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=0, atol=0, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}"
        )
    rtol = 1e-11 if parts[0].dtype == F64 else 1e-4
    for name, value in expected_gradients.items():
        if value is None:
            assert gradients[name] is None, name
            continue
        scale = value.nan_to_num(0, 0, 0).abs().max().item() if value.numel() else 0.0
        torch.testing.assert_close(
            gradients[name], value, rtol=rtol, atol=rtol * scale, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}"
        )
    return found, gradients


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
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("detach_reset", [False, True], ids=["", "detach"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0, "learnable"])
def test_every_variant_agrees_with_the_reference(leak, reset, detach_reset, recurrent, dtype):
    parts = case((9, 6, 7), dtype, leak, recurrent)
    found, gradients = assert_alike(parts, reset=reset, detach_reset=detach_reset)
    assert 0.1 < found["o"].mean() < 0.97
    assert all(gradients[name].abs().max() > 0 for name in gradients.keys() - {"u", "o"})


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("recurrent", [False, True])
def test_the_gradient_to_the_current_is_the_references_bit_for_bit(recurrent, reset, dtype):
    """As long as only spikes lead to the loss, there is one order of operations."""
    parts = case((20, 12, 16), dtype, 0.9, recurrent)
    expected = outcome(reference, parts, outputs=("o",), reset=reset)[1]["x"]
    assert torch.equal(outcome(cpu, parts, outputs=("o",), reset=reset)[1]["x"], expected)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("recurrent", [False, True])
def test_any_shape(shape, recurrent):
    if recurrent and shape[-1] > 1000:
        shape = (shape[0], shape[-1], shape[1])
    for dtype, leak in itertools.product((F32, F64), (0.3, "learnable")):
        assert_alike(case(shape, dtype, leak, recurrent))


@pytest.mark.parametrize("shape", [(0, 3, 5), (4, 0, 5), (4, 3, 0), (0, 0, 5)], ids=str)
@pytest.mark.parametrize("recurrent", [False, True])
def test_empty_input(shape, recurrent):
    assert_alike(case(shape, F32, "learnable", recurrent))


@pytest.mark.parametrize("outputs", [("o",), ("u",), ("last u",), ("last o",), ("o", "u"), ("o", "last u")], ids=str)
@pytest.mark.parametrize("recurrent", [False, True])
def test_gradients_flow_back_from_any_of_the_outputs(outputs, recurrent):
    assert_alike(case((6, 4, 5), F64, "learnable", recurrent), outputs=outputs)


@pytest.mark.parametrize("needs", ["x", "k", "v", "u", "o", "xk", "kv", ""])
def test_gradients_only_where_they_are_wanted(needs):
    assert_alike(case((6, 4, 5), F64, "learnable", True), outputs=("o",), needs=needs)


def test_the_ordinary_case_runs_in_the_loops(no_fallback):
    """Without this the suite would also pass if everything were handed over."""
    with no_fallback:
        for dtype, reset, recurrent, leak in itertools.product((F32, F64), RESETS, (False, True), (0.3, "learnable")):
            outcome(cpu, case((4, 3, 5), dtype, leak, recurrent), reset=reset)
            cpu.integrate(torch.rand(4, 3, 5, dtype=dtype), k_tau=0.5)


@pytest.mark.parametrize("recurrent", [False, True])
def test_currents_in_any_layout(recurrent):
    parts = case((6, 4, 5), F64, "learnable", recurrent)
    x = parts[0]
    strided = torch.zeros(6, 4, 10, dtype=F64)
    strided[..., ::2] = x
    state = [part.t().contiguous().t() for part in parts[1:3]]
    layouts = {
        "strided": strided[..., ::2],
        "transposed": x.transpose(0, 1).contiguous().transpose(0, 1),
        "constant": x[0].expand(6, -1, -1),
        "constant, transposed": x[0].t().contiguous().t().expand(6, -1, -1),
        "one row for the batch": x[:, :1].expand(-1, 4, -1),
    }
    for name, current in layouts.items():
        results = []
        for backend in (reference, cpu):
            leaf = current.detach().requires_grad_()
            o, u, *_ = backend.run(
                leaf, *state, k_tau=parts[3], reset="hard", u_th=0.3, fire=RECT, recurrent_weight=parts[4], keep_u=True
            )
            (o * u.detach() + o).sum().backward()
            results.append((o, u, leaf.grad))
        for expected, found in zip(*results, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14, msg=lambda m, n=name: f"{n}: {m}")


def test_a_repeated_input_gives_its_gradient_once():
    image, *rest = case((1, 4, 5), F64, 0.3, False)
    gradients: list[Any] = []
    for backend in (reference, cpu):
        leaf = image[0].clone().requires_grad_()
        o, *_ = backend.run(leaf.expand(10, -1, -1), *rest[:2], k_tau=0.3, reset="hard", u_th=0.3, fire=RECT)
        (o * torch.arange(10.0, dtype=F64)[:, None, None]).sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)
    assert gradients[0].abs().max() > 0


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("reset", RESETS)
def test_two_halves_with_the_state_carried_on_are_the_whole(reset, recurrent, dtype):
    x, u, o, k, v = case((12, 4, 5), dtype, "learnable", recurrent)
    weight = torch.randn(x.shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    options = {"k_tau": k, "reset": reset, "u_th": 0.3, "fire": RECT, "recurrent_weight": v}
    results = []
    for parts in ((x,), (x[:5], x[5:])):
        leaves = [part.clone().requires_grad_() for part in parts]
        state, spikes = (u, o), []
        for leaf in leaves:
            out, _, *state = cpu.run(leaf, *state, **options)
            spikes.append(out)
        (torch.cat(spikes) * weight).sum().backward()
        results.append((torch.cat(spikes), *state, torch.cat([leaf.grad for leaf in leaves])))
    for whole, halves in zip(*results, strict=True):
        torch.testing.assert_close(halves, whole, rtol=1e-12 if dtype == F64 else 1e-5, atol=1e-6)


def test_without_gradients_the_numbers_are_the_same_and_no_graph_is_made():
    for recurrent in (False, True):
        x, u, o, k, v = case((6, 4, 5), F32, "learnable", recurrent)
        options = {"k_tau": k.requires_grad_(), "reset": "hard", "u_th": 0.3, "fire": RECT, "recurrent_weight": v}
        for keep_u in (False, True):
            with torch.no_grad():
                found = cpu.run(x, u, o, keep_u=keep_u, **options)
                expected = reference.run(x, u, o, keep_u=keep_u, **options)
            for mine, theirs in zip(found, expected, strict=True):
                if mine is None or theirs is None:
                    assert mine is theirs
                else:
                    assert torch.equal(mine, theirs) and not mine.requires_grad


def test_the_graph_may_be_used_twice_but_has_no_second_derivative():
    x, u, o, k, v = case((6, 4, 5), F64, 0.3, True)
    x.requires_grad_()
    out, *_ = cpu.run(x, u, o, k_tau=k, reset="hard", u_th=0.3, fire=RECT, recurrent_weight=v)
    (first,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
    (again,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
    assert torch.equal(first, again)
    with pytest.raises(LifrolesError, match="no second derivative: give backend='reference'"):
        torch.autograd.grad(out.sum(), x, create_graph=True)


EXACT = st.integers(-8, 12).map(lambda i: i / 8)


@settings(max_examples=150)
@given(data=st.data())
def test_ties_at_the_threshold_and_at_the_rectangles_edges(data):
    """Multiples of 1/8 add up exactly, so that u often meets u_th and u_th ± width themselves."""
    steps, batch, features = (data.draw(st.integers(1, 4)) for _ in range(3))
    width = data.draw(st.sampled_from([0.125, 0.25, 0.5, 1.0]))
    recurrent = data.draw(st.booleans())
    dtype = data.draw(st.sampled_from([F32, F64]))

    def grid(*size):
        count = int(torch.Size(size).numel())
        return torch.tensor(data.draw(st.lists(EXACT, min_size=count, max_size=count)), dtype=dtype).view(size)

    x, u = grid(steps, batch, features), grid(batch, features)
    o = (grid(batch, features) > 0.25).to(dtype)
    leak = data.draw(st.sampled_from([0.0, 0.5, 1.0, "learnable"]))
    k = grid(features) if leak == "learnable" else leak
    v = grid(features, features) if recurrent else None
    assert_alike(
        [x, u, o, k, v],
        reset=data.draw(st.sampled_from(RESETS)),
        detach_reset=data.draw(st.booleans()),
        u_th=data.draw(st.sampled_from([0.125, 0.25, 1.0])),
        fire=surrogate.Rect(alpha=1 / (2 * width)),
    )


def test_spikes_at_the_threshold_and_no_gradient_at_the_edges():
    """By hand, so that an edge moved in both backends is seen: u_th = 0.5, width = 0.25, no leak."""
    x = torch.tensor([0.25, 0.375, 0.5, 0.625, 0.75], dtype=F64).view(1, 1, 5).requires_grad_()
    zero = torch.zeros(1, 5, dtype=F64)
    o, *_ = cpu.run(x, zero, zero, k_tau=1.0, reset="hard", u_th=0.5, fire=surrogate.Rect(alpha=2.0))
    o.sum().backward()
    assert o.flatten().tolist() == [0, 0, 1, 1, 1]
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, 2, 2, 2, 0]


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_extreme_currents_give_what_the_reference_gives(recurrent, dtype):
    x, u, o, k, v = case((5, 3, 8), dtype, 0.3, recurrent)
    for i, value in enumerate([1e30, -1e30, float("nan"), float("inf"), -float("inf"), 1e-42, -0.0]):
        x[1, 0, i] = value
    for reset in RESETS:
        assert_alike([x, u, o, k, v], outputs=("o",), reset=reset)


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
    x, u, o, k, v = case((4, 3, 5), change.pop("dtype", F32), 0.3, True)
    options = {"k_tau": k, "reset": "hard", "u_th": 0.3, "fire": RECT, "recurrent_weight": v, **change}
    results = []
    for backend in (reference, cpu):
        leaf = x.clone().requires_grad_()
        out, *_ = backend.run(leaf, u, o, **options)
        out.sum().backward()
        results.append((out, leaf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0, "learnable"])
@pytest.mark.parametrize("shape", [(9, 4, 3), (1, 1, 1), (3, 5000, 2)], ids=str)
def test_the_integrator(shape, leak, dtype, no_fallback):
    x, _, _, k, _ = case(shape, dtype, leak, False)
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=F64).to(dtype)
    results = []
    for backend in (reference, cpu):
        leaf = x.clone().requires_grad_()
        learned = k.clone().requires_grad_() if isinstance(k, torch.Tensor) else k
        if backend is cpu:
            with no_fallback:
                m = backend.integrate(leaf, k_tau=learned)
        else:
            m = backend.integrate(leaf, k_tau=learned)
        (m * weight).sum().backward()
        results.append((m, leaf.grad, learned.grad if isinstance(learned, torch.Tensor) else None))
    (m, g, g_k), (found, found_g, found_k) = results
    assert torch.equal(found, m)
    assert torch.equal(found_g, g)
    if g_k is not None:
        tolerance = 1e-12 if dtype == F64 else 1e-4
        torch.testing.assert_close(found_k, g_k, rtol=tolerance, atol=tolerance * float(g_k.abs().max()))


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
    assert backends.select("auto") == ("cpu", cpu)
    assert backends.select("reference") == ("reference", reference)
    assert LeakyIntegrator(3, 0.5, backend="reference").backend == "reference"
    with pytest.raises(SpecError, match=r"backend is 'gpu': give one of auto, reference, cpu\."):
        backends.select("gpu")


def test_importing_the_package_does_not_import_numba():
    import subprocess
    import sys

    code = "import sys, lifroles.backends.cpu; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
