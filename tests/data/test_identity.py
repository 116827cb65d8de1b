"""Only what has the publisher's checksum is called official, and what is here is not taken for another source."""

import hashlib
import os
import zipfile

import numpy as np
import pytest
import small_sets

from lifroles.data import files, identity, registry, standin, status
from lifroles.data.registry import DataSet, File
from lifroles.errors import DataError
from lifroles.spec import RunSpec

WORDS = tuple(f"word{i}" for i in range(20))


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_the_real_files_are_called_what_they_are(real_data, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    found = {name: [(p.source, p.problem) for p in status.look(d)] for name, d in registry.DATASETS.items()}
    assert found == {
        "shd": [("regenerated", "")] * 2,
        "ssc": [("", "")] * 3,
        "nmnist": [("subset", "")] * 2,
        "dvs_gesture": [("", "")] * 2,
        "mnist": [("official", "")] * 4,
        "cifar10": [("jpeg", "")] * 2,
        "poker": [("official", "")] * 2,
    }


@pytest.mark.parametrize(
    ("name", "source", "is_"),
    [("shd", "official", "regenerated"), ("nmnist", "official", "subset"), ("cifar10", "official", "jpeg")],
)
def test_the_real_files_are_refused_under_another_name(real_data, monkeypatch, name, source, is_):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    spec = RunSpec.of(name, "baseline", source=source)
    with pytest.raises(DataError, match=f"is not {source} but {is_} .told by its checksum.: choose the source {is_}"):
        spec.task.load(spec.protocol, source)


def test_other_files_of_the_same_layout_are_local(own):
    small_sets.write_digits(own / "NMNIST")
    small_sets.write_images(own / "cifar-10-batches-bin")
    small_sets.write_cut_gestures(own / "DVSGesture")
    for split in ("train", "test"):
        small_sets.write_words(own / "SHD" / f"shd_{split}.h5", range(20), WORDS)
    for name in ("shd", "nmnist", "cifar10", "dvs_gesture"):
        assert {part.source for part in status.look(registry.get(name))} == {"local"}, name
    spec = RunSpec.of("nmnist", "baseline", source="subset")
    with pytest.raises(DataError, match="is not subset but local"):
        spec.task.load(spec.protocol, "subset")


def test_published_words_are_known_from_their_archive(own, monkeypatch):
    path = small_sets.write_words(own / "SHD" / "shd_train.h5", range(20), WORDS)
    archive = path.with_name("shd_train.h5.zip")
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(path, "shd_train.h5")
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    shd = DataSet("shd", "", "SHD", (File(archive.name, f"md5:{md5}", None, members=("shd_train.h5",)),), "", "", "")
    assert identity.identify_words(shd, shd.path(), "shd_train.h5", 20).source == "official"
    with path.open("ab") as file:
        file.write(b"\0")
    assert identity.identify_words(shd, shd.path(), "shd_train.h5", 20).source == "local"


def test_images_of_two_sources_are_not_mixed(own):
    folder = small_sets.write_images(own / "cifar-10-batches-bin")
    raw = (folder / "data_batch_1.bin").read_bytes()
    (folder / identity.RECEIPTS).write_text(f'{{"data_batch_1.bin": "{hashlib.sha256(raw).hexdigest()}"}}')
    (part, test) = status.look(registry.get("cifar10"))
    assert "mixes files of the sources local, official" in part.problem and test.source == "local"


def test_a_checksum_is_remembered_until_the_file_changes(own):
    own.mkdir()
    path = own / "file"
    path.write_bytes(b"one")
    calls = []

    def digest() -> str:
        calls.append(1)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    first = files.remembered(path, "sha256", digest)
    assert files.remembered(path, "sha256", digest) == first and len(calls) == 1
    status_ = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status_.st_atime_ns, status_.st_mtime_ns + 1))
    assert files.remembered(path, "sha256", digest) != first and len(calls) == 2
    # a change that leaves size and times alone is what `verify` finds
    stamp = path.stat()
    path.write_bytes(b"six")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert files.remembered(path, "sha256", digest) == hashlib.sha256(b"two").hexdigest()
    with files.read_anew():
        assert files.remembered(path, "sha256", digest) == hashlib.sha256(b"six").hexdigest()


def test_a_file_that_was_damaged_behind_its_time_stamp_is_found(own, real_data):
    folder = own / "POKERDVS"
    folder.mkdir(parents=True)
    for name in ("pips_train.tar.gz", "pips_test.tar.gz"):
        (folder / name).write_bytes((real_data / "POKERDVS" / name).read_bytes())
    poker = registry.get("poker")
    assert [part.source for part in status.look(poker)] == ["official"] * 2
    path = folder / "pips_test.tar.gz"
    stamp = path.stat()
    raw = bytearray(path.read_bytes())
    raw[1000] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    train, test = status.verify(poker)
    assert train.content == "48 recordings, 143,569 events" and not train.problem
    assert "pips_test.tar.gz is not the published archive" in test.problem and "delete it" in test.problem


def test_a_stand_in_is_made_once_for_each_set_of_arguments(own):
    calls = []

    def make(folder):
        calls.append(folder)
        np.save(folder / "a.npy", np.arange(len(calls)))

    first, digest = standin.made("own", {"size": 1}, make)
    assert standin.made("own", {"size": 1}, make) == (first, digest) and len(calls) == 1
    second, other = standin.made("own", {"size": 2}, make)
    assert second != first and other != digest
    # what a killed process began is taken up where it is
    (first / standin.NOTE).unlink()
    assert standin.made("own", {"size": 1}, lambda folder: None) == (first, digest)


def test_there_is_no_data_set_of_another_name():
    with pytest.raises(DataError, match="no data set 'shdd': give one of shd, ssc, nmnist"):
        registry.get("shdd")
