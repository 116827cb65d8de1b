"""The record of the data: what is stored is what the benchmarks and generators say, and the page shows it."""

import json

import numpy as np
import pytest

from lifroles import overview
from lifroles.benchmarks import BENCHMARKS
from lifroles.errors import StoreError
from lifroles.figures import Display, camera
from lifroles.parameters import DataParameters
from lifroles.standins.camera import Events
from lifroles.survey import __main__ as command
from lifroles.survey import costs, learnable, likeness, page, quality, record, samples, text, times
from lifroles.tables import Table


def words(one: object) -> str:
    """Return what a piece of Markdown says."""
    text = getattr(one, "data", None)
    assert isinstance(text, str)
    return text


@pytest.fixture(scope="module")
def kept():
    return record.read()


@pytest.fixture(scope="module")
def arrays():
    return record.read_arrays()


def test_every_part_says_where_it_comes_from(kept):
    assert set(kept) <= set(record.PARTS)
    for part in kept.values():
        origin = part["provenance"]
        assert origin["commit"] and origin["dirty"] is False and origin["processor"] and origin["threads"] >= 1
        assert origin["versions"]["espeakng-loader"]


def test_the_record_is_small_and_names_no_place(arrays):
    files = list(record.path("").iterdir())
    assert sum(file.stat().st_size for file in files) < 500_000
    for file in files:
        if file.suffix == ".json":
            assert "/" not in json.dumps(json.loads(file.read_text())).replace("CC BY", "").replace("w/", "")


def test_the_samples_are_recordings_of_their_benchmarks(kept, arrays):
    found = kept["samples"]["found"]
    one = samples.events(arrays, "nmnist")
    assert len(one) == found["nmnist"]["events"] > 1000
    assert one.x.max() < 34 and one.y.max() < 34 and (np.diff(one.t) >= 0).all() and set(np.unique(one.p)) == {0, 1}
    for name in ("shd", "ssc"):
        t, unit = arrays[f"{name}_t"], arrays[f"{name}_unit"]
        assert len(t) == len(unit) == found[name]["events"] > 1000
        assert (np.diff(t) >= 0).all() and unit.max() < 700 and t.max() < 2
    for name in ("poker", "dvs_gesture"):
        assert set(np.unique(arrays[f"{name}_pictures"])) == {-1, 0, 1}
    # what is not ours to pass on is there as a picture alone
    assert {name.split("_")[0] for name in arrays if not name.endswith(("pictures", "limits"))} == {
        "nmnist", "shd", "ssc",
    }  # fmt: skip
    assert found["nmnist"]["licence"] == "CC BY-SA 4.0" and found["shd"]["licence"] == "CC BY 4.0"


def test_the_recorded_digit_is_that_of_the_data_folder(real_data, monkeypatch, arrays, kept):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    found: dict[str, np.ndarray] = {}
    said = samples._nmnist(found)
    assert said == kept["samples"]["found"]["nmnist"]
    assert all((found[name] == arrays[name]).all() for name in found)


def test_a_frame_shorter_than_the_recording_holds_what_fell_into_it():
    t = np.array([0, 999, 1000, 2500, 9000], np.int32)
    x = np.array([1, 1, 1, 1, 1], np.uint8)
    one = Events(t, x, x, np.array([1, 1, 1, 0, 1], bool))
    assert page.share(one, 1.0, 3) == 3 / (3 * 2 * 34 * 34)
    assert page.share(one, 10.0, 1) == 2 / (2 * 34 * 34)


def test_net_is_the_polarity_that_a_pixel_had_more_of():
    t = np.array([0, 1000, 2000, 3000, 4000], np.int32)
    x, y = np.array([0, 0, 0, 3, 5], np.uint8), np.array([1, 1, 1, 1, 1], np.uint8)
    one = Events(t, x, y, np.array([0, 0, 1, 1, 0], bool))
    assert camera.net(one, 0, 4, 6)[1].tolist() == [-1, 0, 0, 1, 0, 0]
    assert camera.net(one, 0, 5, 6, pool=2)[0].tolist() == [-1, 1, -1]


def test_the_stand_in_of_a_digit_is_that_of_the_full_set(kept):
    """Recording i of a small set is recording i of a large one, so the comparison is one of the sets that train."""
    from lifroles.standins import saccades

    image = np.zeros((28, 28), np.uint8)
    image[10:18, 12:16] = 255
    first, again = (saccades.record(image, saccades.sample_seed(0, "Test", 3)) for _ in range(2))
    other = saccades.record(image, saccades.sample_seed(0, "Train", 3))
    assert (first.t == again.t).all() and (len(first) != len(other) or (first.t != other.t).any())


def test_the_stand_in_for_n_mnist_is_like_it(kept):
    for one in kept.get("saccades", {"found": {}})["found"].values():
        assert one["found again"] > 0.9
        for name, (mean, deviation) in one["recorded"]["rows"].items():
            assert abs(one["stand-in"]["rows"][name][0] - mean) < deviation, name


def test_statistics_come_back_as_they_were_stored(kept):
    if "saccades" not in kept:
        pytest.skip("the saccades have not been measured")
    one = kept["saccades"]["found"]["Test"]
    real = likeness.unplain(one["recorded"])
    assert len(real.events) == one["recordings"]
    assert real.events.mean() == pytest.approx(one["recorded"]["rows"]["events"][0], rel=1e-3)


def test_every_stand_in_was_learnt(kept):
    for name, one in kept.get("learnable", {"found": {}})["found"].items():
        assert one["source"] == learnable.SPECS[name].source and one["snn"] > 2 * one["chance"]


def test_the_page_shows_every_part(kept, arrays):
    parameters = DataParameters()
    shown = [
        page.temporal(kept, arrays, parameters), page.moving(kept, arrays, parameters), page.still(parameters),
        page.integrated(kept, arrays, parameters), *quality.saccades(kept, parameters)[1:],
    ]  # fmt: skip
    for one in shown:
        assert isinstance(one, Display)
        assert "<svg" in one.html and "papermill notebooks/4_1_1_data.ipynb" in one.html
    said = words(page.terms(kept))
    assert "SHD" in said and "N-MNIST" in said


def test_simple_and_trained_readers_and_times_are_shown():
    """The parts that take long to measure, from numbers made up here."""
    origin = {"provenance": {"processor": "p", "threads": 2, "commit": "a" * 40, "dirty": False, "started": "2026"}}
    one = {
        "source": "shapes", "train": 1000, "test": 200, "chance": 0.1, "seen": "pixels", "snn": 0.8,
        "simple": {"linear": 0.7, "nearest centroid": 0.5}, "changes": {"epochs": 20, "train_samples": 7},
    }  # fmt: skip
    fig, table = quality.learnable({"learnable": {**origin, "found": {"cifar10": one}}}, DataParameters())
    assert isinstance(fig, Display) and isinstance(table, Table)
    assert "on 1 of 1 stand-ins, and more than both simple classifiers on 1" in fig.caption
    assert "95\N{NO-BREAK SPACE}% or more on none" in fig.caption
    assert table.notes[0].startswith("1,000 training and 200 test samples") and table.notes[0].endswith(": epochs 20.")
    spent = {"source": "shapes", "samples": 100, "of": 60000, "seconds": 5.0, "processor seconds": 10.0}
    ran = {
        "source": "jpeg",
        "epochs": 2,
        "changes": {"epochs": 2},
        "seconds": 20.0,
        "loader seconds": 1.0,
        "share": 0.05,
    }
    found = {"prepared": {"cifar10": spent, "shd": spent}, "binned": {**spent, "dt": 1.0}, "loader": {"cifar10": ran}}
    total, prepared, waits, loader, _ = costs.times({"times": {**origin, "found": found}})
    assert isinstance(prepared, Table) and isinstance(loader, Table)
    assert "None of these does" in words(waits)
    assert "take 10\N{NO-BREAK SPACE}s by the clock and 20\N{NO-BREAK SPACE}s of" in words(total)
    assert prepared.rows[0][4].replace("\N{NO-BREAK SPACE}", " ") == "60,000: 1.7 h"
    assert loader.rows[0][2:] == ("10.0\N{NO-BREAK SPACE}s", "5.0\N{NO-BREAK SPACE}%")


def test_what_is_not_measured_says_so():
    for show, part in ((quality.learnable, "learnable"), (quality.saccades, "saccades"), (quality.spoken, "speech")):
        (said,) = show({}, DataParameters())
        assert words(said) == f"This has not been measured yet; `python -m lifroles.survey {part}` measures it."


def test_what_comes_out_otherwise_is_said(kept, monkeypatch):
    then = kept["samples"]["found"]["again"]
    monkeypatch.setattr(samples, "again", lambda: {**then, "gestures": "0"})
    assert "gestures came out otherwise" in words(quality.again(kept))
    monkeypatch.setattr(samples, "again", lambda: {"saccades": then["saccades"]})
    said = words(quality.again(kept))
    assert "identical, event for event" in said and "otherwise" not in said


def test_every_source_of_every_benchmark_is_explained():
    rows = overview.source_table().rows
    assert len(rows) == sum(len(one.sources) for one in BENCHMARKS.values())
    assert all(row[2] and row[3] for row in rows)
    assert [row[0] for row in overview.data_table("temporal").rows] == ["Delayed spiking XOR*", "SHD*", "SSC*"]


def test_a_part_that_is_not_there_or_not_known_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "results_dir", lambda: tmp_path)
    with pytest.raises(StoreError, match=r"samples\.json cannot be read .*python -m lifroles\.survey samples"):
        record.read()
    with pytest.raises(StoreError, match=r"samples\.npz cannot be read"):
        record.read_arrays()
    assert command.main(["sample"]) == 2
    assert (
        "there is no part 'sample': give some of samples, saccades, speech, learnable, times" in capsys.readouterr().err
    )
    record.write_arrays({"a": np.arange(3)})
    assert record.read_arrays()["a"].tolist() == [0, 1, 2]
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["samples.npz"]


def test_a_measurement_counts_all_processors_and_leaves_the_cache_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path))
    monkeypatch.setattr(times, "SMOKE", {"cifar10": {"train_samples": 20, "test_samples": 10}})
    found = times.prepared()
    assert found["cifar10"]["samples"] == 30 and found["cifar10"]["seconds"] >= 0
    assert times.os.environ["LIFROLES_CACHE"] == str(tmp_path) and not list(tmp_path.iterdir())


def test_numbers_have_the_digits_that_they_deserve():
    assert text.around(4108.3, 811.6) == "4,108 ± 812"
    assert text.around(49.6, 0.68) == "49.60 ± 0.68"
    assert [text.minutes(s).replace("\N{NO-BREAK SPACE}", " ") for s in (5, 600, 36000)] == ["5 s", "10 min", "10.0 h"]
