"""The stand-in for N-MNIST: as N-MNIST's own recordings of the same digits, as far as that goes."""

import numpy as np
import pytest
import tonic

from lifroles.benchmarks.mnist import Mnist, MnistProtocol
from lifroles.errors import DataError, SpecError
from lifroles.standins import archive, saccades, statistics
from lifroles.standins.camera import Camera, Sensor
from lifroles.standins.saccades import Scene


@pytest.fixture(scope="module")
def digits():
    """Fifty embedded digits, five a class."""
    images, labels = Mnist().load(MnistProtocol(train_samples=50), "mnist-5k").train
    return images.numpy().reshape(-1, 28, 28), labels.numpy()


@pytest.fixture(scope="module")
def pairs(real_data):
    """Real recordings and stand-ins of the same digits, from the training images and from the test images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFROLES_DATA", str(real_data))
        mnist = Mnist().load(MnistProtocol(), "official")
    found = {}
    for name, (images, labels) in (("Train", mnist.train), ("Test", mnist.test)):
        pixels = images.numpy().reshape(-1, 28, 28)
        paths = sorted((real_data / "NMNIST" / name).glob("*/*.bin"), key=lambda path: path.stem)[:100]
        numbers = [int(path.stem) for path in paths]
        assert [int(path.parent.name) for path in paths] == labels[np.array(numbers) - 1].tolist()
        real = [archive.unpack(path.read_bytes(), str(path)) for path in paths]
        made = [saccades.record(pixels[number - 1], number) for number in numbers]
        found[name] = real, made
    return found


def measured(pairs, name):
    return tuple(statistics.measure(recordings) for recordings in pairs[name])


# What was fitted, it was fitted to training recordings. The test recordings were made on another occasion: 0.8 pixels
# higher, with a weaker first and a stronger third saccade.
@pytest.mark.parametrize(("name", "tolerance"), [("Train", 0.06), ("Test", 0.1)])
def test_events_of_recordings_saccades_and_frames_are_as_many_as_in_real_ones(pairs, name, tolerance):
    real, made = measured(pairs, name)
    assert made.events.mean() == pytest.approx(real.events.mean(), rel=tolerance)
    assert made.events.std() == pytest.approx(real.events.std(), rel=0.2)
    assert made.saccades.mean(0) == pytest.approx(real.saccades.mean(0), rel=tolerance)
    assert made.density.mean() == pytest.approx(real.density.mean(), rel=2 * tolerance)
    assert made.duration.mean() == pytest.approx(real.duration.mean(), abs=4)
    assert made.on.mean() == pytest.approx(real.on.mean(), abs=0.015)


@pytest.mark.parametrize("name", ["Train", "Test"])
def test_a_digit_with_more_events_wider_or_higher_is_so_in_both(pairs, name):
    real, made = measured(pairs, name)
    assert np.corrcoef(real.events, made.events)[0, 1] > 0.97
    for axis in (0, 1):
        assert np.corrcoef(real.spread[:, axis], made.spread[:, axis])[0, 1] > 0.95
    assert made.spread.mean(0) == pytest.approx(real.spread.mean(0), rel=0.04)


@pytest.mark.parametrize(("name", "rate", "interval"), [("Train", 0.1, 0.2), ("Test", 0.2, 0.2)])
def test_the_course_in_time_is_as_in_real_recordings(pairs, name, rate, interval):
    real, made = measured(pairs, name)
    assert np.abs(real.rate - made.rate).sum() < rate * real.rate.sum()
    assert np.abs(real.intervals - made.intervals).sum() < interval * real.intervals.sum()
    assert np.abs(real.per_pixel - made.per_pixel).sum() < 0.15 * real.per_pixel.sum()
    # Three saccades with rests between them.
    total = made.rate.sum(0)
    assert min(total[8:13].mean(), total[29:33].mean(), total[49:53].mean()) > 5 * max(total[17], total[43])


@pytest.mark.parametrize("name", ["Train", "Test"])
def test_a_stand_in_resembles_the_recording_of_its_own_digit_most(pairs, name):
    real, made = pairs[name]
    alike = statistics.resemblance(real, made)
    assert (alike.argmax(1) == np.arange(len(real))).mean() > 0.95
    assert np.diag(alike).mean() > 0.9
    assert np.diag(alike).mean() > 0.2 + alike[~np.eye(len(real), dtype=bool)].mean()


def test_the_digit_moves_along_the_triangle():
    # Opposite edges of a square report it from both sides: their middle is the square's.
    square = np.zeros((28, 28), np.uint8)
    square[10:18, 10:18] = 255
    recordings = [saccades.record(square, seed) for seed in range(5)]
    for window, place in {
        (20, 35): (-2.6, -0.9),
        (65, 80): (-1.4, 3.3),
        (125, 140): (0, 3.1),
        (170, 185): (2.2, -1.3),
        (232, 240): (2.3, -1.7),
        (280, 300): (-2.1, -1.7),
    }.items():
        middles = []
        for events in recordings:
            now = (events.t >= 1000 * window[0]) & (events.t < 1000 * window[1])
            # Without the noise around it
            near = now & (abs(events.x - 16.5) < 9) & (abs(events.y - 16.5) < 9)
            middles.append((events.x[near].mean() - 16.5, events.y[near].mean() - 16.5))
        assert np.mean(middles, axis=0) == pytest.approx(place, abs=0.5), window


def test_the_front_of_a_dark_digit_is_off(digits):
    # From 30 to 70 ms the digit moves down: below its lower edges it becomes darker.
    bar = np.zeros((28, 28), np.uint8)
    bar[10:18, 4:24] = 255
    events = saccades.record(bar, 0)
    now = (events.t > 30_000) & (events.t < 70_000)
    front = now & (events.y > 18)
    back = now & (events.y < 14)
    assert front.sum() > 100 and back.sum() > 100
    assert events.p[front].mean() < 0.1 and events.p[back].mean() > 0.9


def test_a_recording_depends_on_its_seed_alone(digits):
    image = digits[0][3]
    one, same, other = (archive.pack(saccades.record(image, seed)) for seed in (7, np.random.default_rng(7), 8))
    assert one == same
    assert one != other
    assert one != archive.pack(saccades.record(image, 7, camera=saccades.sensor(1)))


def test_a_set_is_in_n_mnists_own_layout_and_its_beginning_does_not_depend_on_its_size(tmp_path, digits):
    saccades.write(tmp_path / "a", source="mnist-5k", train=12, test=5, seed=3, workers=1)
    saccades.write(tmp_path / "b", source="mnist-5k", train=6, test=5, seed=3, workers=2)
    large, small = (list(saccades.read(tmp_path / name, "Train")) for name in "ab")
    assert [label for _, label, _ in large] == digits[1][:12].tolist()
    assert [number for number, _, _ in large] == list(range(1, 13))
    assert all(archive.pack(a[2]) == archive.pack(b[2]) for a, b in zip(large, small, strict=False))
    # Training and test recordings are draws of their own.
    assert len(list(saccades.read(tmp_path / "a", "Test"))) == 5
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    for number, label, events in large[:3]:
        raw = archive.pack(events)
        path = tmp_path / f"{label}-{number}.bin"
        path.write_bytes(raw)
        read = tonic.io.read_mnist_file(str(path), dtype)
        assert all(np.array_equal(read[name], getattr(events, name)) for name in "txyp")
        assert 1000 < len(events) < 9000 and 290_000 < events.t[-1] < 330_000


def test_statistics_of_a_recording_that_is_known():
    # x = 1, y = 2: OFF at 1,000 µs, ON at 2,000 µs; x = 3, y = 4: ON at 100,001 µs
    events = archive.unpack(bytes.fromhex("0102 0003e8 0102 8007d0 0304 8186a1"), "here")
    assert events.t.tolist() == [1000, 2000, 100_001] and events.p.tolist() == [False, True, True]
    found = statistics.measure([events])
    assert found.events.tolist() == [3] and found.saccades.tolist() == [[2, 1, 0]]
    assert found.on[0] == pytest.approx(2 / 3)
    assert found.duration[0] == pytest.approx(100.001)
    assert found.density[0] == pytest.approx(2 / (15 * 2 * 34 * 34))
    assert found.intervals.sum(1).tolist() == [1, 0]
    assert found.per_pixel[:3].tolist() == [34 * 34 - 2, 1, 1]
    assert found.rate[0].sum() * statistics.RATE_STEP == pytest.approx(1)
    assert set(found.rows()) >= {"events", "events in saccade 3", "share of ON events (%)"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: saccades.record(np.zeros((27, 28), np.uint8), 0), SpecError, r"image is uint8\[27, 28\]"),
        (lambda: saccades.record(np.zeros((28, 28)), 0), SpecError, r"image is float64\[28, 28\]: give uint8"),
        (
            lambda: saccades.record(
                np.zeros((28, 28), np.uint8),
                0,
                camera=Sensor(Camera(on=1, off=1), (28, 28), np.random.SeedSequence(0)),
            ),
            SpecError,
            "camera has 28 x 28 pixels",
        ),
        (lambda: Scene(dark=0), SpecError, "dark in"),
        (lambda: Scene(x=(0.0,), y=(9.0,)), SpecError, "4 pixels from the middle"),
        (lambda: statistics.measure([]), DataError, "no recordings"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"source": "fashion"}, SpecError, "source is 'fashion': give one of mnist-5k, official"),
        ({"source": "mnist-5k", "train": 0}, SpecError, "train is 0"),
        ({"source": "mnist-5k", "train": 4001}, DataError, "train_samples is 4001, but this source has 4000 images"),
        ({"source": "official"}, DataError, "set LIFROLES_DATA"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(tmp_path, monkeypatch, arguments, error, message):
    if arguments["source"] == "official":
        monkeypatch.setenv("LIFROLES_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr("lifroles.benchmarks.mnist.BASE_URL", "http://127.0.0.1:9/")
    with pytest.raises(error, match=message):
        saccades.write(tmp_path / "set", **arguments)
    assert not (tmp_path / "set").exists()
