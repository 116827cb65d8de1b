"""Each way in which a file can be wrong is one clear sentence with the file's name, and nothing is cached."""

import io
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import small_sets

from lifroles.benchmarks import get
from lifroles.data import cifar, digits, gestures, poker, words
from lifroles.errors import DataError

PAGE = b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head></html>\n"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = (*DIGITS, *(f"{word}_de" for word in DIGITS))


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path / "data"))


def refused(benchmark: str, sentence: str, folder: Path, source: str = "local") -> None:
    """The benchmark does not load, says so in one sentence, and leaves nothing in the cache."""
    task = get(benchmark)
    with pytest.raises(DataError, match=sentence) as caught:
        task.load(task.protocol(), source)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert str(folder) in str(caught.value)
    kept = [path for path in (folder.parent / "cache" / "events").glob("*") if not path.name.startswith(".")]
    assert not [path for path in kept if "train" in path.name], "the damaged split is not kept"


# --- N-MNIST ---------------------------------------------------------------------------------------------------------


def event(x=1, y=2, p=1, t=3):
    return small_sets.pack(np.array([x]), np.array([y]), np.array([p]), np.array([t]))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (event() + event()[:3], "3/00004.bin is no whole number of events .it is cut short"),
        (PAGE, "3/00004.bin is no whole number of events .it is a web page"),
        (b"", "3/00004.bin holds no event"),
        (event(x=34), "3/00004.bin has an event at x = 34, outside the 34 × 34 pixels"),
        (event(y=40), "3/00004.bin has an event at y = 40"),
        (event(t=9) + event(t=8), "3/00004.bin is not in order of time .event 1 is earlier than event 0"),
    ],
)
def test_a_damaged_digit_is_named(tmp_path, content, sentence):
    folder = small_sets.write_digits(tmp_path / "data" / "NMNIST")
    (folder / "Train" / "3" / "00004.bin").write_bytes(content)
    refused("nmnist", sentence, tmp_path / "data")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("Train/11/00041.bin", "Train/11/00041.bin has the label '11', which is no digit"),
        ("Train/zero/00041.bin", "has the label 'zero'"),
        ("Train/4/00001.bin", "are the same recording: one label is wrong"),
        ("Train/4/first.bin", "Train/4/first.bin is not named by its number"),
    ],
)
def test_a_wrong_label_of_a_digit_is_named(tmp_path, place, sentence):
    folder = small_sets.write_digits(tmp_path / "data" / "NMNIST")
    (folder / place).parent.mkdir(exist_ok=True)
    shutil.copy(folder / "Train" / "0" / "00001.bin", folder / place)
    refused("nmnist", sentence, tmp_path / "data")


def test_a_web_page_in_place_of_an_archive_of_digits_is_named(tmp_path):
    folder = small_sets.write_digits(tmp_path / "data" / "NMNIST")
    (folder / "train.zip").write_bytes(PAGE)
    refused("nmnist", "train.zip is not the published archive .*it is a web page", tmp_path / "data", "official")
    with pytest.raises(DataError, match=r"train.zip is no zip archive \(it is a web page"):
        digits.list_digits(folder / "train.zip", "Train")
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.writestr("Train/3/00001.bin", event() + b"x")
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(DataError, match=r"other.zip:Train/3/00001.bin is no whole number"):
        list(digits.read_digits(digits.list_digits(folder / "other.zip", "Train")))
    with pytest.raises(DataError, match=r"other.zip holds no recording Test/<digit>"):
        digits.list_digits(folder / "other.zip", "Test")


def test_digits_that_are_not_there_name_the_ways_out(tmp_path):
    refused("nmnist", "holds neither train.zip nor Train: `lifroles data fetch nmnist` fetches it", tmp_path / "data")


def test_a_clock_that_ran_over_is_no_event():
    """As tonic reads it: y = 240 adds 8,192 µs from there on."""
    raw = event(t=5) + event(y=240, t=0) + event(t=7)
    found = digits.decode_bin(raw, "own.bin")
    assert found.t.tolist() == [5, 8199] and found.y.tolist() == [2, 2]


# --- SHD and SSC -----------------------------------------------------------------------------------------------------


def shd(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "SHD"
    small_sets.write_words(folder / "shd_test.h5", range(20), WORDS)
    return small_sets.write_words(folder / "shd_train.h5", range(20), WORDS)


def times(values: list[float]) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file["spikes/times"][3] = np.array(values, np.float16)
        file["spikes/units"][3] = np.arange(len(values), dtype=np.uint16)

    return change


def units(values: list[int]) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file["spikes/times"][3] = np.linspace(0, 1, len(values), dtype=np.float16)
        file["spikes/units"][3] = np.array(values, np.uint16)

    return change


def label(value: int) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file["labels"][3] = value

    return change


def without(part: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[part]

    return change


def more_labels(file: Any) -> None:
    del file["labels"]
    file["labels"] = np.zeros(21, np.uint16)


def uneven(file: Any) -> None:
    file["spikes/times"][3] = np.zeros(2, np.float16)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without("spikes"), "shd_train.h5 has no 'spikes/times', as every file of this layout has"),
        (without("extra"), "shd_train.h5 has no 'extra/keys'"),
        (without("labels"), "shd_train.h5 has no 'labels'"),
        (label(20), "shd_train.h5 gives word 3 the label 20: there are 20, from 0"),
        (more_labels, "shd_train.h5 has .20, 21. spike trains, labels and speakers"),
        (times([0.2, 0.1]), "shd_train.h5, word 3, is not in order of time"),
        (times([]), "shd_train.h5, word 3, holds no spike"),
        (times([-0.1, 0.1]), "shd_train.h5, word 3, has a spike at a time that is negative or no number"),
        (times([0.1, float("nan")]), "has a spike at a time that is negative or no number"),
        (units([3, 700]), "shd_train.h5, word 3, has a spike on channel 700: there are 700"),
        (uneven, "shd_train.h5, word 3, has 2 times and 300 channels"),
    ],
)
def test_a_damaged_file_of_words_is_named(tmp_path, change, sentence):
    path = shd(tmp_path)
    with h5py.File(path, "a") as file:
        change(file)
    refused("shd", sentence, tmp_path / "data")


def test_a_file_of_words_that_is_none_is_named(tmp_path):
    path = shd(tmp_path)
    whole = path.read_bytes()
    for content, sentence in (
        (PAGE, r"shd_train.h5 is no whole HDF5 file \(it is a web page"),
        (whole[: len(whole) // 2], r"shd_train.h5 is no whole HDF5 file \(it is cut short"),
        (b"", r"shd_train.h5 is no whole HDF5 file \(it is empty"),
    ):
        path.write_bytes(content)
        refused("shd", sentence, tmp_path / "data")
    path.unlink()
    refused("shd", "shd_train.h5 is missing: `lifroles data fetch shd` fetches it", tmp_path / "data")


def test_the_published_words_are_taken_in_the_order_they_have(tmp_path):
    """Their checksum says that the publisher made them so, and binning does not need the order."""
    path = shd(tmp_path)
    with h5py.File(path, "a") as file:
        times([0.2, 0.1])(file)
    file = words.open_words(path, 20)
    assert len(list(words.read_words(file, trusted=True))) == 20


# --- DVS128 Gesture --------------------------------------------------------------------------------------------------


def table(x=1, y=2, p=1, t=3):
    return np.array([[x, y, p, t]], np.float64)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (table(p=2), "user01_led/3.npy has an event of polarity 2: it is 0 or 1"),
        (table(p=-1), "has an event of polarity -1"),
        (table(x=128), "has an event at x = 128, outside the 128 × 128 pixels"),
        (table(t=-1), "has an event at -1000 µs, before the recording began"),
        (np.concatenate([table(t=5), table(t=4)]), "user01_led/3.npy is not in order of time"),
        (np.zeros((0, 4)), "user01_led/3.npy holds no event"),
        (np.zeros((5, 3)), r"user01_led/3.npy has shape \[5, 3\]: an event has four numbers"),
        (PAGE, r"user01_led/3.npy is no array \(it is a web page"),
        (b"\x93NUMPY", r"user01_led/3.npy is no array \(it is cut short"),
    ],
)
def test_a_damaged_gesture_is_named(tmp_path, content, sentence):
    folder = small_sets.write_cut_gestures(tmp_path / "data" / "DVSGesture")
    path = folder / "ibmGestureTrain" / "user01_led" / "3.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    refused("dvs_gesture", sentence, tmp_path / "data")


def test_a_wrong_label_or_name_of_a_gesture_is_named(tmp_path):
    folder = small_sets.write_cut_gestures(tmp_path / "data" / "DVSGesture") / "ibmGestureTrain"
    path = folder / "user01_led" / "11.npy"
    np.save(path, table())
    refused("dvs_gesture", "user01_led/11.npy has the label '11', which is no class from 0 to 10", tmp_path / "data")
    path.unlink()
    (folder / "user02_led").rename(folder / "nobody")
    refused("dvs_gesture", "is not named by its person and light, such as user01_led", tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda raw: raw[:-3], "user01_led.aedat ends inside a packet"),
        (lambda raw: raw[: -36 - 20], "user01_led.aedat ends inside a packet's header: it is cut short"),
        (lambda raw: PAGE, r"user01_led.aedat is no AEDAT 3 file \(it is a web page"),
        (lambda raw: raw[:42], "user01_led.aedat, gesture 0, holds no event"),
    ],
)
def test_a_damaged_session_is_named(tmp_path, change, sentence):
    folder = small_sets.write_camera_gestures(tmp_path / "data" / "DVSGesture" / "DvsGesture")
    path = folder / "user01_led.aedat"
    path.write_bytes(change(path.read_bytes()))
    refused("dvs_gesture", sentence, tmp_path / "data")


def test_a_damaged_table_of_labels_is_named(tmp_path):
    folder = small_sets.write_camera_gestures(tmp_path / "data" / "DVSGesture" / "DvsGesture")
    path = folder / "user01_led_labels.csv"
    path.write_text("class,startTime_usec,endTime_usec\n12,10000000,10045000\n")
    refused("dvs_gesture", "gives gesture 0 the class 12: there are 1 to 11", tmp_path / "data")
    path.write_bytes(PAGE)
    refused("dvs_gesture", "user01_led_labels.csv is no table of class, start and end", tmp_path / "data")
    (folder / "trials_to_train.txt").write_bytes(PAGE)
    refused("dvs_gesture", r"trials_to_train.txt is no list of AEDAT files \(it is a web page", tmp_path / "data")


def test_a_damaged_archive_of_gestures_is_named(tmp_path):
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Train/11/1-0.bin", event())
    with pytest.raises(DataError, match=r"train.zip:Train/11/1-0.bin is no recording of Train and no class"):
        list(gestures.read(path, "train"))
    path.write_bytes(PAGE)
    with pytest.raises(DataError, match=r"train.zip cannot be read \(it is a web page"):
        list(gestures.read(path, "train"))


# --- POKER-DVS and CIFAR10 -------------------------------------------------------------------------------------------


def pips(path: Path, name: str, content: np.ndarray) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        buffer = io.BytesIO()
        np.save(buffer, content)
        info = tarfile.TarInfo(name)
        info.size = len(buffer.getvalue())
        archive.addfile(info, io.BytesIO(buffer.getvalue()))
    return path


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("pips_train/cl/0.npy", np.array([[1, 35, 0, 0]]), "own.tar.gz:pips_train/cl/0.npy has an event at x = 35"),
        ("pips_train/cl/0.npy", np.array([[1, 0, 0, 3]]), "has an event of polarity 3"),
        ("pips_train/xx/0.npy", np.array([[1, 0, 0, 0]]), "xx/0.npy is in none of the folders cl, he, di, sp"),
        ("pips_train/cl/0.npy", np.zeros((3, 2)), r"has shape \[3, 2\]"),
        ("pips_train/readme.txt", np.zeros(1), "own.tar.gz holds no recording"),
    ],
)
def test_damaged_pips_are_named(tmp_path, name, content, sentence):
    with pytest.raises(DataError, match=sentence):
        poker.read_pips(pips(tmp_path / "own.tar.gz", name, content))


def test_an_archive_of_pips_that_is_none_is_named(tmp_path):
    whole = pips(tmp_path / "own.tar.gz", "pips_train/cl/0.npy", np.random.default_rng(0).random((99, 4))).read_bytes()
    folder = tmp_path / "data" / "POKERDVS"
    folder.mkdir(parents=True)
    for content, sentence in ((PAGE, "it is a web page"), (whole[:300], "it is cut short")):
        (tmp_path / "own.tar.gz").write_bytes(content)
        with pytest.raises(DataError, match=re.escape(f"own.tar.gz is no whole archive of arrays ({sentence}")):
            poker.read_pips(tmp_path / "own.tar.gz")
        (folder / "pips_train.tar.gz").write_bytes(content)
        refused("poker", f"pips_train.tar.gz is not the published archive .*{sentence}", tmp_path / "data", "official")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda raw: raw[:-1], r"data_batch_2.bin is no whole number of images of 3073 bytes \(it is cut short"),
        (lambda raw: PAGE, r"data_batch_2.bin is no whole number of images of 3073 bytes \(it is a web page"),
        (lambda raw: b"", r"data_batch_2.bin is no whole number of images of 3073 bytes \(it is empty"),
        (lambda raw: b"\x0a" + raw[1:], "data_batch_2.bin gives image 0 the label 10: there are 0 to 9"),
    ],
)
def test_damaged_images_are_named(tmp_path, change, sentence):
    folder = small_sets.write_images(tmp_path / "data" / "cifar-10-batches-bin")
    path = folder / "data_batch_2.bin"
    path.write_bytes(change(path.read_bytes()))
    refused("cifar10", sentence, tmp_path / "data")
    path.unlink()
    refused("cifar10", "data_batch_2.bin is missing", tmp_path / "data")
    assert cifar.read_images(folder / "data_batch_1.bin")[0].shape == (20, 3072)
