"""Every event falls into the step that the rule says, none is lost, and none is counted twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifroles.data import digits, words
from lifroles.errors import DataError, SpecError
from lifroles.events import Binning, bin_events, pooled_channel, steps_of, whole_steps


def dense(t, channel, binning):
    return bin_events(np.asarray(t), np.asarray(channel), binning).sequence(binning.channels).dense()[:, 0].numpy()


def by_hand(step, channel, binning):
    """One event after the other into a dense array."""
    frames = np.zeros((binning.steps, binning.channels), np.float32)
    for s, c in zip(step, channel, strict=True):
        if 0 <= s < binning.steps:
            frames[s, c] = frames[s, c] + 1 if binning.counts else 1
    return frames


events = st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 6)), max_size=60).map(sorted)


@given(events, st.sampled_from([1, 2, 3, 5, 10]), st.booleans(), st.sampled_from(["left", "right"]))
def test_steps_of_fixed_length_hold_exactly_their_events(found, dt, counts, edge):
    t, channel = np.array([e[0] for e in found], np.int64), np.array([e[1] for e in found], np.int64)
    binning = Binning(12, 7, dt=dt, edge=edge, counts=counts)
    length = dt * 1000
    if edge == "left":
        step = [next((i for i in range(12) if i * length <= one < (i + 1) * length), -1) for one in t]
    else:
        step = [next((i for i in range(12) if (i - 1) * length < one <= i * length), -1) for one in t]
    assert np.array_equal(dense(t, channel, binning), by_hand(step, channel, binning))


@given(events.filter(lambda found: len(found) > 0), st.integers(1, 9), st.sampled_from(["number", "time"]))
def test_a_fixed_number_of_frames_keeps_every_event(found, frames, split):
    t, channel = np.array([e[0] for e in found], np.int64), np.array([e[1] for e in found], np.int64)
    binning = Binning(frames, 7, split, counts=True)
    got = dense(t, channel, binning)
    assert got.sum() == len(t)
    # SpikingJelly's rule, frame by frame: [N / M] · j to [N / M] · (j + 1), or times; the last takes what is left
    share, length = len(t) // frames, int(t[-1] - t[0]) // frames
    for j in range(frames - 1):
        if split == "number" and share:
            inside = np.arange(len(t)) // share == j
        elif split == "time" and length:
            inside = (t >= t[0] + length * j) & (t < t[0] + length * (j + 1))
        else:
            continue
        assert np.array_equal(got[j], np.bincount(channel[inside], minlength=7))


def test_half_precision_seconds_and_microseconds_fall_alike():
    """Times that both can say exactly, at the edges of steps as well as between them."""
    t = np.arange(0, 1.25, 1 / 1024)
    channel = np.arange(len(t)) % 7
    for dt in (1, 2, 3, 5, 10):
        for edge in ("left", "right"):
            binning = Binning(1000 // dt, 7, dt=dt, edge=edge)
            exact = np.array([round(one * 1e9) for one in t]) // 1  # nanoseconds
            step = exact // (dt * 10**6) if edge == "left" else -(-exact // (dt * 10**6))
            assert np.array_equal(steps_of(t.astype(np.float16), binning), np.clip(step, -1, binning.steps)), (dt, edge)
            assert np.array_equal(steps_of(t, binning), np.clip(step, -1, binning.steps))
            assert dense(t, channel, binning).sum() > 0


def test_a_spike_at_an_edge_belongs_to_the_step_that_includes_it():
    t = np.array([0, 1000, 1001, 1999, 2000])
    assert steps_of(t, Binning(5, 1, dt=1, edge="left")).tolist() == [0, 1, 1, 1, 2]
    assert steps_of(t, Binning(5, 1, dt=1, edge="right")).tolist() == [0, 1, 2, 2, 2]


def test_as_many_steps_as_fit_despite_rounding():
    assert [whole_steps(45, dt) for dt in (1, 2, 3, 5, 10)] == [45, 22, 15, 9, 4]
    assert whole_steps(0.3, 0.1) == 3 and whole_steps(1000, 0.7) == 1428


def test_pooling_adds_the_counts_of_a_block():
    rng = np.random.default_rng(0)
    x, y, p = rng.integers(0, 8, 500), rng.integers(0, 8, 500), rng.integers(0, 2, 500)
    whole = np.zeros((2, 8, 8))
    np.add.at(whole, (p, y, x), 1)
    pooled = np.bincount(pooled_channel(x, y, p, 8, 4), minlength=8).reshape(2, 2, 2)
    assert np.array_equal(pooled, whole.reshape(2, 2, 4, 2, 4).sum((2, 4)))
    assert np.array_equal(np.bincount(pooled_channel(x, y, p, 8), minlength=128).reshape(2, 8, 8), whole)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Binning(0, 1), "T is 0"),
        (lambda: Binning(1, 0), "channels is 0"),
        (lambda: Binning(1, 1, dt=0.0), "dt is 0.0 ms: give 0.001 ms"),
        (lambda: Binning(1, 1, dt=float("nan")), "dt is nan"),
        (lambda: pooled_channel(np.zeros(1), np.zeros(1), np.zeros(1), 34, 4), "factor is 4: give a divisor of 34"),
    ],
)
def test_what_cannot_be_is_refused(make, sentence):
    with pytest.raises(SpecError, match=sentence):
        make()


def test_a_channel_that_does_not_exist_is_refused():
    for wrong in (-1, 7):
        with pytest.raises(DataError, match=f"channel {wrong}: there are 7"):
            bin_events(np.array([0, 1]), np.array([0, wrong]), Binning(1, 7))


def test_a_recording_without_events_has_empty_steps():
    for split in ("length", "number", "time"):
        empty = np.zeros(0, np.int64)
        assert dense(empty, empty, Binning(3, 2, split)).sum() == 0


def test_no_event_of_the_real_recordings_is_lost(real_data):
    listed = digits.list_digits(real_data / "NMNIST", "Test")
    binnings = [Binning(400 // dt, 2312, dt=dt, counts=True) for dt in (1, 2, 3, 5, 10)]
    binnings += [Binning(20, 2312, split, counts=True) for split in ("number", "time")]
    total = 0
    for _, e in digits.read_digits(listed[:40]):
        total += len(e.t)
        channel = pooled_channel(e.x, e.y, e.p, 34)
        for binning in binnings:
            rows = bin_events(e.t, channel, binning)
            assert rows.counts is not None and int(rows.counts.sum()) == len(e.t)
            # the same entries with and without counts
            plain = bin_events(e.t, channel, Binning(binning.steps, 2312, binning.split, binning.dt))
            assert plain.counts is None and np.array_equal(plain.indices, rows.indices)
    paths = sorted((real_data / "NMNIST" / "Test").glob("*/*.bin"), key=lambda path: path.name)[:40]
    assert total == sum(path.stat().st_size for path in paths) // 5


def test_the_spoken_digits_fall_as_the_script_reads_them(real_data):
    """Step i collects what lies at or before i · dt and was not collected before, computed as the words say."""
    file = words.open_words(real_data / "SHD" / "shd_test.h5", 20)
    for spikes, _ in zip(words.read_words(file), range(3), strict=False):
        t, unit = spikes.t.astype(np.float64), spikes.unit.astype(np.int64)
        frames = np.zeros((1000, 700), np.float32)
        left = np.ones(len(t), bool)
        for i in range(1000):
            now = left & (t <= i * 1e-3 + 1e-12)
            frames[i, unit[now]] = 1
            left &= ~now
        assert np.array_equal(dense(spikes.t, unit, Binning(1000, 700, dt=1, edge="right")), frames)
