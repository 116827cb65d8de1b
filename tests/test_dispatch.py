"""What the loops of the cpu backend compute, and what is left to the reference or to a matrix product."""

from typing import Any

import pytest
import torch
from layers import F32, F64, draw
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from lifroles import resets
from lifroles.backends import _fused, _layout, _products, _rows, _sums, cpu, reference
from lifroles.sparse import SparseSequence

LOOPS = {_fused: ("alone", "recurrent", "driven"), _products: ("product", "spikes_product", "linear")}


@pytest.fixture
def called(monkeypatch):
    """The names of the compiled layers and products that were asked for, in order."""
    names: list[str] = []

    def spied(name, function):
        def call(*args):
            names.append(name)
            return function(*args)

        return call

    for module, functions in LOOPS.items():
        for name in functions:
            monkeypatch.setattr(module, name, spied(name, getattr(module, name)))
    return names


class Labelled(Tensor):
    """A tensor that is more than its numbers."""


class OwnRect(surrogate.Rect):
    """A surrogate that somebody derived from the loops' own."""


RECT = surrogate.Rect(alpha=2.0)
LAYER: dict[str, Any] = {"k_tau": 0.5, "reset": "hard", "u_th": 0.3, "fire": RECT}


def rand(*shape: int, dtype: torch.dtype = F32) -> Tensor:
    """Return multiples of 1/64, whose sums have the same bits in any order."""
    random = torch.Generator().manual_seed(sum(shape))
    return torch.randint(64, shape, generator=random).to(dtype) / 64


def layer(**changes: Any) -> tuple[list[Tensor], dict[str, Any]]:
    """Return x, u and o of a small layer, and its equation, with some of them changed."""
    state = {"x": rand(4, 3, 5), "u": rand(3, 5), "o": (rand(3, 5) < 0.5).float()}
    state = {name: changes.pop(name, value) for name, value in state.items()}
    return list(state.values()), {**LAYER, **changes}


def gradients_of(out: Tensor, *slopes: Tensor | None) -> Any:
    """Return what the operation that made a tensor gives back for each of its arguments, ``None`` for what it does not.

    Autograd would drop what nobody wants, after it was computed.
    """
    node: Any = out.grad_fn
    with torch.no_grad():
        return node.apply(*slopes)


def alike(found: Any, expected: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True) if b is not None)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "alone"),
        ({"k_tau": rand(5)}, "alone"),
        ({"k_tau": nn.Parameter(rand(5))}, "alone"),
        ({"fire": surrogate.Rect(alpha=1)}, "alone"),
        ({"recurrent_weight": rand(5, 5)}, "recurrent"),
        ({"x": rand(1, 3, 5)}, "alone"),
        ({"x": rand(4, 1, 5), "u": rand(1, 5), "o": rand(1, 5).round()}, "alone"),
        ({"x": rand(4, 3, 1), "u": rand(3, 1), "o": rand(3, 1).round()}, "alone"),
        *(({"reset": reset}, "alone") for reset in resets.KERNELS),
    ],
)
def test_an_ordinary_layer_runs_in_the_loops(changes, name, called):
    state, options = layer(**changes)
    assert alike(cpu.run(*state, **options), reference.run(*state, **options))
    assert called == [name]


@pytest.fixture
def vanishing():
    """A reset that somebody added."""
    resets.register("vanishing", lambda u, o, u_th: u * 0)
    yield
    resets.RESETS.forget("vanishing")


@pytest.mark.parametrize(
    "changes",
    [
        {"fire": surrogate.Sigmoid(alpha=2.0)},
        {"fire": OwnRect(alpha=2.0)},
        {"fire": surrogate.Rect(alpha=2.0, spiking=False)},
        {"fire": surrogate.Rect(alpha=0.0)},
        {"fire": surrogate.Rect(alpha=-1.0)},
        {"fire": surrogate.Rect(alpha=torch.tensor(2.0))},  # pyright: ignore[reportArgumentType]
        {"reset": "vanishing"},
        {"x": rand(4, 5), "u": rand(5), "o": rand(5).round()},
        {"x": rand(4, 3, 2, 5), "u": rand(3, 2, 5), "o": rand(3, 2, 5).round()},
        {"x": rand(4, 0, 5), "u": rand(0, 5), "o": rand(0, 5)},
        {"x": rand(4, 3, 0), "u": rand(3, 0), "o": rand(3, 0)},
        {"u": rand(1, 5)},
        {"o": rand(1, 5).round()},
        {"u": rand(1, 5), "o": rand(1, 5).round()},
        {"k_tau": torch.tensor(0.5)},
        {"k_tau": rand(1)},
        {"k_tau": rand(3, 1)},
        {"x": rand(4, 3, 5).bfloat16(), "u": rand(3, 5).bfloat16(), "o": rand(3, 5).round().bfloat16()},
        {"x": rand(4, 3, 5, dtype=F64)},
        {"u": rand(3, 5, dtype=F64)},
        {"o": rand(3, 5, dtype=F64).round()},
        {"k_tau": rand(5, dtype=F64)},
        {"x": rand(4, 3, 5).as_subclass(Labelled)},
        {"u": rand(3, 5).as_subclass(Labelled)},
        {"k_tau": rand(5).as_subclass(Labelled)},
        {"recurrent_weight": rand(5, 5).as_subclass(Labelled)},
    ],
)
def test_what_the_loops_do_not_cover_is_the_references(changes, called, vanishing):
    state, options = layer(**changes)
    found, expected = cpu.run(*state, **options), reference.run(*state, **options)
    assert alike(found, expected)
    assert [type(part) for part in found] == [type(part) for part in expected]
    assert not called


def test_the_arguments_reach_the_reference(called):
    weight = rand(5, 5) - 0.5
    for detach in (False, True):
        state, options = layer(
            fire=surrogate.Sigmoid(alpha=2.0), recurrent_weight=weight, detach_reset=detach, keep_u=True, reset="soft"
        )
        gradients = []
        for backend in (reference, cpu):
            leaf = state[0].clone().requires_grad_()
            o, u, *last = backend.run(leaf, *state[1:], **options)
            torch.cat([part.flatten() for part in (o, u, *last)]).sum().backward()
            gradients.append((o.detach(), u.detach(), leaf.grad))
        assert alike(gradients[1], gradients[0])
    assert not called


def test_tensors_elsewhere_and_sparse_ones_are_not_the_loops(called):
    state, options = layer()
    elsewhere = [part.to("meta") for part in state]
    assert cpu.run(*elsewhere, **options)[0].device.type == "meta"
    assert not called
    sparse, weight = rand(5, 7).to_sparse(), rand(7, 5)
    assert cpu._plain(weight) and not cpu._plain(sparse) and not cpu._plain(weight, sparse)
    assert cpu._plain(weight, None)


def test_nothing_is_compiled_under_autocast_and_inside_torch_compile(called, monkeypatch):
    state, options = layer()
    events, weight = SparseSequence.from_dense((rand(4, 3, 7) < 0.2).float()), rand(5, 7)

    def everything() -> list[Tensor]:
        return [
            cpu.run(*state, **options)[0],
            cpu.run_events(events, weight, None, *state[1:], **options)[0],
            cpu.product(events, weight),
            cpu.spikes_product(state[2][None], rand(2, 5)),
            cpu.integrate(state[0], k_tau=0.5),
        ]

    with torch.autocast("cpu", torch.bfloat16):
        found = everything()
        assert found[2].dtype == torch.bfloat16
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    everything()
    assert not called
    monkeypatch.undo()


def test_functional_transforms_go_to_the_reference(called):
    x = rand(4, 3, 5)
    batched = torch.vmap(lambda one: cpu.integrate(one[:, None], k_tau=0.5)[:, 0], 1, 1)
    assert torch.equal(batched(x), reference.integrate(x, k_tau=0.5))
    assert not called


@pytest.mark.parametrize(
    ("density", "changes", "names"),
    [
        (0.2, {}, ["driven"]),
        (0.2, {"keep_u": True}, ["driven"]),
        (0.4, {}, ["alone"]),
        (0.2, {"reset": "vanishing"}, ["product"]),
        (0.2, {"fire": surrogate.Sigmoid()}, ["product"]),
        (0.2, {"recurrent_weight": rand(5, 5)}, ["driven"]),
        (0.4, {"recurrent_weight": rand(5, 5)}, ["recurrent"]),
        (0.2, {"u": rand(3, 5, dtype=F64)}, ["product"]),
        (0.2, {"weight": rand(5, 10, dtype=F64), "bias": rand(5, dtype=F64)}, ["product"]),
        (0.2, {"weight": rand(5, 10).as_subclass(Labelled)}, []),
        (0.2, {"bias": rand(5).as_subclass(Labelled)}, []),
        (0.2, {"bias": None}, ["driven"]),
        (0.3, {}, ["alone"]),
        (0.2, {"weight": rand(10), "bias": None, "u": rand(3), "o": rand(3).round()}, []),
    ],
)
def test_events_drive_a_layer_where_they_are_few(density, changes, names, called, vanishing):
    s = torch.zeros(4, 3, 10)
    s.view(12, 10)[:, : round(10 * density)] = 1
    weight, bias = changes.get("weight", rand(5, 10)), changes.get("bias", rand(5))
    state, options = layer(**{name: value for name, value in changes.items() if name not in ("weight", "bias")})
    found = cpu.run_events(SparseSequence.from_dense(s), weight, bias, *state[1:], **options)
    expected = reference.run(F.linear(s.to(weight.dtype), weight, bias), *state[1:], **options)
    assert torch.equal(found[0], expected[0])
    assert (found[1] is None) == ("keep_u" not in changes)
    assert called == names


@pytest.mark.parametrize(("channels", "names"), [(0, ["alone"]), (1, ["driven"])])
def test_a_layer_without_channels_has_nothing_to_sum(channels, names, called):
    state, options = layer()
    s = torch.zeros(4, 3, channels)
    found = cpu.run_events(SparseSequence.from_dense(s), rand(5, channels), rand(5), *state[1:], **options)
    assert alike(found, reference.run(rand(5).expand(4, 3, 5), *state[1:], **options))
    assert called == names


@pytest.mark.parametrize("fire", [RECT, surrogate.Sigmoid(alpha=2.0)], ids=["loops", "reference"])
@pytest.mark.parametrize("detach", [{}, {"detach_reset": False}, {"detach_reset": True}], ids=str)
def test_the_reset_of_a_driven_layer_is_detached_only_if_that_is_said(fire, detach):
    s, weight, zero = (rand(6, 3, 10) < 0.2).float(), rand(5, 10), torch.zeros(3, 5)
    options = {**LAYER, "fire": fire, **detach}
    gradients = []
    for driven in (False, True):
        leaf = weight.clone().requires_grad_()
        if driven:
            o, *_ = cpu.run_events(SparseSequence.from_dense(s), leaf, None, zero, zero, **options)
        else:
            o, *_ = reference.run(F.linear(s, leaf), zero, zero, **options)
        (o * torch.arange(o.numel()).view(o.shape)).sum().backward()
        gradients.append(leaf.grad)
    assert gradients[0] is not None and gradients[0].any()
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("neurons", [cpu.CACHED, cpu.CACHED + 1])
def test_the_sums_of_a_wide_layer_with_recurrence_come_first(neurons, called):
    events, zero = SparseSequence.from_dense((rand(3, 2, 20) < 0.1).float()), torch.zeros(2, neurons)
    for v, name in ((None, ["driven"]), (rand(neurons, neurons), ["driven", "product"])):
        before = len(called)
        cpu.run_events(events, rand(neurons, 20), None, zero, zero, recurrent_weight=v, **LAYER)
        assert called[before] == (name[0] if neurons == cpu.CACHED else name[-1])


@pytest.mark.parametrize(
    ("shape", "entries", "weight", "names"),
    [
        ((2, 5, 4), 11, rand(3, 4), ["product"]),
        ((2, 5, 4), 12, rand(3, 4), []),  # three tenths
        ((2, 5, 4), 0, rand(3, 4), ["product"]),
        ((0, 5, 4), 0, rand(3, 4), []),
        ((2, 0, 4), 0, rand(3, 4), []),
        ((2, 5, 0), 0, rand(3, 0), []),
        ((2, 5, 4), 5, rand(0, 4), []),
        ((2, 5, 4), 5, rand(1, 4), ["product"]),
        ((2, 5, 1), 2, rand(3, 1), ["product"]),
        ((2, 5, 4), 5, rand(4), []),
        ((2, 5, 4), 5, rand(3, 4).bfloat16(), []),
    ],
)
def test_sums_over_events_are_taken_where_there_are_few(shape, entries, weight, names, called):
    s = torch.zeros(shape)
    s.view(-1)[:entries] = 1
    found = cpu.product(SparseSequence.from_dense(s), weight)
    torch.testing.assert_close(found, F.linear(s.to(weight.dtype), weight))
    assert called == names


def test_weights_for_other_channels_are_the_matrix_products_error():
    events = SparseSequence.from_dense(torch.ones(1, 1, 4))
    few = SparseSequence.from_dense(torch.eye(4)[:, None])
    zero = torch.zeros(1, 3)
    for wrong in (rand(3, 5), rand(3, 3)):
        for one in (events, few):
            with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied|size for first two"):
                cpu.product(one, wrong)
            with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied|size for first two"):
                cpu.run_events(one, wrong, None, zero, zero, **LAYER)
    with pytest.raises(RuntimeError):
        cpu.spikes_product(torch.ones(1, 1, 4), rand(3, 5))
    with pytest.raises(RuntimeError):
        cpu.run(rand(2, 1, 3), zero, zero, recurrent_weight=rand(4, 4), **LAYER)


@pytest.mark.parametrize(
    ("o", "weight", "bias", "names"),
    [
        ((4, 3, 5), rand(1, 5), None, ["spikes_product"]),
        ((1, 1, 1), rand(2, 1), None, ["spikes_product"]),
        ((4, 3, 5), rand(cpu.FEW, 5), rand(cpu.FEW), ["spikes_product"]),
        ((4, 3, 5), rand(cpu.FEW + 1, 5), rand(cpu.FEW + 1), ["linear"]),
        ((4, 3, 5), rand(0, 5), None, ["linear"]),
        ((3, 5), rand(2, 5), None, []),
        ((4, 0, 5), rand(2, 5), None, []),
        ((4, 3, 5), rand(5), None, []),
        ((4, 3, 5), rand(2, 5).as_subclass(Labelled), None, []),
        ((4, 3, 5), rand(2, 5), rand(2).as_subclass(Labelled), []),
    ],
)
def test_sums_over_spikes_are_taken_for_few_classes(o, weight, bias, names, called):
    spikes = (rand(*o) < 0.5).float()
    torch.testing.assert_close(cpu.spikes_product(spikes, weight, bias), F.linear(spikes, weight, bias))
    assert called == names
    with pytest.raises(RuntimeError):
        cpu.spikes_product(spikes, weight.double(), bias)


@pytest.mark.parametrize(
    ("weight", "bias", "names"),
    [
        (rand(1, 5), None, ["driven"]),
        (rand(cpu.FEW, 5), rand(cpu.FEW), ["driven"]),
        (rand(cpu.FEW + 1, 5), rand(cpu.FEW + 1), ["driven", "linear"]),
        (rand(0, 5), None, ["driven", "linear"]),
        (rand(5), None, ["driven"]),
        (rand(2, 5), rand(1), ["driven", "spikes_product"]),
        (rand(2, 5).as_subclass(Labelled), None, ["driven"]),
        (rand(2, 5), rand(2).as_subclass(Labelled), ["driven"]),
    ],
)
def test_sums_that_follow_are_taken_from_the_same_loop_for_few_classes(weight, bias, names, called):
    events, zero = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 5)
    try:
        outputs: Any = cpu.run_events(events, rand(5, 9), None, zero, zero, after=(weight, bias), **LAYER)
    except RuntimeError:
        assert bias is not None and bias.shape != weight.shape[:1]
    else:
        torch.testing.assert_close(outputs[4], F.linear(outputs[0](), weight, bias))
    assert called == names


def test_sums_that_follow_a_layer_for_other_neurons_are_the_matrix_products_error():
    events, zero = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 5)
    with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied|size for first two"):
        cpu.run_events(events, rand(5, 9), None, zero, zero, after=(rand(2, 6), None), **LAYER)
    with pytest.raises(RuntimeError, match=r"dtype|scalar type"):
        cpu.run_events(events, rand(5, 9), None, zero, zero, after=(rand(2, 5, dtype=F64), None), **LAYER)


@pytest.mark.parametrize("neurons", [cpu.CACHED, cpu.CACHED + 1])
def test_sums_follow_a_layer_that_the_events_do_not_drive_in_its_loop(neurons, called):
    events, zero = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, neurons)
    v, onward = rand(neurons, neurons) - 0.5, rand(2, neurons)
    o, *rest, sums = cpu.run_events(
        events, rand(neurons, 9), None, zero, zero, recurrent_weight=v, after=(onward, None), **LAYER
    )
    torch.testing.assert_close(sums, F.linear(o(), onward))
    assert rest[0] is None and [part.shape for part in rest[1:]] == [(3, neurons)] * 2 and torch.equal(rest[2], o()[-1])
    assert called == (["driven"] if neurons == cpu.CACHED else ["product", "recurrent", "spikes_product"])


@pytest.mark.parametrize(
    "wanted", [(True, False, False), (False, True, False), (False, False, True), (True, True, True)], ids=str
)
def test_sums_that_follow_give_the_gradients_that_are_wanted(wanted):
    events, zero = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 5)
    shapes = ((5, 9), (2, 5), (2,))
    leaves = [rand(*shape).requires_grad_(w) for shape, w in zip(shapes, wanted, strict=True)]
    weight, *onward = leaves
    *_, sums = cpu.run_events(events, weight, None, zero, zero, after=onward, **LAYER)  # pyright: ignore[reportArgumentType]
    given = [part is not None for part in gradients_of(sums, None, None, None, None, rand(4, 3, 2), None)]
    assert given == [False, False, False, wanted[0], False, False, False, False, *wanted[1:], False, False]


@pytest.mark.parametrize(
    ("x", "k_tau", "names"),
    [
        (rand(4, 3, 5), 0.5, ["alone"]),
        (rand(1, 1, 1), 0.5, ["alone"]),
        (rand(4, 3, 5), rand(5), ["alone"]),
        (rand(4, 3, 5), torch.tensor(0.5), []),
        (rand(4, 3, 5), rand(3, 1), []),
        (rand(4, 5), 0.5, []),
        (rand(4, 0, 5), 0.5, []),
        (rand(4, 3, 5), rand(5, dtype=F64), []),
        (rand(4, 3, 5).as_subclass(Labelled), 0.5, []),
    ],
)
def test_what_is_integrated_in_the_loops(x, k_tau, names, called):
    found, expected = cpu.integrate(x, k_tau=k_tau), reference.integrate(x, k_tau=k_tau)
    assert torch.equal(found, expected) and type(found) is type(expected)
    assert called == names


@pytest.mark.parametrize("by_sample", [False, True])
def test_a_matrix_product_is_laid_out_as_its_spikes_are(by_sample):
    o = rand(3, 4, 5).transpose(0, 1) if by_sample else rand(4, 3, 5)
    found = cpu.spikes_product(o, rand(cpu.FEW + 1, 5))
    assert found.shape == (4, 3, cpu.FEW + 1)
    assert found.transpose(0, 1).is_contiguous() == by_sample
    assert found.is_contiguous() != by_sample


@pytest.mark.parametrize("neurons", [5, 33, 70])
@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)], ids=str)
def test_sums_over_events_give_the_gradients_that_are_wanted(wanted, neurons):
    s = (rand(7, 6, 40) < 0.1).double()
    leaves = [
        rand(*shape, dtype=F64).requires_grad_(w) for shape, w in zip(((neurons, 40), (neurons,)), wanted, strict=True)
    ]
    slope = rand(7, 6, neurons, dtype=F64)
    expected = torch.autograd.grad(F.linear(s, *leaves), [leaf for leaf in leaves if leaf.requires_grad], slope)
    found = gradients_of(cpu.product(SparseSequence.from_dense(s), *leaves), slope)
    assert [part is not None for part in found] == [False, *wanted]
    assert alike([part for part in found if part is not None], expected)


@pytest.mark.parametrize(
    "wanted", [(True, True, True), (True, False, False), (False, True, False), (False, False, True)], ids=str
)
def test_sums_over_spikes_give_the_gradients_that_are_wanted(wanted):
    shapes = ((7, 6, 40), (3, 40), (3,))
    leaves = [rand(*shape, dtype=F64).round().requires_grad_(w) for shape, w in zip(shapes, wanted, strict=True)]
    slope = rand(7, 6, 3, dtype=F64)
    expected = torch.autograd.grad(F.linear(*leaves), [leaf for leaf in leaves if leaf.requires_grad], slope)
    found = gradients_of(cpu.spikes_product(*leaves), slope)
    assert [part is not None for part in found] == list(wanted)
    assert alike([part for part in found if part is not None], expected)


WANTED = {"x": (True, False, False, False), "state": (False, True, False, False), "k": (False, False, True, False)}
WANTED |= {"v": (False, False, False, True), "all": (True, True, True, True)}


@pytest.mark.parametrize(
    ("size", "recurrent", "wanted"),
    [
        *((5, False, wanted) for wanted in WANTED if wanted != "v"),
        *((size, True, wanted) for size in (5, cpu.CACHED + 1) for wanted in WANTED),
    ],
)
def test_a_layer_gives_the_gradients_that_are_wanted(size, recurrent, wanted, called):
    shapes = ((4, 3, size), (3, size), (size,), (size, size))[: 4 if recurrent else 3]
    wants = WANTED[wanted][: len(shapes)]
    leaves = [rand(*shape, dtype=F64).requires_grad_(want) for shape, want in zip(shapes, wants, strict=True)]
    x, u, k, *rest = leaves
    options = {**LAYER, "k_tau": k, "recurrent_weight": rest[0] if rest else None}
    o = torch.zeros(3, size, dtype=F64)
    slope = torch.rand(4, 3, size, dtype=F64)
    asked = [leaf for leaf in leaves if leaf.requires_grad]
    out = cpu.run(x, u, o, **options)[0]
    for found, expected in zip(
        torch.autograd.grad(out, asked, slope, retain_graph=True),
        torch.autograd.grad(reference.run(x, u, o, **options)[0], asked, slope),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    # c(0) is made of k and u
    c = wants[1] or wants[2]
    given = [part is not None for part in gradients_of(out, slope, None, None, None)]
    if recurrent:
        assert given == [False, False, wants[0], False, False, c, wants[2], wants[3], *4 * [False]]
    else:
        assert given == [False, wants[0], c, wants[2]]
    assert called


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_a_gradient_that_is_passed_in_is_not_written_to(recurrent):
    case = draw((4, 3, 5), F64, 0.5, recurrent)
    x = case.x.requires_grad_()
    o, u, u_last, o_last = cpu.run(x, case.u, case.o, keep_u=True, **case.options)
    assert u is not None
    slopes = [torch.ones_like(part) for part in (o, u, u_last, o_last)]
    torch.autograd.grad((o, u, u_last, o_last), x, slopes)
    assert all(bool((slope == 1).all()) for slope in slopes)


@pytest.mark.parametrize("reset", resets.KERNELS)
@pytest.mark.parametrize("detach", [False, True])
def test_gradients_reach_the_initial_state_through_what_it_left(reset, detach):
    """Spikes before the first step act on it by the reset and by V, also where none fired."""
    for fired in (0.0, 0.5):
        gradients = []
        for backend in (reference, cpu):
            case = draw((3, 2, 5), F64, 0.5, True, reset=reset, detach_reset=detach)
            u, o = case.u.clone().requires_grad_(), (case.o * fired).requires_grad_()
            backend.run(case.x, u, o, **case.options)[2].sum().backward()
            gradients.append((u.grad, o.grad))
        for found, expected in zip(gradients[1], gradients[0], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


RULE = _fused.Rule("hard", 0.3, 2.0, False)


def by_sample(sequence: Tensor) -> Tensor:
    """Return ``[T, B, N]`` with each sample's steps one after the other in memory."""
    return sequence.transpose(0, 1).contiguous().transpose(0, 1)


WIDE = _fused.CACHED + 1


@pytest.mark.parametrize(
    ("source", "neurons", "recurrent", "kept"),
    [
        ("steps", 5, False, False),
        ("steps", 5, True, False),
        ("samples", 5, False, True),
        ("samples", _fused.CACHED, True, True),
        ("samples", WIDE, False, True),
        # its backward pass takes a matrix product a step
        ("samples", WIDE, True, False),
        ("events", 5, False, True),
        ("events", 5, True, True),
    ],
)
def test_a_layers_spikes_lie_as_its_input_does(source, neurons, recurrent, kept):
    x, c, v = rand(4, 3, neurons), torch.zeros(3, neurons), rand(neurons, neurons) if recurrent else None
    if source == "events":
        events = SparseSequence.from_dense((rand(4, 3, 6) < 0.3).float())
        o, u, *_ = _fused.driven(RULE, events, rand(neurons, 6), None, c, 0.5, v, None, True)
    else:
        x = by_sample(x) if source == "samples" else x
        o, u, *_ = _fused.alone(RULE, x, c, 0.5, True) if v is None else _fused.recurrent(RULE, x, c, 0.5, v, True)
    assert [_fused.is_by_sample(tensor) for tensor in (o, u)] == [kept, kept]


@pytest.mark.parametrize("neurons", [5, 40])
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("kind", ["sums", "feed-forward", "recurrent"])
def test_groups_of_samples_that_fill_the_cache_add_up(kind, counted, neurons, monkeypatch):
    steps, batch = 4, 5
    dense = (rand(steps, batch, 6) < 0.25).float() * (1 + counted * (rand(steps, batch, 6) < 0.1))
    events, state, slopes = SparseSequence.from_dense(dense), torch.zeros(batch, neurons), rand(steps, batch, neurons)
    assert (events.values is not None) == counted and events.density < cpu.DENSE

    def gradients(cache: int) -> list[Tensor]:
        monkeypatch.setattr(_layout, "CACHE", cache)
        weight, bias, v = (
            rand(*shape).sub(0.4).requires_grad_() for shape in ((neurons, 6), (neurons,), (neurons,) * 2)
        )
        if kind == "sums":
            out = cpu.product(events, weight, bias)
        else:
            across = v if kind == "recurrent" else None
            out = cpu.run_events(events, weight, bias, state, state, recurrent_weight=across, **LAYER)[0]
        (out * slopes).sum().backward()
        return [one.grad for one in (weight, bias, v) if one.grad is not None]

    row = 4 * 32 * (2 if kind == "recurrent" and neurons > 32 else 1)
    whole = gradients(row * steps * batch)
    assert len(whole) == 2 + (kind == "recurrent")
    for samples in (2, 1):
        assert all(
            torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients(row * steps * samples), whole, strict=True)
        )


@pytest.mark.parametrize(("grad", "wanted"), [(False, True), (True, False), (True, True)])
def test_potentials_of_all_steps_are_kept_for_gradients_only(grad, wanted):
    x, c = rand(4, 3, 5).requires_grad_(wanted), torch.zeros(3, 5)
    with torch.set_grad_enabled(grad):
        o, u, *_ = _fused.alone(RULE, x, c, 0.5, False)
    assert (len(o), len(u)) == (4, 4 if grad and wanted else 1)
    assert o.requires_grad == (grad and wanted)


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("keep_u", [False, True])
@pytest.mark.parametrize("source", [lambda x: x, by_sample], ids=["steps", "samples"])
def test_a_state_that_is_carried_on_does_not_hold_the_sequence(source, keep_u, wanted):
    x = source(rand(4, 3, 5)).requires_grad_(wanted)
    for state in _fused.alone(RULE, x, torch.zeros(3, 5), 0.5, keep_u)[2:]:
        assert state.shape == (3, 5)
        assert state.untyped_storage().nbytes() == state.nbytes


@pytest.mark.parametrize("wide", [False, True], ids=["feed-forward", "wide recurrent"])
def test_the_gradient_of_the_leak_is_not_lost_among_larger_ones_of_other_samples(wide):
    neurons = WIDE if wide else 1
    x, k = torch.ones(2, 3, neurons), torch.full((neurons,), 0.5, requires_grad=True)
    rule, c = _fused.Rule("none", 10.0, 2.0, False), torch.zeros(3, neurons)
    v = torch.zeros(neurons, neurons)
    u = (_fused.recurrent(rule, x, c, k, v, True) if wide else _fused.alone(rule, x, c, k, True))[1]
    (u[1] * torch.tensor([2.0**25, 1.0, -(2.0**25)])[:, None]).sum().backward()
    assert k.grad is not None
    assert k.grad.tolist() == [1.0] * neurons  # ∂u(1)/∂k = u(0) = 1 in each sample


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("neurons", [5, WIDE])
def test_potentials_at_the_threshold_are_spikes_to_the_recurrent_weights_too(neurons, steps):
    x = (4 * rand(steps, 3, neurons)).round() / 4  # many at the threshold, all sums exact
    u = o = torch.zeros(3, neurons)
    found = []
    for backend in (cpu, reference):
        v = torch.zeros(neurons, neurons, requires_grad=True)
        spikes = backend.run(x, u, o, k_tau=0.5, reset="hard", u_th=0.5, fire=RECT, recurrent_weight=v)[0]
        (spikes * rand(steps, 3, neurons)).sum().backward()
        assert v.grad is not None
        found.append(v.grad)
    assert (x == 0.5).any()
    assert torch.allclose(*found, rtol=1e-5, atol=1e-6)
    assert bool(found[0].any()) == (steps > 1)


def test_one_spike_of_one_neuron_has_a_gradient():
    for weight in (0.5, 0.25):  # the second may be given the memory of the first
        o = torch.ones(1, 1, 1, requires_grad=True)
        cpu.spikes_product(o, torch.full((1, 1), weight)).sum().backward()
        assert o.grad is not None
        assert o.grad.item() == weight


@pytest.mark.parametrize("neurons", [5, 40])
@pytest.mark.parametrize("kind", ["sums", "feed-forward", "recurrent"])
def test_a_single_event_has_its_value(kind, neurons):
    dense = torch.zeros(4, 3, 6)
    dense[1, 2, 3] = 2.0
    weight, v = rand(neurons, 6).requires_grad_(), torch.zeros(neurons, neurons) if kind == "recurrent" else None
    events, state, slope = SparseSequence.from_dense(dense), torch.zeros(3, neurons), rand(neurons)
    if kind == "sums":
        u = cpu.product(events, weight)
    else:
        arguments: Any = {**LAYER, "k_tau": 0.0, "recurrent_weight": v, "keep_u": True}
        u = cpu.run_events(events, weight, None, state, state, **arguments)[1]
    assert u is not None
    assert u[1, 2].equal(2 * weight[:, 3])
    (u[1, 2] * slope).sum().backward()
    assert weight.grad is not None
    assert weight.grad[:, 3].equal(2 * slope)
    assert not weight.grad[:, [0, 1, 2, 4, 5]].any()


def test_neurons_that_there_are_not_do_not_fire_at_a_threshold_below_0():
    x, state, found = rand(4, 3, 5) - 0.75, torch.zeros(3, 5), []
    for backend in (cpu, reference):
        v = (rand(5, 5) - 0.5).requires_grad_()
        o = backend.run(x, state, state, k_tau=0.5, reset="soft", u_th=-0.25, fire=RECT, recurrent_weight=v)[0]
        (o * rand(4, 3, 5)).sum().backward()
        assert v.grad is not None
        found.append(v.grad)
    assert found[1].any()
    assert torch.allclose(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wanted", ["weight", "bias", "k_tau", "v", "u"])
@pytest.mark.parametrize("neurons", [5, 40])
def test_a_driven_layer_gives_the_gradients_that_are_wanted(neurons, wanted):
    events = SparseSequence.from_dense((rand(4, 3, 6) < 0.25).float())
    given = {
        "weight": rand(neurons, 6), "bias": rand(neurons), "k_tau": rand(neurons), "v": rand(neurons, neurons) - 0.5,
        "u": rand(3, neurons),
    }  # fmt: skip

    def gradients(*names: str) -> dict[str, Tensor | None]:
        one = {name: tensor.clone().requires_grad_(name in names) for name, tensor in given.items()}
        out = cpu.run_events(
            events, one["weight"], one["bias"], one["u"], torch.zeros(3, neurons),
            **{**LAYER, "k_tau": one["k_tau"], "recurrent_weight": one["v"]},
        )[0]  # fmt: skip
        (out * rand(4, 3, neurons)).sum().backward()
        return {name: tensor.grad for name, tensor in one.items()}

    found, every = gradients(wanted), gradients(*given)
    assert [name for name, gradient in found.items() if gradient is not None] == [wanted]
    assert all(gradient is not None and gradient.any() for gradient in every.values())
    assert alike([found[wanted]], [every[wanted]])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("recurrent", [False, True])
def test_whatever_lies_in_fresh_blocks_changes_nothing(recurrent, after, monkeypatch):
    events = SparseSequence.from_dense((rand(7, 6, 9) < 0.2).float())
    zero, slope = torch.zeros(6, 40), rand(7, 6, 40)

    def found() -> list[Tensor]:
        shapes = ((40, 9), (40,), (40,), (40, 40), (3, 40))
        w, b, k, v, onward = (rand(*shape).sub(0.4).requires_grad_() for shape in shapes)
        options: dict[str, Any] = {**LAYER, "k_tau": k, "recurrent_weight": v if recurrent else None}
        outputs = cpu.run_events(events, w, b, zero, zero, after=(onward, None) if after else None, **options)
        o = outputs[0]() if after else outputs[0]
        plain = cpu.spikes_product(o, onward) + cpu.product(events, w, b)[..., :3]
        loss = (o * slope).sum() + plain.sum() + sum((part.sum() for part in outputs[4:]), torch.zeros(()))
        leaves = [w, b, k, onward, *([v] if recurrent else [])]
        return [o.detach(), *torch.autograd.grad(loss, leaves)]

    expected = found()
    fill = {torch.float32: float("nan"), torch.int64: -1}
    for module in (_layout, _fused, _products):
        monkeypatch.setattr(
            module._buffers, "empty", lambda shape, dtype: torch.full(tuple(shape), fill[dtype], dtype=dtype)
        )
    assert all(torch.equal(one, other) for one, other in zip(found(), expected, strict=True))


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
def test_a_current_without_bounds_at_the_last_step_has_no_gradient(reset, recurrent):
    dense = torch.zeros(3, 2, 40)
    dense[2, 1, 7] = 1
    weight = rand(40, 40)
    weight[:, 7] = float("inf")
    zero, v = torch.zeros(2, 40), torch.zeros(40, 40)
    slopes = []
    for sparse in (False, True):
        w, bias = weight.clone().requires_grad_(), torch.full((40,), 0.25, requires_grad=True)
        k = torch.full((40,), 0.5, requires_grad=True)
        options: dict[str, Any] = {**LAYER, "k_tau": k, "reset": reset, "recurrent_weight": v if recurrent else None}
        if sparse:
            o = cpu.run_events(SparseSequence.from_dense(dense), w, bias, zero, zero, **options)[0]
        else:
            current = torch.where(dense[..., 7:8] > 0, float("inf"), 0.0) + bias
            o = reference.run(current, zero, zero, **options)[0]
        o.sum().backward()
        slopes.append(torch.stack([part for part in (bias.grad, k.grad) if part is not None]))
    assert slopes[0].shape == (2, 40) and slopes[0].isfinite().all() and slopes[0].any(1).all()
    assert torch.equal(slopes[1], slopes[0])


def test_a_gradient_is_unpacked_by_whoever_has_written_it(monkeypatch):
    events, zero = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 40)
    written: list[tuple[int, int, tuple[int, ...]]] = []
    original = _layout.Slopes.written

    def spied(self: Any, low: int, high: int) -> None:
        written.append((low, high, self.packed.shape))
        original(self, low, high)

    monkeypatch.setattr(_layout.Slopes, "written", spied)
    weight, across = rand(40, 9).requires_grad_(), rand(40, 40).requires_grad_()
    cpu.product(events, weight).sum().backward()
    assert written == [(0, 1, (1, 2 * 9 * 32)), (1, 2, (1, 2 * 9 * 32))]
    written.clear()
    cpu.run_events(events, weight, None, zero, zero, **LAYER)[0].sum().backward()
    assert written == [(0, 1, (1, 2 * 9 * 32)), (1, 2, (1, 2 * 9 * 32))]
    written.clear()
    cpu.run_events(events, weight, None, zero, zero, recurrent_weight=across, **LAYER)[0].sum().backward()
    assert written == [(0, 2, (1, 2 * 9 * 32)), (0, 2, (1, 2 * 40 * 32))]
    for classes, blocks in ((3, 1), (33, 2)):
        written.clear()
        cpu.spikes_product(torch.ones(1, 1, 5), rand(classes, 5).requires_grad_()).sum().backward()
        assert written == [(0, blocks, (1, blocks * 5 * 32))]


@pytest.mark.parametrize("kind", ["sums", "feed-forward", "recurrent"])
def test_pieces_that_meet_the_same_neurons_add_up(kind, monkeypatch):
    events, state = SparseSequence.from_dense((rand(4, 20, 6) < 0.25).float()), torch.zeros(20, 40)
    slopes, after = rand(4, 20, 40), rand(3, 40)

    def gradients(cache: int, small: int) -> list[Tensor]:
        monkeypatch.setattr(_layout, "CACHE", cache)
        monkeypatch.setattr(_layout, "SMALL", small)
        w, b, v, onward = (
            part.clone().requires_grad_() for part in (rand(40, 6) - 0.4, rand(40), rand(40, 40) - 0.5, after)
        )
        if kind == "sums":
            out = cpu.product(events, w, b)
            loss = (out * slopes).sum() + cpu.spikes_product((out.detach() > 1).float(), onward).sum()
        else:
            across = v if kind == "recurrent" else None
            out, *_, sums = cpu.run_events(
                events, w, b, state, state, recurrent_weight=across, after=(onward, None), **LAYER
            )
            loss = (out() * slopes).sum() + sums.square().sum()
        return list(torch.autograd.grad(loss, [w, b, onward, *([v] if kind == "recurrent" else [])]))

    for found, expected in zip(gradients(1, 1), gradients(1 << 30, 1 << 30), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_potentials_are_kept_where_they_are_asked_for_or_a_gradient_needs_them(recurrent, monkeypatch):
    events, state = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 32, dtype=F64)
    v = rand(32, 32, dtype=F64) if recurrent else None
    made: list[_layout.Kept] = []
    original = _fused._kept
    monkeypatch.setattr(_fused, "_kept", lambda *args: made.append(original(*args)) or made[-1])

    def kept(keep_u: bool, wanted: bool) -> str:
        weight = rand(32, 9, dtype=F64).requires_grad_(wanted)
        o, u, *_ = _fused.driven(RULE, events, weight, None, state, 0.5, v, None, keep_u)
        assert (u.shape, o.shape) == ((4, 3, 32) if keep_u else (0,), (4, 3, 32))
        assert u.dtype == o.dtype == F64
        return {0: "not", 1: "hidden", 3: "shown"}[made[-1].u.dim() if made[-1].u.numel() else 0]

    found = [kept(keep_u, wanted) for keep_u in (False, True) for wanted in (False, True)]
    assert found == ["not", "hidden", "shown", "shown"]
    with torch.no_grad():
        assert [kept(False, True), kept(True, True)] == ["not", "shown"]


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize(("recurrent", "width"), [(False, 32), (True, 64)])
def test_events_are_sorted_for_a_gradient_in_groups_that_fit_the_cache(recurrent, width, dtype, monkeypatch):
    asked: list[int] = []
    sorts: list[str] = []
    original, sort = _fused.ByChannel, _rows.by_channel
    monkeypatch.setattr(_fused, "ByChannel", lambda *args: asked.append(args[2]) or original(*args))
    monkeypatch.setattr(_rows, "by_channel", lambda *args: sorts.append("sort") or sort(*args))
    events, state = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 40, dtype=dtype)
    weight = rand(40, 9, dtype=dtype).requires_grad_()
    equation: Any = {**LAYER, "recurrent_weight": rand(40, 40, dtype=dtype) if recurrent else None}
    with torch.no_grad():
        cpu.run_events(events, weight, None, state, state, **equation)
    assert not asked and not sorts
    cpu.run_events(events, weight, None, state, state, **equation)
    assert (asked, sorts) == ([width * dtype.itemsize], ["sort"])
    cpu.run_events(events, weight.detach(), rand(40, dtype=dtype).requires_grad_(), state, state, **equation)
    assert (asked, sorts) == ([width * dtype.itemsize] * 2, ["sort"])


@pytest.mark.parametrize(
    ("neurons", "recurrent", "hidden"),
    [
        (1, False, False),
        (25, False, False),
        (26, False, True),
        (32, True, True),
        (33, False, False),
        (51, False, False),
        (52, False, True),
        (52, True, True),
        (103, True, True),
        (_fused.CACHED, True, True),
        # its backward pass takes a matrix product a step
        (WIDE, True, False),
        (256, True, False),
        (256, False, True),
    ],
)
def test_potentials_that_nobody_sees_are_filled_up_to_blocks_if_that_takes_a_quarter_more_at_most(
    neurons, recurrent, hidden
):
    v = rand(neurons, neurons) if recurrent else None
    kept = _fused._kept(4, 3, neurons, torch.float32, True, v, False, True)
    assert (kept.u.dim() == 1) == hidden
    # Block by block where the loop goes so.
    assert kept.block == (4 * 3 * 32 if hidden and not recurrent else 32)
    assert kept.u.numel() <= 1.25 * 4 * 3 * neurons


@pytest.mark.parametrize("neurons", [32, 60, 128])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_a_layer_learns_the_same_whether_its_potentials_are_shown_or_not(recurrent, neurons):
    events, zero = SparseSequence.from_dense((rand(20, 7, 9) < 0.2).float()), torch.zeros(7, neurons)
    slope, k = rand(20, 7, neurons) - 0.5, rand(neurons)
    weight, v = rand(neurons, 9) - 0.3, (rand(neurons, neurons) - 0.5) / neurons

    def learned(keep_u: bool) -> list[Tensor]:
        leaves = [part.clone().requires_grad_() for part in (weight, k, *([v] if recurrent else []))]
        arguments: Any = {**LAYER, "k_tau": leaves[1], "recurrent_weight": leaves[2] if recurrent else None}
        o = cpu.run_events(events, leaves[0], None, zero, zero, **arguments, keep_u=keep_u)[0]
        assert 0.05 < o.mean() < 0.95
        return list(torch.autograd.grad((o * slope).sum(), leaves))

    assert all(torch.equal(one, other) for one, other in zip(learned(True), learned(False), strict=True))


@pytest.mark.parametrize("neurons", [32, 60, 128])
@pytest.mark.parametrize("sample_by_sample", [False, True])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_a_layer_on_currents_gives_the_references_gradients_where_its_potentials_are_not_shown(
    recurrent, sample_by_sample, neurons, monkeypatch
):
    made: list[_layout.Kept] = []
    original = _fused._kept
    monkeypatch.setattr(_fused, "_kept", lambda *args: made.append(original(*args)) or made[-1])
    x, k, slope = rand(20, 7, neurons, dtype=F64) - 0.3, rand(neurons, dtype=F64), rand(20, 7, neurons, dtype=F64) - 0.5
    v, zero = (rand(neurons, neurons, dtype=F64) - 0.5) / neurons, torch.zeros(7, neurons, dtype=F64)

    def learned(backend: Any) -> list[Tensor]:
        leaves = [part.clone().requires_grad_() for part in (x, k, *([v] if recurrent else []))]
        current = by_sample(leaves[0]) if sample_by_sample else leaves[0]
        arguments: Any = {**LAYER, "k_tau": leaves[1], "recurrent_weight": leaves[2] if recurrent else None}
        o = backend.run(current, zero, zero, **arguments)[0]
        assert 0.05 < o.mean() < 0.95
        return [o.detach(), *torch.autograd.grad((o * slope).sum(), leaves)]

    for found, expected in zip(learned(cpu), learned(reference), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert [kept.u.dim() for kept in made] == ([1] if recurrent or sample_by_sample else [])


@pytest.mark.parametrize("neurons", [5, 40, 64])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_spikes_that_a_sum_follows_are_written_when_they_are_asked_for(recurrent, neurons, monkeypatch):
    events, zero = SparseSequence.from_dense((rand(6, 7, 9) < 0.2).float()), torch.zeros(7, neurons)
    weight, v, after = rand(neurons, 9) - 0.3, rand(neurons, neurons) - 0.5 if recurrent else None, rand(3, neurons)
    written: list[str] = []
    original = _sums.spikes
    monkeypatch.setattr(_sums, "spikes", lambda *args: written.append("spikes") or original(*args))
    equation: Any = {**LAYER, "recurrent_weight": v}
    stand_in = _fused.driven(RULE, events, weight, None, zero, 0.5, v, (after, None), False)[0]
    assert stand_in.shape == (6, 7, neurons) and stand_in.untyped_storage().nbytes() == 4
    spikes, *_, sums = cpu.run_events(events, weight, None, zero, zero, after=(after, None), **equation)
    assert not written and sums.shape == (6, 7, 3)
    expected = cpu.run_events(events, weight, None, zero, zero, **equation)[0]
    found = spikes()
    assert torch.equal(found, expected) and 0.05 < found.mean() < 0.95
    assert found.transpose(0, 1).is_contiguous() and written == ["spikes"]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_spikes_that_were_first_asked_for_without_gradients_still_give_them(mode):
    events, zero = SparseSequence.from_dense((rand(6, 7, 9) < 0.2).float()), torch.zeros(7, 40)
    weight, slope = (rand(40, 9) - 0.3).requires_grad_(), rand(6, 7, 40)
    (expected,) = torch.autograd.grad(
        (cpu.run_events(events, weight, None, zero, zero, **LAYER)[0] * slope).sum(), weight
    )
    spikes = cpu.run_events(events, weight, None, zero, zero, after=(rand(3, 40), None), **LAYER)[0]
    with mode():
        asked = spikes()
    (found,) = torch.autograd.grad((asked * slope).sum(), weight)
    assert torch.equal(found, expected) and found.any()
    with mode():
        spikes = cpu.run_events(events, weight, None, zero, zero, after=(rand(3, 40), None), **LAYER)[0]
    assert not spikes().requires_grad


def test_spikes_are_written_past_the_cache_where_no_cache_keeps_them(monkeypatch):
    found: list[bool] = []
    original = _sums.spikes
    monkeypatch.setattr(_sums, "spikes", lambda *args: found.append(args[3]) or original(*args))
    events, weight, zero = (
        SparseSequence.from_dense((rand(6, 70, 9) < 0.2).float()),
        rand(64, 9) - 0.3,
        torch.zeros(70, 64),
    )
    expected = cpu.run_events(events, weight, None, zero, zero, **LAYER)[0]
    for most in (1 << 30, 1):
        monkeypatch.setattr(_layout, "STREAMED", most)
        spikes = cpu.run_events(events, weight, None, zero, zero, after=(rand(3, 64), None), **LAYER)[0]()
        assert torch.equal(spikes, expected)
    assert found == [False] * 16 + [True] * 16


@pytest.mark.parametrize("wanted", [(False, False), (True, False), (False, True)], ids=str)
def test_gradients_of_what_follows_are_computed_where_they_are_wanted(wanted, monkeypatch):
    events, zero = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 5)
    made: list[Any] = []
    original = _products.FiredSlopes
    monkeypatch.setattr(_products, "FiredSlopes", lambda *args: made.append(args) or original(*args))
    after = tuple(rand(*shape).requires_grad_(w) for shape, w in zip(((2, 5), (2,)), wanted, strict=True))
    weight = rand(5, 9).requires_grad_()
    *_, sums = cpu.run_events(events, weight, None, zero, zero, after=after, **LAYER)  # pyright: ignore[reportArgumentType]
    sums.sum().backward()
    assert len(made) == any(wanted)
    cpu.run_events(events, weight, None, zero, zero, after=after, **LAYER)[0]().sum().backward()  # pyright: ignore[reportArgumentType]
    assert len(made) == any(wanted)


@pytest.mark.parametrize("wanted", [False, True])
def test_weights_that_want_no_gradient_take_no_room(wanted, monkeypatch):
    asked: list[bool] = []
    original = _layout.Slopes

    def made(parts: int, neurons: int, inputs: int, dtype: torch.dtype, wanted: bool) -> Any:
        asked.append(wanted)
        return original(parts, neurons, inputs, dtype, wanted)

    monkeypatch.setattr(_fused, "Slopes", made)
    events, zero = SparseSequence.from_dense((rand(4, 3, 9) < 0.2).float()), torch.zeros(3, 5)
    bias = rand(5).requires_grad_()
    cpu.run_events(events, rand(5, 9).requires_grad_(wanted), bias, zero, zero, **LAYER)[0].sum().backward()
    v = rand(5, 5).requires_grad_(not wanted)
    cpu.run_events(
        events, rand(5, 9).requires_grad_(wanted), bias, zero, zero, recurrent_weight=v, **LAYER
    )[0].sum().backward()  # fmt: skip
    x = rand(3, 4, 5).transpose(0, 1).requires_grad_()
    cpu.run(x, zero, zero, **LAYER)[0].sum().backward()
    assert asked == [wanted, False, wanted, not wanted, False, False]
