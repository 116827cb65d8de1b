"""Archives of recordings: N-MNIST's bytes, whole or not at all, whoever else writes and whatever is killed."""

import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import tonic
from hypothesis import given
from hypothesis import strategies as st

from lifroles.errors import DataError, SpecError
from lifroles.standins import archive
from lifroles.standins.archive import Split
from lifroles.standins.camera import Events

# `python -c SCRIPT folder seconds` makes 40 recordings, each of which takes so long.
SCRIPT = """
import sys, time
import numpy as np
from pathlib import Path
from lifroles.standins import archive
from lifroles.standins.camera import Events

def make(i):
    time.sleep(float(sys.argv[2]))
    rng = np.random.default_rng(i)
    t = np.sort(rng.integers(0, 1 << 20, 50)).astype(np.int32)
    x, y = rng.integers(0, 34, (2, 50), dtype=np.uint8)
    return Events(t, x, y, rng.random(50) < 0.5)

split = archive.Split("Train", [f"Train/{i % 10}/{i:05d}.bin" for i in range(40)], make, {"seed": 0})
archive.write(Path(sys.argv[1]), [split], part=4, workers=2)
"""


def recording(seed, n=50):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 34, (2, n), dtype=np.uint8)
    return Events(np.sort(rng.integers(0, 1 << 20, n)).astype(np.int32), x, y, rng.random(n) < 0.5)


def split(n=10, make=recording, name="Train", **origin):
    return Split(name, [f"{name}/{i % 10}/{i + 1:05d}.bin" for i in range(n)], make, origin)


def equal(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in "txyp")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@given(
    st.lists(st.tuples(st.integers(0, archive.LAST), st.integers(0, 255), st.integers(0, 255), st.booleans())),
)
def test_packing_loses_nothing(rows):
    t, x, y, p = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 4
    events = Events(t.astype(np.int32), x.astype(np.uint8), y.astype(np.uint8), p.astype(bool))
    raw = archive.pack(events)
    assert len(raw) == 5 * len(rows)
    assert equal(archive.unpack(raw, "here"), events)


def test_tonic_reads_the_records_as_n_mnists(tmp_path):
    events = recording(3, 500)
    (tmp_path / "00001.bin").write_bytes(archive.pack(events))
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    read = tonic.io.read_mnist_file(str(tmp_path / "00001.bin"), dtype)
    assert all(np.array_equal(read[name], getattr(events, name)) for name in "txyp")


def test_real_recordings_are_unpacked_and_packed_to_the_same_bytes(real_data):
    for path in sorted((real_data / "NMNIST" / "Test").glob("*/*.bin"))[:20]:
        raw = path.read_bytes()
        events = archive.unpack(raw, str(path))
        assert archive.pack(events) == raw
        assert (np.diff(events.t) >= 0).all() and events.x.max() < 34 and 0.4 < events.p.mean() < 0.6


def test_an_archive_is_a_plain_zip_of_files_and_says_how_it_was_made(tmp_path):
    calls = []
    archive.write(
        tmp_path,
        [split(7, seed=1), split(3, name="Test", seed=1)],
        part=3,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert files(tmp_path) == ["test.zip", "train.zip"]
    assert sorted(set(calls)) == [(i, 10) for i in range(1, 11)] and calls == sorted(calls)
    with zipfile.ZipFile(tmp_path / "train.zip") as opened:
        assert opened.namelist()[2] == "Train/2/00003.bin"
        assert opened.read("Train/2/00003.bin") == archive.pack(recording(2))
        assert opened.comment == b'{"recordings": 7, "seed": 1, "split": "Train"}'
        assert opened.testzip() is None
    read = list(archive.read(tmp_path / "train.zip"))
    assert len(read) == 7 and all(equal(events, recording(i)) for i, (_, events) in enumerate(read))


def test_number_of_workers_and_size_of_parts_do_not_change_a_byte(tmp_path):
    for name, part, workers in (("a", 3, 1), ("b", 100, 4)):
        archive.write(tmp_path / name, [split(11)], part=part, workers=workers)
    assert (tmp_path / "a" / "train.zip").read_bytes() == (tmp_path / "b" / "train.zip").read_bytes()


def test_what_is_there_is_not_made_again(tmp_path):
    archive.write(tmp_path, [split()], part=4)
    before = (tmp_path / "train.zip").stat().st_mtime_ns
    archive.write(tmp_path, [split(make=lambda i: pytest.fail("made again"))], part=4)
    assert (tmp_path / "train.zip").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"", b"PK somebody's archive", None])
def test_another_archive_of_that_name_is_never_overwritten(tmp_path, content):
    if content is None:
        archive.write(tmp_path, [split(seed=0)], part=4)
    else:
        (tmp_path / "train.zip").write_bytes(content)
    before = (tmp_path / "train.zip").read_bytes()
    with pytest.raises(DataError, match=r"train.zip is there already and is not what is to be made: move it away"):
        archive.write(tmp_path, [split(seed=1)], part=4)
    assert (tmp_path / "train.zip").read_bytes() == before
    assert files(tmp_path) == ["train.zip"]


def test_a_failure_leaves_finished_parts_and_the_next_call_goes_on(tmp_path):
    made = []

    def fails(i):
        made.append(i)
        if i == 6:
            raise SpecError("no")
        return recording(i)

    with pytest.raises(SpecError, match="no"):
        archive.write(tmp_path, [split(make=fails)], part=3, workers=1)
    assert all(name.startswith(".") for name in files(tmp_path))
    assert {0, 1, 2, 3, 4, 5} <= set(made)
    # a damaged part is made again
    part = next(tmp_path.glob("*.3-6.part"))
    part.write_bytes(part.read_bytes()[:-40])
    again = []
    archive.write(tmp_path, [split(make=lambda i: again.append(i) or recording(i))], part=3, workers=1)
    assert again == [3, 4, 5, 6, 7, 8, 9]
    assert files(tmp_path) == ["train.zip"]
    assert all(equal(events, recording(i)) for i, (_, events) in enumerate(archive.read(tmp_path / "train.zip")))


def run(folder, seconds):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(seconds)])


def test_killed_at_any_point_and_two_at_once_give_one_whole_archive(tmp_path):
    whole = tmp_path / "whole"
    assert run(whole, 0).wait(60) == 0
    folder = tmp_path / "killed"
    first = run(folder, 0.05)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.part"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (folder / "train.zip").exists()
    assert all(process.wait(60) == 0 for process in [run(folder, 0), run(folder, 0)])
    assert files(folder) == ["train.zip"]
    assert (folder / "train.zip").read_bytes() == (whole / "train.zip").read_bytes()


def test_bad_input_is_refused_in_a_sentence(tmp_path):
    nought = np.zeros(1, np.uint8)
    late = Events(np.array([archive.LAST + 1], np.int32), nought, nought, nought > 0)
    with pytest.raises(SpecError, match="events lie at 8388608 to 8388608 µs"):
        archive.pack(late)
    with pytest.raises(DataError, match="here is no whole number of events"):
        archive.unpack(b"1234", "here")
    with pytest.raises(DataError, match=r"train.zip cannot be read .* make it again"):
        list(archive.read(tmp_path / "train.zip"))
    with pytest.raises(SpecError, match="workers is 0"):
        archive.write(tmp_path, [split()], part=3, workers=0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="file cannot be written to"):
        archive.write(tmp_path / "file", [split()], part=3)


def test_a_damaged_archive_is_named(tmp_path):
    archive.write(tmp_path, [split()], part=4)
    raw = bytearray((tmp_path / "train.zip").read_bytes())
    raw[200] ^= 255
    (tmp_path / "train.zip").write_bytes(raw)
    with pytest.raises(DataError, match=r"train.zip cannot be read \(Bad CRC-32.*make it again"):
        list(archive.read(tmp_path / "train.zip"))
