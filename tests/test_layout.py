"""How the cpu backend lays out tensors for its loops and cuts their work: every number once, whole vectors, enough."""

import itertools

import numpy as np
import pytest
import torch

from lifroles.backends import _layout
from lifroles.backends._lanes import WIDTH
from lifroles.compiled import share
from lifroles.sparse import SparseSequence


@pytest.mark.parametrize(
    ("count", "pieces", "expected"),
    [
        (0, 3, [(0, 0)]),
        (5, 0, [(0, 5)]),
        (5, 1, [(0, 5)]),
        (2, 3, [(0, 1), (1, 2)]),
        (7, 3, [(0, 2), (2, 4), (4, 7)]),
        (9, 3, [(0, 3), (3, 6), (6, 9)]),
    ],
)
def test_ranges_are_about_equally_long_and_none_is_empty_without_need(count, pieces, expected):
    assert _layout.ranges(count, pieces) == expected


def test_small_work_is_one_piece():
    assert [_layout.pieces_of(size) for size in (1, 16_383, 16_384, 1 << 20)] == [1, 1, 16, 16]
    assert [_layout.pieces_of(size, 5) for size in (16_383, 16_384)] == [1, 5]


@pytest.mark.parametrize(
    ("lanes", "size", "count"),
    [
        (1, 1, 1),
        (WIDTH, 1 << 20, 1),
        (WIDTH + 1, 1 << 20, 2),
        (10 * WIDTH, 1 << 13, 1),
        (10 * WIDTH, 1 << 20, 4),
        (40_959, 1 << 20, 4),
        (40_960, 1 << 20, 5),
        (81_920 + 3, 1 << 20, 10),
    ],
)
def test_lanes_are_shared_out_in_whole_vectors(lanes, size, count):
    ranges = _layout.lanes_of(lanes, size)
    assert len(ranges) == count
    assert [lane for low, high in ranges for lane in range(low, high)] == list(range(lanes))
    assert all(low % WIDTH == 0 for low, _ in ranges)


@pytest.mark.parametrize(
    ("blocks", "samples", "size", "pieces", "count"),
    [
        (1, 40, 1, 16, 1),
        (1, 40, 1 << 20, 16, 16),
        (3, 40, 1 << 20, 16, 18),
        (16, 40, 1 << 20, 16, 16),
        (17, 40, 1 << 20, 16, 17),
        (3, 2, 1 << 20, 16, 6),
        (3, 40, 1, 16, 3),
        (3, 40, 1 << 20, 64, 66),
        (3, 40, 1, 64, 3),
    ],
)
def test_every_block_of_every_sample_is_in_one_piece(blocks, samples, size, pieces, count):
    cuts = _layout.blocks_and_samples(blocks, samples, size, pieces)
    assert len(cuts) == count
    found = [(block, sample) for block, low, high in cuts for sample in range(low, high)]
    assert sorted(found) == list(itertools.product(range(blocks), range(samples)))
    # Sums that one block's pieces add to are told apart by the pieces' places in the list.
    assert [block for block, *_ in cuts] == sorted(list(range(blocks)) * (count // blocks))


def test_without_a_wish_work_is_cut_as_coarsely_as_sums_are_kept():
    assert len(_layout.blocks_and_samples(1, 40, 1 << 20)) == _layout.PIECES < _layout.FINE


def by_sample(sequence: torch.Tensor) -> torch.Tensor:
    """Return ``[T, B, N]`` with each sample's steps one after the other in memory."""
    return sequence.transpose(0, 1).contiguous().transpose(0, 1)


SEQUENCE = torch.arange(24.0).view(2, 3, 4)
NEGATED = torch.ops.aten._neg_view
"""The same memory, read as its negative, as the imaginary part of a conjugate is."""


@pytest.mark.parametrize(
    ("sequence", "step", "sample", "copied"),
    [
        (SEQUENCE, 12, 4, False),
        (by_sample(SEQUENCE), 4, 8, False),
        (SEQUENCE[:1].expand(2, 3, 4), 0, 4, False),
        (SEQUENCE[:1, :1].expand(2, 3, 4), 0, 0, False),
        (SEQUENCE[:1], 12, 4, False),
        (by_sample(SEQUENCE)[:, :, 1:], 9, 3, True),
        (torch.complex(SEQUENCE, SEQUENCE).conj().imag, 12, 4, True),
    ],
    ids=["steps", "samples", "one step again and again", "one row again and again", "one step", "holes", "negative"],
)
def test_a_sequence_is_found_at_its_distances(sequence, step, sample, copied):
    flat, to_step, to_sample = _layout.strided(sequence)
    assert (to_step, to_sample) == (step, sample)
    steps, batch, neurons = sequence.shape
    for t, b, n in itertools.product(range(steps), range(batch), range(neurons)):
        assert flat[t * to_step + b * to_sample + n] == sequence[t, b, n]
    assert (flat.ctypes.data == sequence.data_ptr()) is not copied


def test_numbers_that_are_repeated_negated_or_learned_are_an_array():
    for tensor, expected in (
        (torch.full((1, 1), 2.0).expand(2, 3), [2.0] * 6),
        (NEGATED(SEQUENCE[0, 0]), [-0.0, -1.0, -2.0, -3.0]),
        (torch.full((3,), 2.0, requires_grad=True), [2.0] * 3),
    ):
        flat = _layout.flattened(tensor)
        assert flat.tolist() == expected
        assert flat.strides == (flat.itemsize,)


def test_a_step_that_is_repeated_is_not_written_out_but_one_number_is():
    one = torch.ones(1, 1, 4).expand(2, 3, 4)
    flat, step, sample = _layout.strided(one)
    assert (len(flat), step, sample) == (4, 0, 0)
    flat, step = _layout.rows_of(one)
    assert (len(flat), step) == (12, 0)
    flat, step = _layout.rows_of(SEQUENCE)
    assert (len(flat), step) == (24, 12)
    flat, step = _layout.rows_of(SEQUENCE[:1])
    assert (len(flat), step) == (12, 12)


@pytest.mark.parametrize("form", [SEQUENCE, by_sample(SEQUENCE), SEQUENCE[:, :1], SEQUENCE[:, :, :3]], ids=range(4))
def test_only_what_is_not_in_order_already_is_by_sample(form):
    assert _layout.is_by_sample(form) is (form.data_ptr() != SEQUENCE.data_ptr())


@pytest.mark.parametrize("kept", [False, True])
def test_empty_room_is_laid_out_as_asked(kept):
    room = _layout.empty((2, 3, 4), torch.float64, kept)
    assert (room.shape, room.dtype) == ((2, 3, 4), torch.float64)
    assert (_layout.is_by_sample(room), room.is_contiguous()) == (kept, not kept)


@pytest.mark.parametrize(("neurons", "length"), [(1, WIDTH), (WIDTH, WIDTH), (WIDTH + 1, 2 * WIDTH)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_number_a_neuron_is_filled_up_with_0(neurons, length, dtype):
    for values in (0.25, torch.full((neurons,), 0.25, dtype=dtype, requires_grad=True)):
        found = _layout.padded(values, neurons, dtype)
        assert found.dtype == _layout.DTYPES[dtype]
        assert found.tolist() == [0.25] * neurons + [0.0] * (length - neurons)


def test_leaks_are_one_number_or_one_a_neuron():
    one = _layout.coefficients_of(0.25, torch.float32)
    assert (one.tolist(), one.dtype) == ([0.25], np.float32)
    assert _layout.coefficients_of(torch.tensor([0.25, 0.5]), torch.float32).tolist() == [0.25, 0.5]


@pytest.mark.parametrize("by_samples", [False, True])
def test_spikes_are_rows(by_samples):
    flat, steps, samples = _layout.samples_of(by_sample(SEQUENCE) if by_samples else SEQUENCE)
    assert (steps, samples) == ((2, 3) if by_samples else (1, 6))
    rows = SEQUENCE.transpose(0, 1) if by_samples else SEQUENCE
    assert flat.tolist() == rows.flatten().tolist()


@pytest.mark.parametrize(
    ("row_bytes", "group", "groups"),
    # 4 steps: a group's rows take at most 256 KiB, if there is more than one sample
    [(1 << 16, 1, 7), (1 << 20, 1, 7), (1 << 14, 4, 2), ((1 << 14) + 1, 3, 3), (1 << 13, 7, 1), (1, 7, 1)],
)
@pytest.mark.parametrize("counted", [False, True])
def test_events_are_sorted_by_channel_in_groups_that_fit_the_cache(row_bytes, group, groups, counted):
    random = np.random.default_rng(1)
    counts = random.integers(0, 4 if counted else 2, (4, 7, 5))
    events = SparseSequence.from_dense(torch.from_numpy(counts).float())
    values = _layout.values_of(events, torch.float64)
    assert values.size == (events.entries if counted else 0)
    assert values.dtype == np.float64
    found = _layout.ByChannel(events, values, row_bytes)
    share(found.work, found.pieces)
    assert (found.group, found.groups) == (group, groups)
    again = np.zeros_like(counts)
    starts = found.starts.reshape(groups, 6)
    for q, i in itertools.product(range(groups), range(5)):
        places = range(starts[q, i], starts[q, i + 1])
        assert list(found.rows[places]) == sorted(found.rows[places])
        for place in places:
            b, t = divmod(int(found.rows[place]), 4)
            again[t, q * group + b, i] += found.values[place] if counted else 1
    assert np.array_equal(again, counts)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(3, 40), (40, 3), (65, 33)])
def test_a_matrix_is_packed_whichever_way_it_lies(rows, columns, transposed):
    matrix = torch.arange(float(rows * columns)).view(rows, columns)
    lies = (
        matrix.clone().requires_grad_(),
        matrix.t().contiguous().t(),
        torch.stack([matrix, matrix], -1)[..., 0],
        NEGATED(-matrix),
    )
    expected = matrix.t() if transposed else matrix
    for found in lies:
        packed = _layout.as_blocks(found, transposed)
        blocks = -(-expected.shape[0] // WIDTH)
        assert packed.size == blocks * expected.shape[1] * WIDTH
        slopes = _layout.Slopes(1, expected.shape[0], expected.shape[1], torch.float32)
        slopes.packed[0] = packed
        slopes.written(0, blocks)
        unpacked = slopes.matrix()
        assert unpacked is not None and torch.equal(unpacked, expected)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize(("neurons", "inputs"), [(1, 1), (32, 16), (33, 17), (70, 50), (600, 40)])
def test_parts_of_a_gradient_are_added_up(parts, neurons, inputs):
    found = [torch.randn(neurons, inputs) for _ in range(parts)]
    slopes = _layout.Slopes(parts, neurons, inputs, torch.float32)
    for part, one in enumerate(found):
        slopes.packed[part] = _layout.as_blocks(one)
    # What other parts follow for is not the gradient yet.
    slopes.written(0, -(-neurons // WIDTH))
    matrix = slopes.matrix()
    assert matrix is not None and torch.equal(matrix, sum(found[1:], found[0]))


def test_a_gradient_that_is_not_wanted_takes_no_room():
    slopes = _layout.Slopes(2, 40, 3, torch.float64, False)
    assert slopes.packed.shape == (2, 0) and slopes.packed.dtype == np.float64
    slopes.written(0, 2)
    assert slopes.matrix() is None


def test_blocks_are_unpacked_as_soon_as_their_only_piece_is_done():
    slopes = _layout.Slopes(1, 40, 3, torch.float32)
    slopes.packed[:] = 1
    slopes.written(1, 2)
    slopes.packed[:] = 2
    slopes.written(0, 1)
    matrix = slopes.matrix()
    assert matrix is not None and matrix[:32].eq(2).all() and matrix[32:].eq(1).all()


@pytest.mark.parametrize(("neurons", "words"), [(1, 1), (32, 1), (33, 1), (64, 1), (65, 2), (512, 8)])
def test_nobody_fires_in_half_a_word_that_is_no_blocks(neurons, words, monkeypatch):
    garbage = [torch.full((6 * words,), -1)]
    monkeypatch.setattr(_layout._buffers, "empty", lambda shape, dtype: garbage[0].view(shape))
    fired = _layout.Fired.room(2, 3, neurons)
    assert (fired.words, fired.steps, fired.batch, fired.bits.shape) == (words, 2, 3, (6 * words,))
    spare = fired.bits.view("uint32").reshape(6, 2 * words)[:, -(-neurons // 32) :]
    assert not spare.any()


@pytest.mark.parametrize(
    ("steps", "batch", "kind"),
    [(3, 2, np.uint16), (1 << 16, 1, np.uint16), ((1 << 16) + 1, 1, np.int32), (1000, 100, np.int32)],
)
def test_rows_are_numbered_as_narrowly_as_they_can_be(steps, batch, kind):
    dense = torch.zeros(steps, batch, 2)
    dense[:, :, 0] = torch.arange(steps * batch).remainder(7).eq(0).view(batch, steps).t()
    dense[-1, -1, 1] = 1
    channel = _layout.ByChannel(SparseSequence.from_dense(dense), np.zeros(0, np.float32), 1)
    assert (channel.groups, channel.rows.dtype) == (1, kind)
    share(channel.work, channel.pieces)
    rows = dense.transpose(0, 1).reshape(-1, 2)
    assert channel.rows.tolist() == [*rows[:, 0].nonzero()[:, 0].tolist(), steps * batch - 1]


def test_events_that_nobody_wants_sorted_are_grouped_alike():
    events = SparseSequence.from_dense((torch.rand(4, 9, 5) < 0.3).float())
    sorted_, not_sorted = (
        _layout.ByChannel(events, np.zeros(0, np.float32), 1 << 14, wanted) for wanted in (True, False)
    )
    assert (not_sorted.group, not_sorted.groups) == (sorted_.group, sorted_.groups) == (4, 3)
    assert not_sorted.pieces == [] and not_sorted.rows.size == 0 and sorted_.rows.size == events.entries


@pytest.mark.parametrize("by_block", [True, False])
@pytest.mark.parametrize("neurons", [32, 33, 64, 100])
def test_potentials_that_nobody_sees_lie_in_the_order_of_the_backward_pass(neurons, by_block):
    steps, batch, blocks = 4, 3, -(-neurons // WIDTH)
    kept = _layout.Kept.hidden(steps, batch, neurons, torch.float32, by_block)
    start, step, sample, block = kept.distances
    order = [
        start + t * step + b * sample + at * block + lane
        for at, b, t, lane in (
            itertools.product(range(blocks), range(batch), reversed(range(steps)), range(WIDTH))
            if by_block
            else (
                (at, b, t, lane)
                for b, t, at, lane in itertools.product(
                    range(batch), reversed(range(steps)), range(blocks), range(WIDTH)
                )
            )
        )
    ]
    assert order == list(range(blocks * batch * steps * WIDTH)) and kept.flat.shape == (len(order),)


@pytest.mark.parametrize("by_sample", [True, False])
def test_potentials_that_somebody_sees_lie_as_they_are(by_sample):
    u = _layout.empty((4, 3, 70), torch.float64, by_sample)
    u[:] = torch.arange(u.numel()).view(u.shape)
    kept = _layout.Kept.shown(u)
    start, step, sample, block = kept.distances
    found = [
        [[kept.flat[start + t * step + b * sample + n // 32 * block + n % 32] for n in range(70)] for b in range(3)]
        for t in range(4)
    ]
    assert torch.equal(torch.tensor(found), u) and kept.u is u


def test_potentials_that_nobody_wants_take_no_room():
    kept = _layout.Kept.shown(torch.empty((0, 0, 0), dtype=torch.float64))
    assert kept.flat.shape == (0,) and kept.flat.dtype == np.float64 and not kept.is_streamed


@pytest.mark.parametrize(("steps", "streamed"), [(8191, False), (8192, True)])
@pytest.mark.parametrize("by_block", [True, False])
def test_potentials_that_no_cache_keeps_are_written_past_it(steps, streamed, by_block):
    kept = _layout.Kept.hidden(steps, 4, 64, torch.float32, by_block)
    assert kept.is_streamed == streamed
