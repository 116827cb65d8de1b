"""Corruptions do to events what their names say, and nothing else."""

import numpy as np
import pytest
import torch
from victims import spikes

from lifroles.attacks.corruption import KINDS, corrupt
from lifroles.errors import SpecError


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("kind", KINDS)
def test_no_strength_is_no_change_and_the_result_is_binary(kind):
    x = spikes(10, 5, 18)
    kept = x.clone()
    assert torch.equal(corrupt(kind, x, 0, rng(), side=3), x)
    out = corrupt(kind, x, 1, rng(), side=3)
    assert torch.equal(x, kept)
    assert out.shape == x.shape
    assert set(out.unique().tolist()) <= {0.0, 1.0}


def test_noise_adds_events_at_its_rate_and_takes_none():
    x = spikes(50, 20, 72, rate=0.02)
    out = corrupt("noise", x, 0.1, rng())
    assert (out >= x).all()
    assert float((out - x).sum() / (x == 0).sum()) == pytest.approx(0.1, abs=0.005)


def test_dropping_takes_events_at_its_rate_and_adds_none():
    x = spikes(50, 20, 72, rate=0.5)
    out = corrupt("drop", x, 0.3, rng())
    assert (out <= x).all()
    assert float((x - out).sum() / x.sum()) == pytest.approx(0.3, abs=0.01)


def test_jitter_moves_events_in_time_alone():
    x = torch.zeros(41, 4, 1000)
    x[20] = 1
    out = corrupt("jitter", x, 2.0, rng())
    assert out.sum() == x.sum()  # each event has a channel of its own, and none is near an end
    assert torch.equal(out.sum(0), x.sum(0))
    at = out.nonzero()[:, 0].double()
    assert float(at.mean()) == pytest.approx(20, abs=0.2)
    assert float(at.std()) == pytest.approx(2.02, abs=0.15)  # rounding adds 1/12 to the variance


def test_jitter_loses_what_leaves_the_recording():
    x = torch.zeros(3, 2, 500)
    x[0] = 1
    out = corrupt("jitter", x, 50.0, rng())
    assert out.sum() < 0.2 * x.sum()


def test_a_shift_moves_every_polarity_by_whole_pixels_in_one_of_four_directions():
    x = torch.zeros(2, 40, 50)
    frames = x.view(2, 40, 2, 5, 5)
    frames[:, :, 0, 2, 2] = 1
    frames[:, :, 1, 4, 0] = 1
    out = corrupt("shift", x, 1, rng(), side=5).view(2, 40, 2, 5, 5)
    places = {tuple(place) for place in out[:, :, 0].nonzero()[:, 2:].tolist()}
    assert places == {(3, 2), (1, 2), (2, 3), (2, 1)}
    assert (out[:, :, 0].sum((2, 3)) == 1).all()
    # the corner's event leaves the picture for two of the directions, together with its own sample's other one
    assert {tuple(place) for place in out[:, :, 1].nonzero()[:, 2:].tolist()} == {(3, 0), (4, 1)}
    gone = corrupt("shift", x, 5, rng(), side=5)
    assert not gone.any()


@pytest.mark.parametrize(
    ("kind", "strength", "message"),
    [
        ("blur", 0.1, "give one of noise, drop, jitter, shift"),
        ("noise", 1.5, "give one of"),
        ("drop", -0.1, "give one of"),
        ("shift", 0.5, "whole number"),
        ("jitter", float("nan"), "give one of"),
    ],
)
def test_what_is_no_corruption_is_refused(kind, strength, message):
    with pytest.raises(SpecError, match=message):
        corrupt(kind, spikes(2, 2, 18), strength, rng(), side=3)


def test_channels_that_are_no_picture_cannot_be_shifted():
    with pytest.raises(SpecError, match="give their side"):
        corrupt("shift", spikes(2, 2, 18), 1, rng(), side=4)
