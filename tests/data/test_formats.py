"""The formats are read as their publishers wrote them: from real files, or from files written by their description."""

import numpy as np
import pytest
import small_sets

from lifroles.data import cifar, digits, gestures, poker, words


def test_real_digits_are_read_as_tonic_reads_them(real_data):
    from tonic.io import read_mnist_file

    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    listed = digits.list_digits(real_data / "NMNIST", "Train")
    assert [one.index for one in listed] == sorted(one.index for one in listed) and len(listed) == 960
    for digit, events in digits.read_digits(listed[:50]):
        theirs = read_mnist_file(str(digit.source), dtype)
        for name in "xytp":
            assert np.array_equal(getattr(events, name), theirs[name])
    # the first and last event that snnTorch's tutorial prints of this recording
    first = next(digits.read_digits([one for one in listed if one.index == 2]))[1]
    assert len(first.t) > 1000 and int(first.t[0]) < 10_000 and int(first.t[-1]) < 336_001


def test_real_digits_have_the_labels_of_mnist(real_data):
    import gzip

    for split, name in (("Train", "train"), ("Test", "t10k")):
        raw = gzip.decompress((real_data / "MNIST" / "raw" / f"{name}-labels-idx1-ubyte.gz").read_bytes())
        labels = np.frombuffer(raw, np.uint8, offset=8)
        listed = digits.list_digits(real_data / "NMNIST", split)
        assert [one.label for one in listed] == labels[[one.index - 1 for one in listed]].tolist()


def test_real_digits_last_three_saccades_and_have_both_polarities(real_data):
    sizes, ends, on = [], [], []
    for _, events in digits.read_digits(digits.list_digits(real_data / "NMNIST", "Test")):
        sizes.append(len(events.t))
        ends.append(int(events.t[-1]))
        on.append(float(events.p.mean()))
    assert sum(sizes) == 385_596 and min(ends) > 295_000 and max(ends) < 337_000
    assert min(on) > 0.3 and max(on) < 0.7


def test_real_words_are_as_many_as_the_audio_has(real_data):
    for split, number, spikes in (("train", 8156, None), ("test", 2264, 13_337_709)):
        file = words.open_words(real_data / "SHD" / f"shd_{split}.h5", 20)
        assert len(file.labels) == number and set(file.labels.tolist()) == set(range(20))
        assert file.words[:2] == ("zero", "one") and file.words[15] == "fünf"
        if spikes is not None:
            found = list(words.read_words(file))
            assert sum(len(one.t) for one in found) == spikes
            assert max(float(one.t.max()) for one in found) < 1.4 and max(int(one.unit.max()) for one in found) == 699
    # two speakers are in the test set alone
    assert set(file.speakers.tolist()) == set(range(12))
    train = words.open_words(real_data / "SHD" / "shd_train.h5", 20)
    assert set(train.speakers.tolist()) == set(range(12)) - {4, 5}


def test_real_pips_come_in_turn(real_data):
    train = poker.read_pips(real_data / "POKERDVS" / "pips_train.tar.gz")
    test = poker.read_pips(real_data / "POKERDVS" / "pips_test.tar.gz")
    assert [pip.label for pip in train] == [0, 1, 2, 3] * 12 and [pip.label for pip in test] == [0, 1, 2, 3] * 5
    assert sum(len(pip.events.t) for pip in train) == 143_569 and sum(len(pip.events.t) for pip in test) == 63_847


def test_real_images_have_the_published_labels_in_their_order(real_data):
    parts = [cifar.read_images(real_data / "cifar-10-batches-bin" / name) for name in cifar.TRAIN]
    labels = np.concatenate([part[1] for part in parts])
    assert np.bincount(labels).tolist() == [5000] * 10
    assert [cifar.NAMES[i] for i in labels[:4]] == ["frog", "truck", "truck", "deer"]
    level = np.mean([part[0].reshape(-1, 3, 1024).mean((0, 2)) for part in parts], axis=0) / 255
    assert level == pytest.approx([0.4914, 0.4822, 0.4465], abs=2e-3)


def test_sessions_are_cut_by_their_tables(tmp_path):
    folder = small_sets.write_camera_gestures(tmp_path / "DvsGesture")
    found = list(gestures.read(folder, "train"))
    assert [one.label for one in found] == [*range(11), 10, *range(11)]
    assert [one.user for one in found] == [1] * 12 + [2] * 11
    assert all(len(one.events.t) == 1500 and one.events.t[0] >= 0 and one.events.t[-1] < 45_000 for one in found)
    assert [one.label for one in gestures.read(folder, "test")] == list(range(11))


def test_a_cameras_file_is_read_as_its_publisher_describes_it(tmp_path):
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, 10**6, 5000))
    x, y, p = rng.integers(0, 128, 5000), rng.integers(0, 128, 5000), rng.integers(0, 2, 5000)
    path = tmp_path / "user01_led.aedat"
    path.write_bytes(small_sets.aedat(t, x, y, p, other=False))
    mine = gestures.read_aedat(path)
    for name, wanted in (("t", t), ("x", x), ("y", y), ("p", p)):
        assert np.array_equal(getattr(mine, name), wanted)
    # packets of other kinds are passed over, and the clock's overflow counts
    path.write_bytes(small_sets.aedat(t + (1 << 31) + 5, x, y, p))
    assert np.array_equal(gestures.read_aedat(path).t, t + (1 << 31) + 5)


def test_cut_gestures_come_by_person_light_and_class(tmp_path):
    folder = small_sets.write_cut_gestures(tmp_path)
    found = list(gestures.read(folder / "ibmGestureTrain", "train"))
    assert [(one.user, one.label) for one in found] == [(u, k) for u in (1, 2) for k in range(11)]
    assert all((one.events.t % 1000 == 0).all() for one in found)
