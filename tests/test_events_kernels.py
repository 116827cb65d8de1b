"""Layers that events drive, and sums over spikes: the numbers of the dense product, with fewer operations."""

import gc
import os
import signal
import time
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spikingjelly.activation_based import surrogate
from torch import nn
from torch.nn import functional as F

from lifroles import compiled
from lifroles.backends import cpu, drive, reference
from lifroles.compiled import share
from lifroles.errors import LifrolesError, SpecError
from lifroles.networks import SpikingMLP
from lifroles.neuron import VariantLIF
from lifroles.sparse import SparseSequence
from lifroles.variant import PAPER_VARIANTS, Variant

F32, F64 = torch.float32, torch.float64
RECT = surrogate.Rect(alpha=2.0)
RESETS = ("hard", "soft", "none")


def draw(shape, neurons, dtype, *, recurrent=False, counts=False, density=0.1, seed=0) -> Any:
    """Return a dense sequence, weights, bias, state, coefficients and V of a layer in which some units fire."""
    random = torch.Generator().manual_seed(seed)

    def rand(*size):
        return torch.rand(size, generator=random, dtype=F64)

    s = (rand(*shape) < density).to(F64)
    if counts:
        s = s * (rand(*shape) * 3 + 1).floor()
    w = (rand(neurons, shape[-1]) - 0.4) * 2 / max(1.0, density * shape[-1]) ** 0.5
    parts = [s, w, rand(neurons) * 0.2, rand(shape[1], neurons), (rand(shape[1], neurons) < 0.3).to(F64)]
    parts += [rand(neurons) * 0.5 + 0.4, (rand(neurons, neurons) - 0.5) / neurons**0.5 if recurrent else None]
    return [part if part is None else part.to(dtype) for part in parts]


def written_out(outputs: Any) -> Any:
    """Return a layer's outputs with its spikes, for which a function may stand."""
    return (outputs[0]() if callable(outputs[0]) else outputs[0], *outputs[1:])


def both(parts, reset="hard", detach_reset=False, seed=3, after: Any = None, read=None) -> Any:
    """Return outputs and gradients of the dense layer by the reference, and of the same layer driven by events.

    Arguments:
        after: weights and bias of the sums that follow.
        read: numbers of the outputs that the loss reads; all by default.
    """
    results = []
    for sparse in (False, True):
        s, *rest = parts
        leaves: list[Any] = [
            None if part is None else part.clone().requires_grad_() for part in (*rest, *(after or (None, None)))
        ]
        w, b, u, o, k, v, *onward = leaves
        options = {
            "k_tau": k, "reset": reset, "u_th": 0.3, "fire": RECT, "detach_reset": detach_reset, "recurrent_weight": v,
            "keep_u": True,
        }  # fmt: skip
        if sparse:
            options["after"] = None if after is None else onward
            outputs: Any = written_out(cpu.run_events(SparseSequence.from_dense(s), w, b, u, o, **options))
        else:
            outputs = reference.run(F.linear(s, w, b), u, o, **options)
            if after is not None:
                outputs = (*outputs, F.linear(outputs[0], *onward))
        random = torch.Generator().manual_seed(seed)
        loss: Any = sum(
            (y * torch.randn(y.shape, generator=random, dtype=F64).to(y)).sum()
            for number, y in enumerate(outputs)
            if read is None or number in read
        )
        loss.backward()
        gradients = [leaf.grad for leaf in leaves if leaf is not None]
        results.append([y.detach() for y in outputs] + gradients)
    return results


def assert_alike(expected_and_found, dtype):
    """Spikes are equal, everything else is to rounding."""
    expected, found = expected_and_found
    assert torch.equal(expected[0], found[0])
    tolerance = 1e-11 if dtype == F64 else 1e-5
    for i, (one, other) in enumerate(zip(expected, found, strict=True)):
        if one is None:
            assert other is None
            continue
        scale = float(one.abs().max()) if one.numel() else 0.0
        torch.testing.assert_close(other, one, rtol=tolerance, atol=tolerance * max(scale, 1e-30), msg=f"number {i}")


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("counts", [False, True], ids=["spikes", "counts"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("reset", RESETS)
def test_a_driven_layer_agrees_with_the_dense_one(reset, recurrent, counts, dtype):
    for detach in (False, True):
        parts = draw((9, 5, 30), 37, dtype, recurrent=recurrent, counts=counts)
        expected, found = both(parts, reset, detach)
        assert 0.05 < expected[0].mean() < 0.95
        assert_alike((expected, found), dtype)


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("neurons", [1, 32, 33, 64, 100])
@pytest.mark.parametrize("classes", [1, 2, 10, 33, 64, 65])
def test_sums_that_follow_a_driven_layer_agree_with_the_dense_ones(classes, neurons, recurrent, dtype):
    parts = draw((9, 6, 30), neurons, dtype, recurrent=recurrent)
    random = torch.Generator().manual_seed(classes)
    weight = torch.randn(classes, neurons, generator=random, dtype=F64).to(dtype)
    for bias in (None, torch.randn(classes, generator=random, dtype=F64).to(dtype)):
        expected, found = both(parts, seed=5, after=(weight, bias))
        assert 0.05 < expected[0].mean() < 0.95
        assert_alike((expected, found), dtype)


@pytest.mark.parametrize("read", [(4,), (0,), (0, 4), (1,), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_a_loss_may_read_the_sums_that_follow_or_the_spikes_or_both(recurrent, read):
    parts = draw((9, 6, 30), 40, F64, recurrent=recurrent)
    assert_alike(both(parts, after=(parts[0].new_ones(3, 40), parts[0].new_ones(3)), read=read), F64)


@pytest.mark.parametrize("classes", [10, 47])
@pytest.mark.parametrize("neurons", [33, 100])
def test_sums_that_follow_have_the_bits_of_the_sums_by_themselves(neurons, classes):
    s, w, b, u, o, k, _ = draw((9, 6, 30), neurons, F32)
    after = (torch.randn(classes, neurons), torch.randn(classes))
    spikes, *_, sums = cpu.run_events(
        SparseSequence.from_dense(s), w, b, u, o, k_tau=k, reset="hard", u_th=0.3, fire=RECT, after=after
    )
    assert torch.equal(sums, cpu.spikes_product(spikes(), *after))


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("neurons", [5, 32, 70])
def test_without_gradients_a_driven_layer_gives_the_same_numbers(neurons, recurrent, kept):
    s, w, b, u, o, k, v = draw((9, 6, 30), neurons, F64, recurrent=recurrent)
    options = {"k_tau": k, "reset": "hard", "u_th": 0.3, "fire": RECT, "recurrent_weight": v, "keep_u": kept}
    events, after = SparseSequence.from_dense(s), (w[:, :1].T.contiguous(), None)
    learning = written_out(cpu.run_events(events, w.clone().requires_grad_(), b, u, o, after=after, **options))
    resting = written_out(cpu.run_events(events, w, b, u, o, after=after, **options))
    expected = reference.run(F.linear(s, w, b), u, o, **options)
    assert (resting[1] is None) != kept
    for one, other, right in zip(learning, resting, (*expected, F.linear(expected[0], *after)), strict=True):
        assert (one is None) == (other is None) == (right is None)
        if one is not None:
            assert torch.equal(one, other)
            torch.testing.assert_close(other, right)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
def test_a_state_may_be_one_row_for_all_samples(recurrent):
    s, w, b, u, o, k, v = draw((9, 6, 30), 40, F64, recurrent=recurrent)
    found = []
    for written_out in (False, True):
        leaves = [part[:1].clone().requires_grad_() for part in (u, o)]
        states = [leaf.expand(6, -1) for leaf in leaves]
        states = [state.contiguous() for state in states] if written_out else states
        outputs = cpu.run_events(
            SparseSequence.from_dense(s), w, b, *states, k_tau=k, reset="hard", u_th=0.3, fire=RECT, recurrent_weight=v,
            keep_u=True,
        )  # fmt: skip
        (outputs[1] * torch.arange(40.0)).sum().backward()
        found.append([*(part.detach() for part in outputs), *(leaf.grad for leaf in leaves)])
    assert_alike(found, F64)
    for batch in (2, 6):
        one_row = cpu._first(u[:1].expand(batch, -1), o[:1].expand(batch, -1), k, "hard", 0.3, False, v)
        assert one_row.shape == (batch, 40) and one_row.stride(0) == 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 1), (4, 70, 33), (130, 3, 20), (2, 1, 700)], ids=str)
@pytest.mark.parametrize("neurons", [1, 32, 33, 200])
def test_any_shape(shape, neurons):
    for recurrent in (False, True):
        assert_alike(both(draw(shape, neurons, F64, recurrent=recurrent, density=0.15)), F64)


@pytest.mark.parametrize("density", [0.0, 0.29, 0.31, 1.0])
def test_any_density(density):
    assert_alike(both(draw((5, 4, 20), 9, F64, density=density)), F64)


@settings(max_examples=40)
@given(
    steps=st.integers(1, 6), batch=st.integers(1, 5), channels=st.integers(1, 40), neurons=st.integers(1, 70),
    seed=st.integers(0, 1000), counts=st.booleans(), bias=st.booleans(),
)  # fmt: skip
def test_the_weighted_sums_and_their_gradients(steps, batch, channels, neurons, seed, counts, bias):
    s, w, b, *_ = draw((steps, batch, channels), neurons, F64, counts=counts, seed=seed)
    results = []
    for sparse in (False, True):
        weight, offset = w.clone().requires_grad_(), b.clone().requires_grad_() if bias else None
        events = SparseSequence.from_dense(s)
        out = cpu.product(events, weight, offset) if sparse else F.linear(s, weight, offset)
        (out * torch.arange(out.numel(), dtype=F64).view(out.shape).cos()).sum().backward()
        results.append([out.detach(), weight.grad, offset.grad if offset is not None else None])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
@pytest.mark.parametrize("neurons", [1, 31, 64, 100])
@pytest.mark.parametrize("classes", [1, 10, 32, 47, 65])
def test_sums_over_spikes_are_the_matrix_product(classes, neurons, dtype):
    random = torch.Generator().manual_seed(classes)
    o = (torch.rand(6, 11, neurons, generator=random) < 0.2).to(dtype)
    w, b = (torch.randn(size, generator=random, dtype=dtype) for size in ((classes, neurons), (classes,)))
    results = []
    for product in (F.linear, cpu.spikes_product):
        leaves = [part.clone().requires_grad_() for part in (o, w, b)]
        out = product(*leaves)
        (out * torch.arange(out.numel(), dtype=dtype).view(out.shape).cos()).sum().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5 if dtype == F32 else 1e-12)


@contextmanager
def on_threads(count):
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def test_numbers_do_not_depend_on_the_number_of_threads():
    # large enough that the work is shared
    parts = draw((20, 40, 60), 70, F32, recurrent=True)
    dense = torch.rand(60, 20, 40)
    results = []
    for count in (1, 2, 3):
        with on_threads(count):
            events = both(parts)[1]
            leaf = dense.clone().requires_grad_()
            zero = torch.zeros(20, 40)
            o, *_ = cpu.run(leaf, zero, zero, k_tau=0.5, reset="hard", u_th=0.3, fire=RECT)
            o.sum().backward()
            results.append([*events, o.detach(), leaf.grad])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", PAPER_VARIANTS)
@pytest.mark.parametrize("readout", ["rate", "integrator"])
def test_a_network_takes_events_for_the_dense_sequence(name, readout):
    s = draw((12, 6, 50), 1, F64)[0]
    results = []
    for sequence, backend in ((s, "reference"), (s, "cpu"), (SparseSequence.from_dense(s), "cpu")):
        torch.manual_seed(0)
        net = SpikingMLP(
            (50, 40, 5), PAPER_VARIANTS[name], u_th=0.3, width=0.25, readout=readout, backend=backend
        ).double()
        with torch.no_grad():
            next(net.linears[0].parameters()).mul_(3)
        activity = net(sequence)
        activity.output.square().sum().backward()
        gradients = {key: parameter.grad for key, parameter in net.named_parameters()}
        results.append((activity.output.detach(), activity.spikes["hidden1"].detach(), gradients))
    assert 0 < results[0][1].mean() < 1
    for output, spikes, gradients in results[1:]:
        torch.testing.assert_close(output, results[0][0], rtol=1e-10, atol=1e-12)
        assert torch.equal(spikes, results[0][1])
        for key, gradient in results[0][2].items():
            if gradient is None:
                assert gradients[key] is None
            else:
                torch.testing.assert_close(gradients[key], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])
@pytest.mark.parametrize("sizes", [(50, 40, 33, 5), (50, 33, 140, 20, 5), (50, 40, 70)], ids=str)
def test_deeper_networks_whose_spikes_lie_sample_by_sample(sizes, recurrent):
    """What an event layer gives is a view of [B, T, N]; it meets few classes and many, narrow layers and wide ones."""
    s = draw((9, 7, 50), 1, F64)[0]
    results = []
    for sequence, backend in ((s, "reference"), (SparseSequence.from_dense(s), "cpu")):
        torch.manual_seed(0)
        variant = Variant(leak="learnable", recurrent=recurrent)
        net = SpikingMLP(sizes, variant, u_th=0.3, width=0.25, readout="integrator", backend=backend).double()
        with torch.no_grad():
            for linear in net.linears:
                next(linear.parameters()).mul_(3)
        activity = net(sequence)
        weights = torch.arange(activity.output.numel(), dtype=F64).view(activity.output.shape).cos()
        loss = (activity.output * weights).sum() + sum(o.square().mean() for o in activity.spikes.values())
        loss.backward()
        gradients = {key: parameter.grad for key, parameter in net.named_parameters()}
        results.append((activity, gradients))
    (expected, expected_gradients), (found, gradients) = results
    torch.testing.assert_close(found.output, expected.output, rtol=1e-10, atol=1e-12)
    for name, spikes in expected.spikes.items():
        assert torch.equal(found.spikes[name], spikes) and 0 < spikes.mean() < 1
    for key, gradient in expected_gradients.items():
        torch.testing.assert_close(gradients[key], gradient, rtol=1e-9, atol=1e-12, msg=lambda m, k=key: f"{k}: {m}")


def test_a_failure_in_a_thread_is_the_callers():
    def work(number):
        if number == 5:
            raise ArithmeticError("piece 5")
        done.append(number)

    for threads in (1, 2, 4):
        with on_threads(threads):
            done = []
            share(work, [(i,) for i in range(4)])
            assert sorted(done) == list(range(4))
            with pytest.raises(ArithmeticError, match="piece 5"):
                share(work, [(i,) for i in range(9)])


def test_a_child_made_by_fork_has_threads_of_its_own():
    """OpenMP's do not exist there, and would be waited for for ever."""
    done = []
    with on_threads(2):
        share(done.append, [(i,) for i in range(9)])
        child = os.fork()
        if not child:
            share(done.append, [(i,) for i in range(9, 20)])
            os._exit(sorted(done) != list(range(20)))
        for _ in range(300):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            time.sleep(0.1)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the child waits for threads that it does not have")
    assert status == 0


def test_without_torchs_openmp_there_is_a_pool(monkeypatch):
    parts = draw((20, 40, 60), 70, F32, recurrent=True)
    with on_threads(3):
        expected = both(parts)[1]
        monkeypatch.setattr(compiled._Threads, "parallel", None)
        found = both(parts)[1]
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True) if a is not None)


def test_events_carry_the_state_on_and_give_potentials_to_monitors():
    s = draw((8, 3, 20), 1, F32)[0]
    node, linear = VariantLIF(6, Variant(leak=0.9), store_v_seq=True), nn.Linear(20, 6)
    whole = node(linear(s)).detach()
    potentials = node.v_seq.detach()
    node.reset()
    halves = [node.drive(linear, SparseSequence.from_dense(part)).detach() for part in (s[:3], s[3:])]
    assert torch.equal(torch.cat(halves), whole)
    torch.testing.assert_close(node.v_seq.detach(), potentials[3:])


def test_weights_that_do_not_fit_the_events_are_refused():
    events = SparseSequence.from_dense(torch.zeros(2, 1, 4))
    with pytest.raises(SpecError, match="weights are for 5 channels and 3 neurons: the events have 4 channels"):
        VariantLIF(3, Variant()).drive(nn.Linear(5, 3), events)


def test_the_reference_takes_the_dense_sequence(monkeypatch):
    s, w, b, u, o, *_ = draw((4, 3, 10), 6, F64)
    events = SparseSequence.from_dense(s)
    monkeypatch.setattr(cpu, "run_events", None)
    options = {"k_tau": 0.3, "reset": "hard", "u_th": 0.3, "fire": RECT}
    found = drive.run(reference, events, w, b, u, o, **options)
    expected = reference.run(F.linear(s, w, b), u, o, **options)
    assert torch.equal(found[0], expected[0])


def test_there_is_no_second_derivative():
    s, w, b, *_ = draw((3, 2, 10), 6, F64)
    w.requires_grad_()
    for out in (cpu.product(SparseSequence.from_dense(s), w, b), cpu.spikes_product(s, w, b)):
        with pytest.raises(LifrolesError, match="no second derivative: give backend='reference'"):
            torch.autograd.grad(out.sum(), w, create_graph=True)


def test_memory_is_used_again_only_when_nobody_holds_it():
    from lifroles.backends import _buffers

    _buffers.clear()
    first = _buffers.empty((1 << 19,), F32)
    place = first.data_ptr()
    part = first[5:9].fill_(7.0)
    del first
    gc.collect()
    second = _buffers.empty((1 << 19,), F32)
    assert second.data_ptr() != place
    second.fill_(1.0)
    assert part.tolist() == [7.0] * 4
    del part
    gc.collect()
    third = _buffers.empty((1 << 18, 2), F32)
    assert third.data_ptr() == place
    assert third.data_ptr() % 64 == 0
    _buffers.clear()


@pytest.mark.parametrize("like", [np.float32, np.float64])
def test_what_a_loop_keeps_for_itself_is_zero_and_begins_at_a_line_of_the_cache(like):
    from lifroles.backends import _rows

    kept = [_rows.zeros(count, np.empty(0, like)) for count in (1, 32, 1000, 4097) for _ in range(3)]
    assert all(array.ctypes.data % _rows.LINE == 0 and not array.any() for array in kept)
    assert [len(array) for array in kept[::3]] == [1, 32, 1000, 4097] and kept[0].dtype == like


@pytest.mark.parametrize("kind", ["events", "currents", "recurrent"])
@pytest.mark.parametrize(
    ("neurons", "dtype", "streamed"),
    [(32, F32, True), (80, F32, True), (72, F64, True), (33, F64, False), (35, F32, False)],
)
def test_a_large_layer_is_written_past_the_cache_and_is_the_same(kind, neurons, dtype, streamed, monkeypatch):
    from lifroles.backends import _fused, _layout, _products

    torch.manual_seed(0)
    dense = (torch.rand(5, 7, 20) < 0.2).to(dtype)
    events, state = SparseSequence.from_dense(dense), torch.zeros(7, neurons, dtype=dtype)
    weights = [torch.randn(*shape).to(dtype) for shape in ((neurons, 20), (4, neurons), (neurons, neurons))]
    equation: dict[str, Any] = {"k_tau": 0.5, "reset": "hard", "u_th": 0.5, "fire": surrogate.Rect(alpha=1.0)}
    told = []

    def layers() -> list[torch.Tensor]:
        inner, outer, across = (weight.clone().requires_grad_() for weight in weights)
        if kind == "events":
            o = cpu.run_events(events, inner, None, state, state, **equation)[0]
        else:
            v = across if kind == "recurrent" else None
            o = cpu.run(dense @ inner.t(), state, state, recurrent_weight=v, **equation)[0]
        out = cpu.spikes_product(o, outer)
        out.square().sum().backward()
        return [o, out, *(weight.grad for weight in (inner, outer, across) if weight.grad is not None)]

    def is_streamed(*arguments: Any) -> bool:
        told.append(_layout.is_streamed(*arguments))
        return told[-1]

    for module in (_fused, _products):
        monkeypatch.setattr(module, "is_streamed", is_streamed)
    expected = layers()
    assert told and not any(told)
    monkeypatch.setattr(_layout, "STREAMED", 0)
    assert all(torch.equal(a, b) for a, b in zip(layers(), expected, strict=True))
    assert any(told) is streamed
    assert 0 < expected[0].mean() < 1


@pytest.mark.parametrize(
    ("size", "dtype", "distances", "streamed"),
    [
        (1 << 21, np.float32, (16, 32), True),
        (1 << 21, np.float32, (32, 24), False),
        (1 << 21, np.float32, (8,), False),
        (1 << 20, np.float64, (8,), True),
        ((1 << 20) - 1, np.float64, (8,), False),
    ],
)
def test_only_rows_that_begin_at_lines_and_that_no_cache_keeps_go_past_it(size, dtype, distances, streamed):
    from lifroles.backends import _layout, _rows

    flat = _rows.zeros(size + 1, np.empty(0, dtype))
    assert _layout.is_streamed(flat[:size], *distances) is streamed
    assert not _layout.is_streamed(flat[1:], *distances)


def test_sums_count_no_references_to_their_arrays():
    # Counting is atomic, and takes as long as a short sum.
    import numba

    from lifroles.backends import _lanes, _rows

    @numba.njit
    def sums(table, which):
        zero = _lanes.spread(table.dtype.type(0))
        total = _rows.gather(zero, zero, table, 0, which, table[:0], 0, len(which))
        _lanes.store(table, 0, _rows.collect(total, zero, table, 32, 0, which, table[:0], 0, len(which)))

    table, which = np.arange(96, dtype=np.float32), np.array([1, 2, 2], np.uint16)
    expected = 2 * (table[32:64] + 2 * table[64:96])
    sums(table, which)
    assert table[:32].tolist() == expected.tolist()
    loops: tuple[Any, ...] = (_rows.gather, _rows.collect)
    for loop in loops:
        assert loop.signatures
        assert not any("NRT_incref" in code for code in loop.inspect_llvm().values())


@pytest.mark.parametrize(("neurons", "inputs"), [(1, 1), (32, 3), (33, 2), (70, 5)])
def test_blocks_are_filled_up_with_0_whatever_lay_there(neurons, inputs):
    # What stands there is computed with: numbers that are none would be slow, and an infinite weight would not stay.
    from lifroles.backends import _rows

    weight, blocks = np.arange(1.0, neurons * inputs + 1).reshape(neurons, inputs), -(-neurons // 32)
    packed = np.full(blocks * inputs * 32, np.nan)
    _rows.pack(weight.reshape(-1), inputs, 1, neurons, inputs, packed, 0, blocks)
    expected = np.pad(weight, ((0, blocks * 32 - neurons), (0, 0))).reshape(blocks, 32, inputs).transpose(0, 2, 1)
    assert np.array_equal(packed.reshape(blocks, inputs, 32), expected)
