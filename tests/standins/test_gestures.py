"""The stand-in for DVS128 Gesture: who moves what, and that some of it is told by time alone."""

import numpy as np
import pytest

from lifroles.errors import DataError, SpecError
from lifroles.standins import archive, figure, gestures
from lifroles.standins.statistics import images

RIGHT, LEFT = (1, 3, 4), (2, 5, 6)
CLOCKWISE, COUNTER = (3, 5), (4, 6)


@pytest.fixture(scope="module")
def recordings():
    """Every class by two subjects."""
    return {(label, who): gestures.record(label, who, 1000 * label + who) for label in range(11) for who in (9, 27)}


def traces(events):
    """Where there were events, on 32 × 32 pixels, polarities apart."""
    image = images([events], gestures.SIDE)[0].reshape(2, 32, 4, 32, 4).sum((2, 4))
    return np.log1p(image).ravel()


def turn(events, side):
    """The area that the events' middle sweeps in steps of 60 ms, above 0 if it turns clockwise."""
    half = events.x < 64 if side == "right" else events.x >= 64
    t = events.t[half] // 60_000
    n = np.maximum(np.bincount(t), 1)
    x, y = np.bincount(t, events.x[half]) / n, np.bincount(t, events.y[half]) / n
    dx, dy = np.diff(x), np.diff(y)
    return float((dx[:-1] * dy[1:] - dy[:-1] * dx[1:]).sum())


def test_a_recording_is_seconds_of_events_on_128_pixels(recordings):
    for events in recordings.values():
        assert 3_900_000 < events.t[-1] < 7_000_000 < archive.LAST
        assert (np.diff(events.t) >= 0).all()
        assert events.x.max() <= 127 and events.y.max() <= 127
        assert 5_000 < len(events) < 400_000
        assert 0.35 < events.p.mean() < 0.75
    assert 30_000 < np.mean([len(events) for events in recordings.values()]) < 150_000


def test_the_persons_right_hand_moves_at_the_left_of_the_picture(recordings):
    def excess(label):
        # How many more events there are left of the person than right of them.
        shares = []
        for who in (9, 27):
            events = recordings[label, who]
            middle = gestures.body(who).x
            shares.append((events.x < middle).mean() - 0.5)
        return np.array(shares)

    for right, left in zip(RIGHT, LEFT, strict=True):
        assert (excess(right) > 0.08).all()
        assert (excess(left) < -0.08).all()


def test_clockwise_and_counter_clockwise_differ_in_order_only(recordings):
    for side, (one, other) in (("right", (3, 4)), ("left", (5, 6))):
        for who in (9, 27):
            assert turn(recordings[one, who], side) > 0
            assert turn(recordings[other, who], side) < 0
    # Backwards in time, one is the other; added up over time, they are no more different than two recordings of one.
    again = {label: gestures.record(label, 9, 77 + label) for label in (3, 4)}
    alike = np.corrcoef([traces(recordings[3, 9]), traces(again[3]), traces(recordings[4, 9]), traces(again[4])])
    other_gesture = np.corrcoef(traces(recordings[3, 9]), traces(recordings[8, 9]))[0, 1]
    assert alike[0, 2:].mean() > (alike[0, 1] + other_gesture) / 2
    reverse = recordings[3, 9]
    assert turn(type(reverse)(reverse.t[-1] - reverse.t, reverse.x, reverse.y, reverse.p), "right") < 0


def test_hands_keep_to_their_arms():
    times = np.arange(0, 4, 0.01)
    for label in range(11):
        for who in (2, 25):
            hands, poles, _ = gestures._motion(label, who, times, np.random.default_rng(label))
            for hand, pole in zip(hands, poles, strict=True):
                elbow = figure.elbows(hand, pole)
                assert np.linalg.norm(elbow, axis=1) == pytest.approx(figure.UPPER)
                assert np.linalg.norm(hand - elbow, axis=1) == pytest.approx(1 - figure.UPPER)
                # Nothing jumps: in 10 ms a hand moves less than a tenth of an arm.
                assert np.abs(np.diff(hand, axis=0)).max() < 0.1
                assert np.abs(np.diff(elbow, axis=0)).max() < 0.15


def test_a_limb_is_drawn_where_it_is_over_what_is_behind_it():
    ground, light = np.full((40, 40), 0.5), np.ones((40, 40))
    upright = [20.0, 8.0, 4.0, 20.0, 30.0, 4.0, 0.9]
    film = np.empty((2, 40, 40), np.float32)
    across = [5.0, 20.0, 2.0, 35.0, 20.0, 2.0, 0.2]
    figure.draw(np.array([[upright, across], [across, upright]]), ground, light, film)
    behind = np.log(0.5)
    assert film[:, 2, 2] == pytest.approx(behind) and film[:, 36, 20] == pytest.approx(behind)
    assert film[0, 20, 20] == pytest.approx(np.log(0.2), abs=0.1)
    assert film[1, 20, 20] == pytest.approx(np.log(0.9), abs=0.1)
    assert film[:, 12, 20] == pytest.approx(np.log(0.9), abs=0.1)
    assert film[:, 20, 10] == pytest.approx(np.log(0.2), abs=0.1)
    # Only the limbs are there, and their edges are soft.
    assert 4 * 22 * 2 < (film[0] != np.float32(behind)).sum() < 12 * 34 + 8 * 36
    assert behind < film[0, 12, 24] < np.log(0.9)


def test_the_nearer_arm_covers_the_other():
    # Both hands before the chest, one nearer to the camera in the first picture and the other one in the second.
    hands = np.array([[[0.4, 0.2, 0.5], [0.4, 0.2, 0.3]], [[-0.4, 0.2, 0.3], [-0.4, 0.2, 0.5]]])
    body = gestures.body(1)
    parts = figure.limbs(body, hands, np.array([[-0.5, 1.0, 0.0], [0.5, 1.0, 0.0]]), np.zeros((2, 2)))
    nearest_upper_arm = parts[:, -3]
    assert nearest_upper_arm[0, 0] < body.x < nearest_upper_arm[1, 0]


def test_subjects_differ_and_stay_themselves():
    bodies = [gestures.body(who) for who in gestures.SUBJECTS]
    assert len(set(bodies)) == 29
    assert gestures.body(5) == gestures.body.__wrapped__(5)
    paces = {gestures._habit(0, who).pace for who in gestures.SUBJECTS}
    assert len(paces) == 29 and max(paces) / min(paces) > 1.3
    assert len(gestures.TRAIN_SUBJECTS) == 23 and len(gestures.TEST_SUBJECTS) == 6
    assert not set(gestures.TRAIN_SUBJECTS) & set(gestures.TEST_SUBJECTS)


def test_a_recording_depends_on_its_seed_alone(recordings):
    same = gestures.record(8, 9, 8009)
    assert archive.pack(same) == archive.pack(recordings[8, 9])
    assert archive.pack(same) != archive.pack(gestures.record(8, 9, 8010))


def test_a_set_is_split_by_subject_balanced_and_its_beginning_does_not_depend_on_its_size(tmp_path):
    done = []
    gestures.write(tmp_path / "a", train=12, test=2, seed=2, progress=lambda *counts: done.append(counts))
    gestures.write(tmp_path / "b", train=2, test=1, seed=2, workers=1)
    assert done[-1] == (14, 14)
    train, test = (list(gestures.read(tmp_path / "a", split)) for split in ("Train", "Test"))
    assert [label for label, _, _ in train] == [*range(11), 0]
    assert [who for _, who, _ in train] == [1] * 11 + [2]
    assert [(label, who) for label, who, _ in test] == [(0, 24), (1, 24)]
    small = list(gestures.read(tmp_path / "b", "Train"))
    assert [archive.pack(one[2]) for one in small] == [archive.pack(one[2]) for one in train[:2]]
    assert archive.pack(test[0][2]) != archive.pack(train[0][2])


def test_the_full_set_has_the_real_ones_sizes_and_every_subject():
    for size, subjects in ((1176, gestures.TRAIN_SUBJECTS), (288, gestures.TEST_SUBJECTS)):
        plan = [gestures._place(i, subjects) for i in range(size)]
        assert len(set(plan)) == size
        assert {who for _, who, _ in plan} == set(subjects)
        counts = np.bincount([label for label, _, _ in plan])
        assert len(counts) == 11 and counts.max() - counts.min() <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gestures.record(11, 1, 0), r"label is 11: give 0 \(hand clapping\) to 10 \(other\)"),
        (lambda: gestures.record(0, 30, 0), "subject is 30: give 1 to 29"),
        (lambda: gestures.record(0, 0, 0), "subject is 0"),
    ],
)
def test_unknown_classes_and_subjects_are_refused_in_a_sentence(call, message):
    with pytest.raises(SpecError, match=message):
        call()


def test_what_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(SpecError, match="test is 0: give 1 or more"):
        gestures.write(tmp_path / "set", train=1, test=0)
    assert not (tmp_path / "set").exists()
    with pytest.raises(DataError, match=r"train.zip cannot be read"):
        list(gestures.read(tmp_path, "Train"))
