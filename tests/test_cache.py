"""What is prepared is prepared once, whole or not at all, and read back as it was."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lifroles import cache
from lifroles.cache import Recording, prepare
from lifroles.errors import DataError
from lifroles.events import Binning, bin_events
from lifroles.sparse import SparseSequence

BINNING = Binning(6, 50, dt=1.0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path / "cache"))
    cache._open.cache_clear()
    return tmp_path / "cache" / "events"


def recordings(number=200, seed=0) -> Iterator[Recording]:
    rng = np.random.default_rng(seed)
    for i in range(number):
        size = int(rng.integers(0, 40))
        t = np.sort(rng.integers(0, 7000, size))
        yield Recording(t, rng.integers(0, 50, size), i % 4, {"speaker": i % 3})


def refuse() -> Iterator[Recording]:
    raise AssertionError("it was to be read from the cache")


@pytest.mark.parametrize("counts", [False, True])
def test_a_batch_is_the_recordings_in_the_order_asked_for(counts):
    binning = Binning(6, 50, dt=1.0, counts=counts)
    kept = prepare("set", {"source": "a"}, binning, recordings)
    assert len(kept) == 200 and kept.labels[:5].tolist() == [0, 1, 2, 3, 0]
    assert kept.extra["speaker"][:4].tolist() == [0, 1, 2, 0]
    assert kept.events == sum(len(one.t) for one in recordings())
    every = list(recordings())
    for samples in (np.array([7, 7, 0, 199, 42]), np.arange(200)[::-1], np.zeros(0, np.int64)):
        rows = [bin_events(every[i].t, every[i].channel, binning) for i in samples]
        parts = [
            (np.concatenate([[0], np.cumsum(r.lengths)]), r.indices, None if r.counts is None else r.counts)
            for r in rows
        ]
        batch = kept.batch(samples)
        if parts:
            wanted = SparseSequence.from_samples(6, 50, parts)
            assert np.array_equal(batch.indptr, wanted.indptr) and np.array_equal(batch.indices, wanted.indices)
            if counts:
                assert wanted.values is not None and batch.values is not None
                assert np.array_equal(batch.values, wanted.values)
        assert batch.shape == (6, len(samples), 50)
    assert kept.density == pytest.approx(float((kept.batch(np.arange(200)).dense() != 0).float().mean()))
    with pytest.raises(DataError, match="has 200 samples, numbered from 0: 200 is none"):
        kept.batch(np.array([200]))


def test_it_is_made_once_and_again_for_another_source_or_binning(folder):
    first = prepare("set", {"source": "a"}, BINNING, recordings)
    cache._open.cache_clear()
    assert prepare("set", {"source": "a"}, BINNING, refuse).digest == first.digest
    other = prepare("set", {"source": "b"}, BINNING, lambda: recordings(seed=1))
    finer = prepare("set", {"source": "a"}, Binning(12, 50, dt=0.5), recordings)
    counted = prepare("set", {"source": "a"}, Binning(6, 50, dt=1.0, counts=True), recordings)
    edge = prepare("set", {"source": "a"}, Binning(6, 50, dt=1.0, edge="right"), recordings)
    assert len({one.folder for one in (first, other, finer, counted, edge)}) == 5
    assert len(list(folder.iterdir())) == 5 + len(list(folder.glob(".*.lock")))


def test_the_same_content_has_the_same_digest_wherever_it_is_prepared(tmp_path, monkeypatch):
    first = prepare("set", {"source": "a"}, BINNING, recordings).digest
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path / "elsewhere"))
    assert prepare("set", {"source": "a"}, BINNING, recordings).digest == first


@pytest.mark.parametrize("name", ["indices.bin", "lengths.bin", "labels.bin", "manifest.json"])
def test_what_is_damaged_is_prepared_again(name):
    first = prepare("set", {"source": "a"}, BINNING, recordings)
    for damage in (b"\0", b""):
        path = first.folder / name
        path.write_bytes(damage + path.read_bytes()[: -1 - len(damage)])
        cache._open.cache_clear()
        again = prepare("set", {"source": "a"}, BINNING, recordings)
        assert again.digest == first.digest
        assert np.array_equal(again.batch(np.arange(200)).indices, np.array(again.indices))


def test_nothing_is_kept_of_recordings_that_are_refused(folder):
    def broken() -> Iterator[Recording]:
        yield from recordings(100)
        raise DataError("recording 100 is damaged")

    def outside() -> Iterator[Recording]:
        yield from recordings(100)
        yield Recording(np.array([1]), np.array([50]), 0)

    for source, sentence in ((broken, "recording 100 is damaged"), (outside, "channel 50: there are 50")):
        with pytest.raises(DataError, match=sentence):
            prepare("set", {"source": "a"}, BINNING, source)
        assert [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] == []
    assert len(prepare("set", {"source": "a"}, BINNING, recordings)) == 200


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written .* or set LIFROLES_CACHE to another"):
        prepare("set", {"source": "a"}, BINNING, recordings)


SCRIPT = textwrap.dedent(
    """
    import json, os, signal, sys, time
    from pathlib import Path
    import numpy as np
    from lifroles import cache
    from lifroles.events import Binning

    folder, log = Path(os.environ["LIFROLES_CACHE"]) / "events", Path(sys.argv[1])

    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    def prepare(stop=None, wait=0.0):
        def recordings():
            with log.open("a") as file:
                file.write("read\\n")
            rng = np.random.default_rng(0)
            for i in range(300):
                if i == stop:
                    kill()
                time.sleep(wait)
                t = np.sort(rng.integers(0, 6000, 20))
                yield cache.Recording(t, rng.integers(0, 50, 20), i % 4)

        if stop == "manifest":  # everything is written but the manifest
            cache.json.dump = lambda *arguments, **more: kill()
        if stop == "rename":  # everything is written, and not yet in its place
            cache.os.rename = lambda *arguments: kill()
        return cache.prepare("set", {"source": "a"}, Binning(6, 50), recordings).digest

    def child(**how):
        pid = os.fork()
        if not pid:
            try:
                (log.parent / f"digest-{os.getpid()}").write_text(prepare(**how))
            finally:
                os._exit(0)
        return pid

    def seen():
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))

    result = []
    for stops in json.loads(sys.argv[2]):
        pids = [child(**how) for how in stops]
        killed = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        digests = [path.read_text() for pid in pids if (path := log.parent / f"digest-{pid}").is_file()]
        parts = len(list(folder.glob(".*.part")))
        result.append({"exit": killed, "digests": digests, "folders": seen(), "parts": parts})
    print(json.dumps(result))
    """
)


def play(folder: Path, *rounds: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
    """Run rounds of processes that prepare the same set, each started when those of the round before have ended."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "log"), json.dumps(rounds)],
        capture_output=True,
        text=True,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_kill_at_any_point_leaves_nothing_half_done(folder, tmp_path):
    *killed, whole = play(tmp_path, *([{"stop": stop}] for stop in (0, 150, "manifest", "rename", None)))
    for round_ in killed:
        assert round_["exit"] == [-signal.SIGKILL] and round_["folders"] == []
    assert whole["exit"] == [0] and len(whole["digests"]) == 1
    (name,) = whole["folders"]
    assert json.loads((folder / name / "manifest.json").read_text())["events"] == 6000
    assert killed[-1]["parts"] == 1 and whole["parts"] == 0, "what the killed ones left is cleared away"


def test_of_two_processes_one_prepares_and_the_other_waits(tmp_path):
    (both,) = play(tmp_path, [{"wait": 0.002}, {"wait": 0.002}])
    assert both["exit"] == [0, 0] and len(both["digests"]) == 2 and len(set(both["digests"])) == 1
    assert (tmp_path / "log").read_text() == "read\n"
