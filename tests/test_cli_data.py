"""The commands about data: what they print, and their exit status."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import small_sets

from lifroles.cli import main


@pytest.fixture
def lifroles(monkeypatch, capsys, tmp_path):
    """Run the command line in this process; return exit status, standard output and standard error."""
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lifroles", *arguments])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_benchmarks_are_printed_as_tables(lifroles):
    status, out, _ = lifroles("benchmarks")
    assert status == 0
    for words in ("700–64–20", "StepLR (20, 0.5)", "Table 1 says 10 classes", "1,176 train, 288 test", "Width"):
        assert words in out


def test_the_real_data_are_whole(lifroles, real_data, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    status, out, _ = lifroles("data", "verify", "mnist", "poker", "nmnist")
    assert status == 0
    assert "nmnist Train is whole: subset, 960 recordings, 3,964,799 events" in out
    assert "mnist t10k-labels-idx1-ubyte.gz is whole: official" in out
    assert "poker pips_test.tar.gz is whole: official, 20 recordings, 63,847 events" in out
    status, out, _ = lifroles("data", "list", "nmnist", "ssc")
    assert status == 0 and "CC BY-SA 4.0" in out and "subset" in out and "not here" in out and "G. Orchard" in out


def test_what_is_damaged_is_named_and_the_status_is_1(lifroles, tmp_path):
    folder = small_sets.write_digits(tmp_path / "data" / "NMNIST")
    status, out, _ = lifroles("data", "verify")
    assert status == 0 and "nmnist Train is whole: local, 40 recordings, 16,000 events" in out
    assert "shd shd_train.h5 is not here" in out
    (folder / "Test" / "7" / "00008.bin").write_bytes(b"1234")
    status, out, _ = lifroles("data", "verify")
    assert status == 1 and "nmnist Test DAMAGED: " in out and "7/00008.bin is no whole number of events" in out
    assert "delete it and fetch it again" in out and "nmnist Train is whole" in out
    status, out, _ = lifroles("data", "verify", "shd")
    assert status == 1 and "shd shd_train.h5 is not here: `lifroles data fetch shd` fetches it" in out


def test_a_data_set_that_does_not_exist_is_one_sentence(lifroles):
    status, _, err = lifroles("data", "fetch", "shdd")
    assert status == 2 and err.startswith("lifroles: There is no data set 'shdd'")


def test_recordings_of_words_become_a_file_that_trains(lifroles, tmp_path, require):
    require(importlib.util.find_spec("soundfile"), "soundfile is not installed: pip install -e '.[standins]'")
    import soundfile

    t = np.arange(4800) / 48_000
    for word, tone in (("zero", 400), ("one", 1500)):
        for speaker in range(2):
            path = tmp_path / "audio" / word / f"s{speaker}_nohash_0.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.sin(2 * np.pi * (tone + 20 * speaker) * t), 48_000)
    for split in ("train", "test"):
        target = tmp_path / "data" / "SHD" / f"shd_{split}.h5"
        status, out, _ = lifroles("data", "encode", str(tmp_path / "audio"), str(target))
        assert status == 0 and out.endswith("holds 4 words, 2 different ones, of 2 speakers\n")
    status, out, _ = lifroles("data", "verify", "shd")
    assert status == 0 and out.count("is whole: local, 4 words") == 2
    settings = ("--set", "dt=10.0", "--epochs", "1", "--store", str(tmp_path / "runs"), "--quiet")
    assert lifroles("train", "shd", "--source", "local", *settings)[0] == 0
    (tmp_path / "list").write_text("zero/s0_nohash_0.wav\nzero/none.wav\n")
    arguments = ("data", "encode", str(tmp_path / "audio"), str(tmp_path / "own.h5"))
    status, _, err = lifroles(*arguments, "--only", str(tmp_path / "list"))
    assert status == 2 and "none.wav is listed but not there" in err and not (tmp_path / "own.h5").exists()
    status, _, err = lifroles(*arguments, "--only", str(tmp_path / "nothing"))
    assert status == 2 and "is no list of recordings" in err


def test_recordings_are_prepared_once_and_training_finds_them(lifroles, tmp_path):
    small_sets.write_digits(tmp_path / "data" / "NMNIST")
    arguments = ("nmnist", "--source", "local", "--set", "dt=5.0")
    status, out, _ = lifroles("data", "prepare", *arguments)
    assert status == 0 and out.startswith("nmnist (local) is prepared: ")
    kept = sorted(path.name for path in (tmp_path / "cache" / "events").iterdir() if not path.name.startswith("."))
    assert [name.rsplit("-", 1)[0] for name in kept] == ["nmnist-test", "nmnist-train"]
    train = ("--set", "hidden=8", "--epochs", "1", "--store", str(tmp_path / "runs"), "--quiet")
    status, out, _ = lifroles("train", *arguments, *train)
    assert status == 0 and "nmnist/baseline/seed0-" in out
    assert sorted(p.name for p in (tmp_path / "cache" / "events").iterdir() if not p.name.startswith(".")) == kept
    (record,) = (tmp_path / "runs").glob("*/*/*/provenance.json")
    assert json.loads(record.read_text())["source"] == "local"
