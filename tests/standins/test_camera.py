"""The event camera: when a pixel fires, when it cannot, and what it does for no reason."""

import numpy as np
import pytest

from lifroles.errors import SpecError
from lifroles.standins.camera import Camera, Events, Exposure, Sensor

PLAIN = Camera(on=0.4, off=0.3)


def sensor(camera=PLAIN, shape=(1, 1), seed=0):
    return Sensor(camera, shape, np.random.SeedSequence(seed))


def film(levels, shape=(1, 1)):
    """A film whose pixels all show the same log intensities."""
    return np.broadcast_to(np.asarray(levels, np.float32)[:, None, None], (len(levels), *shape))


def watch(one, levels, step=1000, seed=0, shape=(1, 1)):
    return one.watch(film(levels, shape), step, np.random.default_rng(seed))


def test_a_pixel_that_brightens_steadily_fires_on_each_time_by_its_threshold():
    # 0.01 a ms: a threshold of 0.4 every 40 ms, from a first event that depends on what the pixel saw before.
    events = watch(sensor(), np.arange(0, 5, 0.01))
    assert events.p.all()
    assert 11 <= len(events) <= 13
    assert np.abs(np.diff(events.t) - 40_000).max() <= 1
    assert events.t[0] < 70_000


def test_a_pixel_that_darkens_fires_off_by_the_other_threshold():
    events = watch(sensor(), -np.arange(0, 5, 0.01))
    assert not events.p.any()
    assert np.abs(np.diff(events.t) - 30_000).max() <= 1


def test_times_are_crossings_and_do_not_depend_on_how_often_the_film_has_a_frame():
    coarse = watch(sensor(), np.arange(0, 5, 0.2), step=20_000)
    fine = watch(sensor(), np.arange(0, 4.801, 0.005), step=500)
    assert len(coarse) == len(fine) > 10
    assert np.abs(coarse.t - fine.t).max() <= 2


def test_nothing_happens_where_nothing_changes():
    assert len(watch(sensor(shape=(9, 9)), np.zeros(200), shape=(9, 9))) == 0


def test_in_reset_a_pixel_sees_nothing_and_then_starts_from_what_is_there():
    # Threshold to threshold takes 40 ms; the change during 25 ms of reset is lost.
    events = watch(sensor(Camera(on=0.4, off=0.3, refractory=25_000)), np.arange(0, 10, 0.01))
    assert np.abs(np.diff(events.t) - 65_000).max() <= 1


def test_no_pixel_fires_twice_within_its_reset_whatever_the_reason():
    camera = Camera(on=0.1, off=0.1, refractory=3000, noise_on=400, noise_off=400, jitter=0.3)
    waves = np.sin(np.arange(400) / 5)
    events = watch(sensor(camera, (6, 7)), waves, shape=(6, 7))
    pixel = events.y.astype(int) * 7 + events.x
    gaps = np.concatenate([np.diff(events.t[pixel == i]) for i in range(42)])
    assert len(events) > 2000
    assert gaps.min() >= 2999  # times are rounded down
    assert (gaps < 3100).any()


def test_noise_comes_at_its_rates_with_its_polarities():
    shape = (40, 50)
    events = watch(sensor(Camera(on=0.4, off=0.3, noise_on=3.0, noise_off=1.0), shape), np.zeros(1001), shape=shape)
    on, off = int(events.p.sum()), int((~events.p).sum())
    assert abs(on - 6000) < 5 * 6000**0.5
    assert abs(off - 2000) < 5 * 2000**0.5
    # evenly over time and pixels
    assert abs(events.t.mean() - 500_000) < 20_000
    assert abs(events.x.mean() - 24.5) < 1 and abs(events.y.mean() - 19.5) < 1


def test_the_photoreceptor_lags_by_its_time_constant():
    step = np.r_[np.zeros(5), np.ones(200)]
    lagging = watch(sensor(Camera(on=0.4, off=0.3, lag=10_000)), step)
    prompt = watch(sensor(), step)
    assert len(prompt) == len(lagging) == 2
    assert (prompt.t >= 4000).all() and (prompt.t < 5000).all()
    # Between both events the distance to the final value falls by 0.4; the first event's level is whatever it is.
    share = 1 - np.exp(-(lagging.t - 4000) / 10_000)
    assert share[1] - share[0] == pytest.approx(0.4, abs=0.02)


def test_mismatch_is_the_sensors_and_stays():
    camera = Camera(on=0.4, off=0.3, refractory=1000, mismatch=0.1, refractory_mismatch=0.2)
    one = sensor(camera, (60, 60))
    assert np.array_equal(one.pixels, sensor(camera, (60, 60)).pixels)
    assert not np.array_equal(one.pixels, sensor(camera, (60, 60), seed=1).pixels)
    assert one.pixels.mean(1) == pytest.approx([0.4, 0.3, 1000], rel=0.02)
    assert one.pixels.std(1) == pytest.approx([0.04, 0.03, 200], rel=0.1)
    # It shows: the pixels' rates differ, and in the same way in another recording.
    ramps = [watch(one, np.arange(0, 40, 0.02), seed=seed, shape=(60, 60)) for seed in (0, 1)]
    counts = [np.bincount(e.y.astype(int) * 60 + e.x, minlength=3600) for e in ramps]
    assert np.corrcoef(counts[0], counts[1])[0, 1] > 0.95
    assert np.corrcoef(counts[0], 1 / one.pixels[0])[0, 1] > 0.95


def test_jitter_moves_events_but_not_their_number():
    steady, jittered = (watch(sensor(Camera(on=0.4, off=0.3, jitter=j)), np.arange(0, 400, 0.05)) for j in (0.0, 0.2))
    assert len(jittered) == pytest.approx(len(steady), rel=0.03)
    assert np.diff(jittered.t).std() == pytest.approx(0.2 * 8000, rel=0.1)


def test_events_are_in_order_of_time_and_a_film_may_be_shown_in_pieces():
    rng = np.random.default_rng(5)
    frames = np.cumsum(rng.normal(0, 0.1, (300, 8, 9)), axis=0).astype(np.float32)
    one = sensor(Camera(on=0.3, off=0.3, refractory=500, lag=900), (8, 9))
    whole = one.watch(frames, 1000, np.random.default_rng(0))
    assert (np.diff(whole.t) >= 0).all()
    assert whole.t.dtype == np.int32 and whole.x.dtype == whole.y.dtype == np.uint8 and whole.p.dtype == bool
    assert whole.x.max() == 8 and whole.y.max() == 7
    exposure = Exposure(one, frames[0], np.random.default_rng(0))
    for piece in (frames[1:2], frames[2:100], frames[100:]):
        exposure.add(piece, 1000)
    pieces = exposure.events()
    assert all(np.array_equal(getattr(whole, name), getattr(pieces, name)) for name in "txyp")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Camera(on=0.0, off=0.3), "camera's on is 0.0"),
        (lambda: Camera(on=0.3, off=float("nan")), "camera's off is nan"),
        (lambda: Camera(on=0.3, off=0.3, noise_on=-1), "camera's noise_on is -1"),
        (lambda: sensor(shape=(300, 4)), "300 x 4 pixels: give 1 to 256"),
        (lambda: watch(sensor(shape=(2, 2)), np.zeros(3)), r"the film is .* needs \[frames, 2, 2\]"),
        (lambda: watch(sensor(), np.zeros(3), step=0), "0 µs between two frames"),
        (lambda: Events(np.zeros(2), np.zeros(2), np.zeros(1), np.zeros(2)), r"one length each.* y \[1\]"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(call, message):
    with pytest.raises(SpecError, match=message):
        call()
