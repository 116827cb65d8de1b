"""One suite for every backend: the reference's spikes, and the gradients of the reference and of the oracle."""

import itertools
from dataclasses import replace
from typing import Any

import layers
import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import F32, F64, LEAKS, OUTPUTS, RESETS, TOLERANCE, Case, assert_alike, assert_close, draw, outcome, wanted
from spikingjelly.activation_based import surrogate

from lifroles.backends import reference
from lifroles.errors import LifrolesError

NAN, INF = float("nan"), float("inf")


def check(kernels, case, oracle=True, **options) -> Any:
    """Assert that a backend agrees with the reference and, unless told not to, with the oracle."""
    found = outcome(kernels, case, **options)
    tolerance = TOLERANCE[case.x.dtype]
    if kernels is not reference:
        assert_alike(found, outcome(reference, case, **options), tolerance)
    if oracle:
        assert_alike(found, wanted(case, options.get("outputs", OUTPUTS)), tolerance)
    return found


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("detach", [False, True], ids=["", "detach"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("leak", LEAKS)
def test_every_variant(kernels, leak, reset, detach, recurrent, dtype):
    case = draw((9, 6, 7), dtype, leak, recurrent, reset=reset, detach_reset=detach, inputs=5)
    values, gradients = check(kernels, case)
    assert 0.1 < values["o"].mean() < 0.97
    assert gradients.keys() == case.leaves.keys()
    # With complete leakage nothing is left of the first potential.
    assert all(g.any() for name, g in gradients.items() if not (name in ("u", "o") and leak == 0) and g is not None)


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("leak", LEAKS)
def test_without_recurrence_the_numbers_are_the_references_bit_for_bit(kernels, leak, reset, dtype):
    """As long as only spikes lead to the loss, there is one order of operations."""
    case = draw((20, 12, 16), dtype, leak, reset=reset, apart=0.0)
    found, expected = (outcome(one, case, outputs=("o",)) for one in (kernels, reference))
    for name in ("o", "last o", "last u"):
        assert torch.equal(found[0][name], expected[0][name]), name
    assert torch.equal(found[1]["x"], expected[1]["x"])


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_the_graph_may_be_used_twice_but_has_no_second_derivative(kernels, recurrent):
    case = draw((6, 4, 5), F64, 0.3, recurrent)
    x = case.x.requires_grad_()
    out, *_ = kernels.run(x, case.u, case.o, **case.options)
    (first,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
    (again,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
    assert torch.equal(first, again)
    if kernels is not reference:
        with pytest.raises(LifrolesError, match="backend has no second derivative: give backend='reference'"):
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
def test_what_the_kernels_do_not_cover_is_the_references(kernels, change):
    launched = kernels._launch.launched if hasattr(kernels, "_launch") else []
    before = len(launched)
    case = draw((4, 3, 5), F32, 0.3, True)
    dtype = change.get("dtype", F32)
    case = replace(case, **{name: leaf.to(dtype) for name, leaf in case.leaves.items()})
    options = {**case.options, **{name: value for name, value in change.items() if name != "dtype"}}
    results = []
    for backend in (reference, kernels):
        leaf = case.x.clone().requires_grad_()
        out, *_ = backend.run(leaf, case.u, case.o, **options)
        out.sum().backward()
        results.append((out, leaf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert len(launched) == before, "a kernel ran"


WIDE = {
    # What fills vectors, blocks and threads, and a little more; enough of everything for several threads.
    "feed-forward": [(3, 2, 32), (3, 2, 33), (4, 50, 45), (40, 40, 33)],
    "recurrent": [(3, 2, 32), (3, 2, 33), (4, 3, 64), (5, 3, 70), (5, 3, 150), (9, 30, 63), (3, 16, 140)],
}


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_layers_wider_than_a_vector(kernels, kind, reset):
    for shape in WIDE[kind]:
        check(kernels, draw(shape, F64, "learnable", kind == "recurrent", reset=reset))


@pytest.mark.parametrize("outputs", [("o",), ("u",), ("last u",), ("last o",), ("o", "u"), ("o", "last u")], ids=str)
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_gradients_flow_back_from_any_of_the_outputs(kernels, outputs, recurrent):
    check(kernels, draw((6, 4, 5), F64, "learnable", recurrent), outputs=outputs)


@pytest.mark.parametrize("needs", ["x", "k_tau", "weight", "u", "o", "x k_tau", "k_tau weight", ""])
def test_gradients_only_where_they_are_wanted(kernels, needs):
    case = draw((6, 4, 5), F64, "learnable", True)
    everything = outcome(kernels, case, outputs=("o",))[1]
    gradients = outcome(kernels, case, outputs=("o",), needs=tuple(needs.split()))[1]
    for name, gradient in gradients.items():
        if name in needs.split():
            assert_close(gradient, everything[name], 1e-12, name)
        else:
            assert gradient is None, name


def test_without_gradients_the_numbers_are_the_same_and_no_graph_is_made(kernels):
    for recurrent, keep_u in itertools.product((False, True), repeat=2):
        case = draw((6, 4, 5), F64, "learnable", recurrent)
        values = outcome(kernels, case)[0]
        case = replace(case, k_tau=case.leaves["k_tau"].requires_grad_())
        with torch.no_grad():
            o, u, last_u, last_o = kernels.run(case.x, case.u, case.o, keep_u=keep_u, **case.options)
        assert torch.equal(o, values["o"]) and torch.equal(last_o, values["last o"])
        assert torch.equal(last_u, values["last u"])
        assert torch.equal(u, values["u"]) if keep_u else u is None
        assert not any(part.requires_grad for part in (o, last_u, last_o))


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_unless_told_otherwise_the_gradient_flows_through_the_reset_and_u_is_not_kept(kernels, reset):
    case = draw((4, 3, 5), F64, 0.9, reset=reset)
    options = case.options
    del options["detach_reset"], options["recurrent_weight"]

    def run(**more) -> Any:
        x = case.x.detach().requires_grad_()
        o, u, *_ = kernels.run(x, case.u, case.o, **options, **more)
        o.sum().backward()
        return u, x.grad

    def step(**more) -> Any:
        u, o = case.u.detach().requires_grad_(), case.o.detach().requires_grad_()
        after, _ = kernels.step(case.x[0], u, o, **options, **more)
        after.sum().backward()
        return after, o.grad

    for call in (run, step):
        assert torch.equal(call()[1], call(detach_reset=False)[1])
    assert not torch.equal(run()[1], run(detach_reset=True)[1])
    assert step()[1].any() and step(detach_reset=True)[1] is None
    assert run()[0] is None and run(keep_u=True)[0] is not None


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("reset", RESETS)
def test_in_two_halves_and_step_by_step_it_is_the_same(kernels, reset, recurrent, dtype):
    case = draw((12, 4, 5), dtype, "learnable", recurrent, reset=reset)
    weight = layers.slopes(case)["o"]

    def whole(x, state):
        o, _, *state = kernels.run(x, *state, **case.options)
        return o, state

    def halves(x, state):
        first, state = whole(x[:5], state)
        second, state = whole(x[5:], state)
        return torch.cat([first, second]), state

    def steps(x, state):
        spikes = []
        for x_t in x.unbind(0):
            state = kernels.step(x_t, *state, **case.options)
            spikes.append(state[1])
        return torch.stack(spikes), state

    results = []
    for run in (whole, halves, steps):
        x = case.x.detach().requires_grad_()
        o, (last_u, last_o) = run(x, (case.u, case.o))
        (o * weight).sum().backward()
        assert x.grad is not None
        results.append({"o": o, "last u": last_u, "last o": last_o, "x": x.grad})
    for parts in results[1:]:
        for name, value in parts.items():
            assert_close(value, results[0][name], 0.0 if name.endswith("o") else TOLERANCE[dtype], name)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_tensors_in_any_layout(kernels, recurrent):
    case = draw((6, 4, 5), F64, "learnable", recurrent)
    strided = torch.zeros(6, 4, 10, dtype=F64)
    strided[..., ::2] = case.x

    def turned(tensor):
        return tensor.transpose(0, 1).contiguous().transpose(0, 1)

    spread = torch.zeros(10, dtype=F64)
    spread[::2] = case.k_tau
    state = {"u": turned(case.u), "o": turned(case.o), "k_tau": spread[::2]}
    if case.weight is not None:
        state["weight"] = turned(case.weight)
    inputs = {
        "strided": strided[..., ::2],
        "transposed": turned(case.x),
        "backwards": case.x.flip(0)[:],
        "one step for all": case.x[0].expand(6, -1, -1),
        "one step for all, transposed": turned(case.x[0]).expand(6, -1, -1),
        "one row for the batch": case.x[:, :1].expand(-1, 4, -1),
        "one number": case.x[:1, :1, :1].expand(6, 4, 5),
    }
    for name, x in inputs.items():
        plain = replace(case, x=x.contiguous())
        mine, reference_ = (outcome(kernels, replace(plain, x=x, **state)), outcome(reference, plain))
        for found, expected in zip(mine, reference_, strict=True):
            for key, value in expected.items():
                assert value is not None
                assert_close(found[key], value, 1e-12, f"{name}: {key}")


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_gradients_from_outside_in_any_layout(kernels, recurrent):
    case = draw((6, 4, 5), F64, "learnable", recurrent)
    random = torch.Generator().manual_seed(7)
    wide = torch.randn((6, 4, 10), generator=random, dtype=F64)
    layouts = {
        "strided": wide[..., ::2],
        "batch first": wide[..., :5].transpose(0, 1).contiguous().transpose(0, 1),
        "neurons first": wide[..., :5].permute(2, 0, 1).contiguous().permute(1, 2, 0),
        "one step for all": wide[0, :, :5].expand(6, -1, -1),
        "one row for the batch": wide[:, :1, :5].expand(-1, 4, -1),
        "one number": wide[:1, :1, :1].expand(6, 4, 5),
    }

    def gradients(of_o, of_u) -> Any:
        x = case.x.detach().requires_grad_()
        o, u, *_ = kernels.run(x, case.u, case.o, keep_u=True, **case.options)
        torch.autograd.backward((o, u), (of_o, of_u))
        return x.grad

    for (name, one), other in itertools.product(layouts.items(), (wide[..., 5:], layouts["strided"])):
        for pair in ((one, other), (other, one)):
            plain = gradients(*(part.contiguous() for part in pair))
            assert torch.equal(gradients(*pair), plain), name


def test_a_repeated_input_gives_its_gradient_once(kernels):
    case = draw((1, 4, 5), F64)
    image = case.x[0].clone().requires_grad_()
    o, *_ = kernels.run(image.expand(10, -1, -1), case.u, case.o, **case.options)
    weight = torch.arange(10.0, dtype=F64)[:, None, None].expand_as(o)
    (o * weight).sum().backward()
    repeated = replace(case, x=image.detach().repeat(10, 1, 1))
    found = layers.trajectory(repeated)
    nothing, none = np.zeros_like(found.u), np.zeros((4, 5))
    state = layers.number(case.u), layers.number(case.o)
    g = oracle.backward(case.layer, *state, found, layers.number(weight), nothing, none, none)
    assert image.grad is not None
    assert_close(image.grad, torch.from_numpy(g.x.sum(0)), 1e-12, "image")
    assert image.grad.any()


@pytest.mark.parametrize("shape", [(0, 3, 5), (4, 0, 5), (4, 3, 0), (0, 0, 5), (0, 0, 0)], ids=str)
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_empty_input(kernels, shape, recurrent):
    case = draw(shape, F64, "learnable", recurrent)
    values, gradients = check(kernels, case)
    assert values["o"].shape == values["u"].shape == shape
    assert values["last u"].shape == shape[1:]
    assert all(g is None or g.shape == case.leaves[name].shape for name, g in gradients.items())


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(0, 12), st.integers(0, 5), st.integers(0, 9)),
    scale=st.floats(1e-3, 1e3),
    u_th=st.floats(0.05, 2),
    width=st.floats(0.05, 2),
    leak=st.sampled_from(LEAKS) | st.floats(0, 1),
    reset=st.sampled_from(RESETS),
    detach=st.booleans(),
    recurrent=st.booleans(),
    dtype=st.sampled_from([F32, F64]),
    seed=st.integers(0, 99),
)
def test_any_shape_threshold_and_width(kernels, shape, scale, u_th, width, leak, reset, detach, recurrent, dtype, seed):
    options = {"u_th": u_th * scale, "width": width * scale, "reset": reset, "detach_reset": detach}
    check(kernels, draw(shape, dtype, leak, recurrent, seed=seed, scale=scale, **options))


EIGHTHS = st.integers(-8, 12).map(lambda i: i / 8)


@settings(max_examples=150)
@given(data=st.data())
def test_ties_at_the_threshold_and_at_the_rectangles_edges(kernels, data):
    """Multiples of 1/8 add up exactly, so that u often meets u_th and u_th ± width themselves."""
    steps, batch, features = (data.draw(st.integers(1, 4)) for _ in range(3))
    dtype = data.draw(st.sampled_from([F32, F64]))

    def grid(*size):
        count = int(np.prod(size))
        return torch.tensor(data.draw(st.lists(EIGHTHS, min_size=count, max_size=count)), dtype=dtype).view(size)

    leak = data.draw(st.sampled_from([0.0, 0.5, 1.0, "learnable"]))
    case = Case(
        grid(steps, batch, features),
        grid(batch, features),
        (grid(batch, features) > 0.25).to(dtype),
        grid(features) if leak == "learnable" else leak,
        grid(features, features) if data.draw(st.booleans()) else None,
        reset=data.draw(st.sampled_from(RESETS)),
        u_th=data.draw(st.sampled_from([0.125, 0.25, 1.0])),
        width=data.draw(st.sampled_from([0.125, 0.25, 0.5, 1.0])),
        detach_reset=data.draw(st.booleans()),
    )
    check(kernels, case)


def test_spikes_at_the_threshold_and_no_gradient_at_the_edges(kernels):
    """By hand, so that an edge moved in every backend is seen: u_th = 0.5, width = 0.25, no leak."""
    x = torch.tensor([0.25, 0.375, 0.5, 0.625, 0.75], dtype=F64).view(1, 1, 5).requires_grad_()
    zero = torch.zeros(1, 5, dtype=F64)
    o, *_ = kernels.run(x, zero, zero, k_tau=1.0, reset="hard", u_th=0.5, fire=surrogate.Rect(alpha=2.0))
    o.sum().backward()
    assert o.flatten().tolist() == [0, 0, 1, 1, 1]
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, 2, 2, 2, 0]


@settings(max_examples=60)
@given(
    extremes=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 7), st.sampled_from([1e30, -1e30, NAN, INF, -INF, 1e-42, -0.0])),
        min_size=1,
        max_size=8,
    ),
    leak=st.sampled_from(LEAKS),
    reset=st.sampled_from(RESETS),
    recurrent=st.booleans(),
    dtype=st.sampled_from([F32, F64]),
)
def test_extreme_currents_give_what_the_reference_gives_and_leave_the_others_alone(
    kernels, extremes, leak, reset, recurrent, dtype
):
    case = draw((5, 3, 8), dtype, leak, recurrent, reset=reset)
    x = case.x.clone()
    for t, i, value in extremes:
        x[t, 0, i] = value
    values, gradients = check(kernels, replace(case, x=x), oracle=False)
    plain_values, plain = outcome(kernels, case)
    for name in OUTPUTS:
        assert torch.equal(values[name][..., 1:, :], plain_values[name][..., 1:, :]), name
    for name in {"x", "u", "o"} & {name for name, gradient in plain.items() if gradient is not None}:
        assert_close(gradients[name][..., 1:, :], plain[name][..., 1:, :], TOLERANCE[dtype], name)


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
def test_what_an_extreme_current_does_by_hand(kernels, dtype):
    # at the second of three steps: a large current, an infinite one, none at all, and something that is no number
    x = torch.full((3, 1, 6), 0.5, dtype=dtype)
    x[1, 0] = torch.tensor([1e30, -1e30, INF, -INF, NAN, 0.0], dtype=dtype)
    zero = torch.zeros(1, 6, dtype=dtype)
    options = {"k_tau": 0.5, "u_th": 1.0, "fire": surrogate.Rect(alpha=2.0), "keep_u": True}
    big = float(torch.tensor(1e30, dtype=dtype))
    first = [0.5] * 6
    expected = {
        # infinity times the 0 that a spike leaves is no number
        "hard": [first, [big, -big, INF, -INF, NAN, 0.25], [0.5, -big / 2, NAN, -INF, NAN, 0.625]],
        "soft": [first, [big, -big, INF, -INF, NAN, 0.25], [big / 2, -big / 2, INF, -INF, NAN, 0.625]],
        "none": [first, [big, -big, INF, -INF, NAN, 0.25], [big / 2, -big / 2, INF, -INF, NAN, 0.625]],
    }
    for reset, potentials in expected.items():
        o, u, last_u, last_o = kernels.run(x, zero, zero, reset=reset, **options)
        target = torch.tensor(potentials, dtype=dtype)
        assert ((u[:, 0] == target) | (u[:, 0].isnan() & target.isnan())).all(), reset
        # What is no number does not reach the threshold.
        assert o[1, 0].tolist() == [1, 0, 1, 0, 0, 0]
        assert o[2, 0].tolist() == ([0] * 6 if reset == "hard" else [1, 0, 1, 0, 0, 0])
        assert torch.equal(last_o, o[2]) and last_u.isnan().equal(u[2].isnan())


@pytest.mark.parametrize(("dtype", "tiny"), [(F32, 2.0**-149), (F64, 2.0**-1074)], ids=["f32", "f64"])
def test_the_smallest_numbers_are_not_taken_for_zero(kernels, dtype, tiny):
    x = torch.tensor([4, 3, 0, 1], dtype=dtype).mul(tiny).view(4, 1, 1)
    assert x.count_nonzero() == 3
    zero = torch.zeros(1, 1, dtype=dtype)
    options = {"u_th": 5 * tiny, "fire": surrogate.Rect(alpha=2.0), "keep_u": True}
    o, u, *_ = kernels.run(x, zero, zero, k_tau=0.5, reset="soft", **options)
    # 4; 2 + 3 = 5 fires; (5 - 5) / 2 + 0 = 0; 1
    assert u.flatten().div(tiny).tolist() == [4, 5, 0, 1]
    assert o.flatten().tolist() == [0, 1, 0, 0]
    assert kernels.integrate(x, k_tau=1.0).flatten().div(tiny).tolist() == [4, 7, 7, 8]


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("shape", [(9, 4, 3), (1, 1, 1), (3, 1100, 2), (5, 0, 3), (5, 3, 0)], ids=str)
def test_the_integrator(kernels, shape, leak, dtype):
    case = draw(shape, dtype, leak)
    weight = layers.slopes(case)["u"]
    x = case.x.detach().requires_grad_()
    k = case.k_tau.detach().requires_grad_() if isinstance(case.k_tau, torch.Tensor) else case.k_tau
    m = kernels.integrate(x, k_tau=k)
    (m * weight).sum().backward()
    exact = case.x.detach().requires_grad_()
    (reference.integrate(exact, k_tau=case.k_tau) * weight).sum().backward()
    assert torch.equal(m, reference.integrate(x, k_tau=k))
    assert exact.grad is not None and x.grad is not None and torch.equal(x.grad, exact.grad)
    coefficient = layers.number(case.k_tau, dtype)
    current = layers.number(case.x)
    g_x, g_k = oracle.integrate_backward(current, coefficient, layers.number(weight))
    assert x.grad is not None
    assert_close(m.detach(), torch.from_numpy(oracle.integrate(current, coefficient)).to(dtype), TOLERANCE[dtype], "m")
    assert_close(x.grad, torch.from_numpy(g_x).to(dtype), TOLERANCE[dtype], "x")
    if isinstance(k, torch.Tensor):
        assert k.grad is not None
        assert_close(k.grad, torch.from_numpy(g_k).to(dtype), TOLERANCE[dtype], "k_tau")
