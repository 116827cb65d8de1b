"""Spoken words made offline, recordings of one's own, and the files of spikes that both become."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lifroles.data.words import COMMANDS, DIGITS
from lifroles.errors import DataError, SpecError
from lifroles.figures import speech as figures
from lifroles.figures.display import svg
from lifroles.standins import encode as encoding
from lifroles.standins import likeness, speech, spikefile
from lifroles.standins.encode import encode
from lifroles.standins.speech import Split, persons, speak, utterance, voices, write


def opened(path: Path) -> Any:  # h5py's own types allow for groups where there are arrays
    return h5py.File(path)


def content(path: Path) -> tuple[list[bytes], list[bytes], list[int], list[int]]:
    with opened(path) as file:
        times, units = file["spikes/times"][:], file["spikes/units"][:]
        assert all(t.dtype == np.float16 for t in times) and all(u.dtype == np.uint16 for u in units)
        return (
            [t.tobytes() for t in times],
            [u.tobytes() for u in units],
            file["labels"][:].tolist(),
            file["extra/speaker"][:].tolist(),
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Some commands to train, validate and test; and a few digits."""
    folder = tmp_path_factory.mktemp("speech")
    write(
        folder / "train.h5", folder / "test.h5", words="commands", train=16, test=3,
        path_valid=folder / "valid.h5", valid=3,
    )  # fmt: skip
    write(folder / "digits.h5", folder / "digits-test.h5", words="digits", train=4, test=1)
    return folder


# --- what is said


def test_the_words_are_those_of_the_real_sets():
    assert len(DIGITS) == 20 and DIGITS[10:14] == ("null", "eins", "zwei", "drei")
    assert len(COMMANDS) == len(set(COMMANDS)) == 35


def test_no_voice_and_no_speaker_is_in_two_splits():
    splits = ("train", "valid", "test")
    assert sum(len(voices(split)) for split in splits) == len(speech.VOICES) == len(set(speech.VOICES))
    assert sorted(v for split in splits for v in voices(split)) == sorted(speech.VOICES)
    numbers = [p.number for split in splits for p in persons(split)]
    assert numbers == list(range(len(numbers)))
    for split in splits:
        assert {p.voice for p in persons(split)} == set(voices(split))
        said = [utterance("commands", split, i) for i in range(200)]
        assert {u.person for u in said} <= set(persons(split))
        assert all(u.voice.endswith(f"+{u.person.voice}") for u in said)


def test_labels_take_turns_and_german_digits_are_spoken_in_german():
    said = [utterance("digits", "train", i) for i in range(60)]
    assert [u.label for u in said] == list(range(20)) * 3
    assert all(u.voice.startswith("de+") == (u.label >= 10) and u.text.startswith(DIGITS[u.label]) for u in said)


def test_an_utterance_depends_on_the_seed_and_its_number_only():
    assert utterance("digits", "test", 5, seed=1) == utterance("digits", "test", 5, seed=1)
    others = [
        utterance("digits", "test", 5),
        utterance("digits", "test", 25, seed=1),
        utterance("digits", "train", 5, seed=1),
    ]
    assert all(utterance("digits", "test", 5, seed=1) != other for other in others)


def test_a_word_sounds_the_same_whatever_was_spoken_before_it():
    said = [utterance("commands", "train", i) for i in range(5)]
    forwards, backwards = speak(said), speak(said[::-1])[::-1]
    assert all(a[1] == b[1] == 22050 and np.array_equal(a[0], b[0]) for a, b in zip(forwards, backwards, strict=True))
    assert all(0.2 < len(samples) / rate < 2 and np.abs(samples).max() > 0.05 for samples, rate in forwards)


def test_every_voice_and_accent_speaks():
    # fails with the name of one that does not
    said = [utterance("commands", "train", 0)] * (len(speech.VOICES) + len(speech.ACCENTS))
    names = [f"de+{v}" for v in speech.VOICES] + [f"{accent}+m3" for accent in speech.ACCENTS]
    spoken = speak([replace(u, voice=name) for u, name in zip(said, names, strict=True)])
    assert len({samples.tobytes() for samples, _ in spoken[: len(speech.VOICES)]}) == len(speech.VOICES)


def test_a_recording_has_the_length_and_the_rate_of_the_real_sets():
    (spoken, rate), said = speak([utterance("commands", "train", 3)])[0], utterance("commands", "train", 3)
    clip = speech.recorded(said, spoken, rate, "commands")
    assert len(clip) == 16_000
    digit = speech.recorded(said, spoken, rate, "digits")
    long = speech.recorded(replace(said, tract=1.2 * said.tract), spoken, rate, "digits")
    silence = round(48_000 * (said.before + said.after))
    assert len(long) - silence == pytest.approx(1.2 * (len(digit) - silence), rel=0.01)
    # a longer tract lowers all resonances

    def centroid(sound):
        power = np.abs(np.fft.rfft(sound)) ** 2
        return (power * np.fft.rfftfreq(len(sound))).sum() / power.sum()

    assert centroid(long) == pytest.approx(centroid(digit) / 1.2, rel=0.1)


# --- the file


def test_files_have_shds_layout(folder):
    files: list[tuple[str, Split, tuple[str, ...], int]] = [
        ("train", "train", COMMANDS, 16),
        ("valid", "valid", COMMANDS, 3),
        ("test", "test", COMMANDS, 3),
        ("digits", "train", DIGITS, 4),
    ]
    for name, split, words, samples in files:
        with opened(folder / f"{name}.h5") as file:
            assert [key.decode() for key in file["extra/keys"][:]] == list(words)
            assert file["spikes/times"].shape == file["spikes/units"].shape == file["labels"].shape == (samples,)
            assert file["labels"][:].tolist() == [i % len(words) for i in range(samples)]
            voice = file["extra/meta_info/voice"][:]
            assert {voice[s].decode() for s in file["extra/speaker"][:]} <= set(voices(split))
            assert "speech stand-in" in file.attrs["recipe"]
            for t, u in zip(file["spikes/times"][:], file["spikes/units"][:], strict=True):
                assert len(t) == len(u) > 500 and (np.diff(t.astype(float)) >= 0).all() and u.max() < 700
    assert not list(folder.glob(".*.parts"))


def test_a_small_set_is_the_beginning_of_a_large_one_however_many_threads_make_it(folder, tmp_path):
    write(tmp_path / "a.h5", tmp_path / "b.h5", words="commands", train=5, test=3, workers=3)
    for short, long in (("a", "train"), ("b", "test")):
        few, many = content(tmp_path / f"{short}.h5"), content(folder / f"{long}.h5")
        assert all(one == other[: len(one)] for one, other in zip(few, many, strict=True))


def test_another_seed_gives_other_words_and_other_spikes(folder, tmp_path):
    write(tmp_path / "a.h5", tmp_path / "b.h5", words="commands", train=2, test=1, seed=1)
    assert content(tmp_path / "a.h5")[0][0] != content(folder / "train.h5")[0][0]


def test_what_is_there_is_not_made_again_and_what_is_not_the_same_is(folder, tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    write(path, tmp_path / "b.h5", words="commands", train=2, test=1)
    before = path.stat().st_mtime_ns
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(spikefile, "hear", None)  # nothing may be heard
        write(path, tmp_path / "b.h5", words="commands", train=2, test=1, progress=lambda *n: seen.append(n))
    assert path.stat().st_mtime_ns == before and seen[-1] == (3, 3)
    write(path, tmp_path / "b.h5", words="commands", train=3, test=1)
    assert len(content(path)[0]) == 3


def test_a_run_that_is_interrupted_leaves_no_file_and_is_taken_up_where_it_stopped(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(spikefile, "PART", 4)
    train, test = tmp_path / "train.h5", tmp_path / "test.h5"

    stopped = threading.Event()
    heard: list[int] = []
    hear = spikefile.hear

    def third_part_lasts(*args: Any, **options: Any) -> Any:
        heard.append(1)
        if len(heard) > 8:  # the part that had begun ends well after the parts behind it were called off
            assert stopped.wait(60)
            time.sleep(0.5)
        return hear(*args, **options)

    def stop(done: int, total: int) -> None:
        if done >= 8:
            stopped.set()
            raise KeyboardInterrupt

    monkeypatch.setattr(spikefile, "hear", third_part_lasts)
    with pytest.raises(KeyboardInterrupt):
        write(train, test, words="commands", train=16, test=1, progress=stop, workers=1)
    assert not train.exists() and not test.exists()
    ready = len(list(tmp_path.glob(".train.h5.*.parts/*.npz")))
    assert 2 <= ready < 4 and not list(tmp_path.glob(".train.h5.*.parts/*.part"))
    heard.clear()
    monkeypatch.setattr(spikefile, "hear", lambda *a, **k: heard.append(1) or hear(*a, **k))
    write(train, test, words="commands", train=16, test=1)
    assert len(heard) == 16 - 4 * ready + 1
    assert content(train) == content(folder / "train.h5")
    assert not list(tmp_path.glob(".*.parts"))


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_file_and_the_next_one_is_right(folder, tmp_path, monkeypatch):
    code = (
        "from pathlib import Path\nfrom lifroles.standins import spikefile, speech\nspikefile.PART = 2\n"
        f"at = Path({str(tmp_path)!r})\n"
        "speech.write(at / 'train.h5', at / 'test.h5', words='commands', train=16, test=1, workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".train.h5.*.parts/*.npz")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "train.h5").exists()
    monkeypatch.setattr(spikefile, "PART", 2)
    write(tmp_path / "train.h5", tmp_path / "test.h5", words="commands", train=16, test=1)
    assert content(tmp_path / "train.h5") == content(folder / "train.h5")


def test_a_damaged_part_is_named_deleted_and_made_again(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(spikefile, "PART", 2)
    plan = speech.plan("commands", "train", 4)
    path = tmp_path / "a.h5"
    with pytest.raises(KeyboardInterrupt):
        spikefile.make(path, plan, workers=1, progress=lambda n: (_ for _ in ()).throw(KeyboardInterrupt))
    part = min(tmp_path.glob(".a.h5.*.parts/*.npz"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(DataError, match="was damaged and has been deleted"):
        spikefile.make(path, plan)
    assert not path.exists()
    spikefile.make(path, plan)
    assert content(path)[0] == content(folder / "train.h5")[0][:4]


# --- what can go wrong


def test_a_missing_espeak_is_said_with_the_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"needs eSpeak NG .* pip install 'lifroles\[standins\]'"):
        write(tmp_path / "a.h5", tmp_path / "b.h5", words="digits", train=1, test=1)
    assert not list(tmp_path.iterdir())


def test_a_word_that_espeak_does_not_speak_is_named():
    said = replace(utterance("digits", "train", 0), voice="xx-nowhere")
    with pytest.raises(DataError, match=r"did not speak 'zero.*xx-nowhere"):
        speak([said])


def test_words_that_there_are_none_of_are_refused(tmp_path):
    with pytest.raises(SpecError, match="one of digits, commands"):
        write(tmp_path / "a.h5", tmp_path / "b.h5", words="colours", train=1, test=1)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="would hold no sample"):
        write(tmp_path / "a.h5", tmp_path / "b.h5", words="digits", train=0, test=1)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/a.h5 cannot be written"):
        spikefile.make(tmp_path / "file" / "a.h5", speech.plan("commands", "train", 1))


# --- recordings of one's own


@pytest.fixture
def recordings(tmp_path):
    """Three Speech Commands, one of them stereo, two Heidelberg Digits, and what is not to be found."""
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path / "audio"
    names = (
        "yes/0a_nohash_0.wav", "yes/0b_nohash_1.wav", "stop/0a_nohash_0.wav", "_background_noise_/tap.wav", ".x/a.wav",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, rng.standard_normal((4000, 2) if i == 1 else 4000) / 10, 16_000)
    (folder / "notes.txt").write_text("no audio")
    return folder


def test_speech_commands_become_a_file_like_ssc(recordings, tmp_path):
    target = tmp_path / "out" / "ssc.h5"
    seen = []
    encode(recordings, target, progress=lambda *n: seen.append(n))
    with opened(target) as file:
        assert [key.decode() for key in file["extra/keys"][:]] == list(COMMANDS)
        assert [COMMANDS[i] for i in file["labels"][:]] == ["stop", "yes", "yes"]
        assert file["extra/speaker"][:].tolist() == [0, 0, 1]
        assert file["extra/meta_info/name"][:].tolist() == [b"0a", b"0b"]
    assert seen[-1] == (3, 3)
    before = content(target)
    encode(recordings, target)
    assert content(target) == before


def test_heidelberg_digits_are_known_by_their_names(real_data, require, tmp_path):
    folder = real_data / "hd_audio_samples"
    require(folder.is_dir(), f"{real_data} holds no hd_audio_samples", "data")
    only = [f"lang-german_speaker-0{s}_trial-0_digit-{d}.flac" for s, d in ((0, 5), (4, 0))]
    encode(folder, tmp_path / "a.h5", only=only)
    times, _, labels, speakers = content(tmp_path / "a.h5")
    assert [DIGITS[label] for label in labels] == ["fünf", "null"] and speakers == [0, 1]
    assert all(1000 < len(t) // 2 < 20_000 for t in times)


def test_words_of_ones_own_are_labelled_by_alphabet_and_resampled_on_request(recordings, tmp_path):
    os.rename(recordings / "yes", recordings / "zebra")
    for path in (recordings / "zebra").iterdir():
        path.rename(path.with_name(path.name.replace("_nohash_", "")))
    encode(recordings, tmp_path / "a.h5", rate=24_000)
    with opened(tmp_path / "a.h5") as file:
        assert file["extra/keys"][:].tolist() == [b"stop", b"zebra"]
        assert file["extra/meta_info/name"][:].tolist() == [b"0a", encoding.UNKNOWN.encode()]
    audio, rate = encoding.read(recordings / "stop" / "0a_nohash_0.wav", 24_000)
    assert rate == 24_000 and len(audio) == 6000


def test_recordings_that_cannot_be_read_are_named_and_nothing_is_written(recordings, tmp_path):
    import soundfile

    target = tmp_path / "out" / "a.h5"
    bad = recordings / "yes" / "0c_nohash_0.wav"

    def refused(match):
        with pytest.raises(DataError, match=match):
            encode(recordings, target)
        assert not target.parent.exists() or not list(target.parent.glob("*.h5")) + list(target.parent.glob(".*parts"))

    bad.write_bytes(b"<html>404</html>")
    refused(r"0c_nohash_0.wav cannot be read as audio")
    soundfile.write(bad, np.zeros(0), 16_000)
    refused(r"0c_nohash_0.wav is empty")
    soundfile.write(bad, np.zeros(800), 8_000)
    refused(r"0c_nohash_0.wav has 8000 samples a second, .* give a rate")
    soundfile.write(bad, np.full(800, np.nan), 16_000, subtype="FLOAT")
    refused(r"0c_nohash_0.wav is cut short or holds no numbers")
    bad.unlink()
    with pytest.raises(DataError, match=r"yes/0d.wav is listed but not there"):
        encode(recordings, target, only=["yes/0d.wav"])
    with pytest.raises(DataError, match=r"holds no recording \(.wav or .flac\)"):
        encode(recordings / ".x" / "..", tmp_path / "b.h5", only=[])
    with pytest.raises(DataError, match="is not a folder"):
        encode(tmp_path / "nowhere", target)


# --- how like the real thing


def test_statistics_and_bins_are_those_of_the_spikes(folder):
    with opened(folder / "train.h5") as file:
        times, units = list(file["spikes/times"][:]), list(file["spikes/units"][:])
    found = likeness.statistics(folder / "train.h5")
    assert found.samples == 16 and found.spikes.tolist() == [len(t) for t in times]
    assert found.channel.sum() == pytest.approx(found.spikes.mean()) == pytest.approx(found.profile.sum())
    assert found.channel[600] == np.mean([(u == 600).sum() for u in units])
    assert 0.5 < found.active < 1 and (np.diff(found.intervals) > 0).all() and found.intervals[0] >= 0.001
    features, labels = likeness.binned(folder / "train.h5", limit=7)
    assert features.shape == (7, 980) and labels.tolist() == list(range(7))
    assert features[3, 2 * 70 + 55] ** 2 == pytest.approx(
        ((times[3].astype(np.float32) // np.float32(0.1) == 2) & (units[3] // 10 == 55)).sum()
    )


def test_simple_classifiers_learn_what_is_linear_and_only_that():
    rng = np.random.default_rng(0)
    y = np.arange(600) % 3
    x = rng.standard_normal((600, 20)).astype(np.float32)
    right = likeness.simple_classifiers((x[:400], y[:400]), (x[400:], y[400:]))
    assert all(0.2 < value < 0.5 for value in right.values())
    x[:, :3] += 6 * np.eye(3)[y]
    right = likeness.simple_classifiers((x[:400], y[:400]), (x[400:], y[400:]))
    assert right["linear"] > 0.98 and right["nearest centroid"] > 0.95


def test_a_file_of_another_layout_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = 1
    for name in ("a.h5", "b.h5", "c.h5"):
        with pytest.raises(DataError, match=rf"{name} is no file of spikes in SHD's layout"):
            likeness.statistics(tmp_path / name)


def test_the_statistics_are_near_those_of_the_regenerated_set(folder, real_data):
    real = likeness.statistics(real_data / "SHD" / "shd_test.h5", limit=300)
    ours = likeness.statistics(folder / "digits.h5")
    assert 0.5 < ours.spikes.mean() / real.spikes.mean() < 2
    assert 0.6 < ours.duration.mean() / real.duration.mean() < 1.5
    assert ours.rows().keys() == real.rows().keys()


def test_figures_show_a_word_on_its_way_and_two_sets_side_by_side(folder):
    picture = likeness.picture("commands", index=1)
    assert picture.said.text.startswith("no") and picture.heard.membrane is not None
    drawn = svg(figures.word(picture))
    assert "the spoken word no" in drawn.lower() and f"{len(picture.heard.times):,} spikes" in drawn
    sets = {name: likeness.statistics(folder / f"{name}.h5") for name in ("train", "test")}
    assert "spikes a sample in each channel" in svg(figures.channels(sets))
