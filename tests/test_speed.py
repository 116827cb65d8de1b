"""The speed comparison: all candidates compute the same, the floor is counted right, the page says what was found."""

import copy
import json
import mmap
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import landscapes
from benchmarks.kernels import __main__ as command_line
from benchmarks.kernels import floor, inside, measure, run
from benchmarks.kernels.candidates import LAYER_CANDIDATES, NETWORK_CANDIDATES, OURS, PEERS, Inputs, Loop, Training
from benchmarks.kernels.workloads import NETWORKS, Layer, Network, layers, shrunk
from lifroles import records, speed
from lifroles.benchmarks import Batch
from lifroles.errors import StoreError
from lifroles.figures import speed as figures
from lifroles.figures import svg
from lifroles.libraries import LIBRARIES
from lifroles.probes.landscape import losses
from lifroles.prose import NBSP
from lifroles.sparse import SparseSequence
from lifroles.spec import RunSpec
from lifroles.speed import attack, landscape, tables, words

NETS = {work.name: work for group in NETWORKS.values() for work in group}
RATES = floor.Rates(operations=1e9, bytes=1e9)


@pytest.fixture(autouse=True)
def _peers(require: Callable[[object, str], None]) -> None:
    for name, title in LIBRARIES.items():
        require(find_spec(name), f"{title} is not installed (the extras dev and bench bring it)")


@pytest.mark.parametrize("work", NETS.values(), ids=NETS)
def test_all_candidates_compute_the_same_network(work: Network) -> None:
    small = replace(shrunk(work), batch=8)
    inputs = Inputs(small)
    built = {name: Training(small, name, inputs) for name in NETWORK_CANDIDATES}
    checks, spikes = run._check(small, built)
    assert set(checks) == set(NETWORK_CANDIDATES) - {OURS}
    assert sum(one["differing"] for one in checks.values()) <= 2
    # Otherwise the comparison would be of silence.
    assert 0.03 < spikes[0] / (small.steps * small.batch * small.sizes[1]) < 0.3
    for name, one in checks.items():
        assert (one["gradient"] < 1e-4) == one["same gradient"], name
    for one in built.values():
        before = [p.detach().clone() for p in one.net.parameters()]
        one.train()
        # Adam's first step is the learning rate, wherever there is a gradient.
        moved = max(float((a - b).detach().abs().max()) for a, b in zip(one.net.parameters(), before, strict=True))
        assert 0 < moved < 1e-5
        one.infer()


def test_a_candidate_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(shrunk(NETS["nmnist-15"]), batch=4)

    class Deaf(Loop):
        scale = 0.9

    monkeypatch.setitem(PEERS, "torch loop", Deaf)
    inputs = Inputs(small)
    built = {name: Training(small, name, inputs) for name in (OURS, "torch loop")}
    with pytest.raises(run.BenchmarkError, match=r"T = 15, batch 4: torch loop spikes otherwise at [\d,]+ of"):
        run._check(small, built)


def test_all_candidates_compute_the_same_layer() -> None:
    found = run.layer(Layer("B", 8, 5, 7), 1, RATES)
    assert list(found["candidates"]) == list(LAYER_CANDIDATES)
    assert sum(one.get("differing", 0) for one in found["candidates"].values()) == 0
    assert 0.05 < found["rate"] < 0.6


def test_the_inputs_are_one_input_in_three_forms() -> None:
    inputs = Inputs(replace(NETS["shd"], steps=6, batch=3))
    assert torch.equal(inputs.csr.to_dense(), inputs.dense.flatten(0, 1))
    assert torch.equal(inputs.events.dense(), inputs.dense)
    assert inputs.events.density == pytest.approx(0.03, rel=0.1)


# Time, memory, floor


def test_every_candidate_has_its_turn_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(measure, "SHORTEST", 0.0)
    seconds = measure.rounds({name: lambda name=name: order.append(name) for name in "abc"}, 3)
    assert order == [*"aabbcc", *"abc", *"bca", *"cab"]
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}
    assert measure.summary([3.0, 1.0, 2.00004]) == {"median": 2.0, "fastest": 1.0, "slowest": 3.0, "n": 3}


def test_peak_memory_is_what_a_call_takes() -> None:
    def call() -> None:
        # straight from the system, so that nothing that lies there already is used again
        with mmap.mmap(-1, 64 << 20) as fresh:
            fresh.write(bytes(64 << 20))

    # The zeros that are written take as much again.
    assert 60 < measure.peak_of(call) / (1 << 20) < 140


def test_the_floor_of_a_network_counts_what_is_named() -> None:
    work = Network("x", "x", (4, 3, 2), 5, 2, 0.1, "rate", False, 0.5, 0.5, 0.5)
    rows = 10
    first, second, back2, back1, adam = floor.network_passes(work, [7, 1], 6, training=True)
    assert (first.operations, first.bytes) == (2 * 6 * 3 + 6 * rows * 3, 2 * 6 + 8 * rows + (4 + 1 / 8) * rows * 3)
    assert (second.operations, second.bytes) == (2 * 7 * 2 + 6 * rows * 2, rows * 3 / 8 + 2 * 4 * rows * 2)
    assert back2.operations == 2 * 7 * 2 + 10 * rows * 2 + 2 * rows * 3 * 2
    assert back2.bytes == rows * 3 / 8 + 4 * rows * 2
    assert back1.operations == 2 * 6 * 3 + 10 * rows * 3
    assert back1.bytes == 2 * 6 + 8 * rows + 4 * rows * 3
    assert adam.bytes == 32 * (5 * 3 + 4 * 2)
    forward = floor.network_passes(work, [7, 1], 6, training=False)
    assert [p.bytes for p in forward] == [first.bytes - 4 * rows * 3, second.bytes - 4 * rows * 2]


def test_recurrence_adds_the_spikes_that_return_and_the_product_that_takes_their_gradient_back() -> None:
    work = Network("x", "x", (4, 3, 2), 5, 2, 0.1, "integrator", False, 0.5, 0.5, 0.5)
    plain = floor.network_passes(work, [7], 6, training=True)
    more = floor.network_passes(replace(work, recurrent=True), [7], 6, training=True)
    added = [b.operations - a.operations for a, b in zip(plain, more, strict=True)]
    assert added == [2 * 7 * 3, 0, 0, 2 * 7 * 3 + 2 * 10 * 3 * 3, 12 * 9]
    assert [b.bytes - a.bytes for a, b in zip(plain, more, strict=True)] == [0, 0, 0, 10 * 3 / 8, 32 * 9]


def test_a_pass_takes_the_longer_of_its_operations_and_its_bytes() -> None:
    rates = floor.Rates(operations=10.0, bytes=5.0)
    passes = [floor.Pass("a", 100, 10), floor.Pass("b", 10, 100)]
    assert floor.summary(passes, rates) == {"operations": 110, "bytes": 110, "seconds": 10.0 + 20.0}


def test_a_layer_reads_and_writes_24_bytes_a_step() -> None:
    passes = floor.layer_passes(Layer("B", 10, 10, 10), training=True)
    assert sum(p.bytes for p in passes) == 24 * 1000
    assert sum(p.bytes for p in floor.layer_passes(Layer("B", 10, 10, 10), training=False)) == 8 * 1000


def test_the_layers_span_the_sizes_and_those_that_do_not_fit_are_named() -> None:
    every, left_out = layers(quick=False)
    assert {layer.batch * layer.neurons for layer in every} == {10**3, 10**4, 10**5, 10**6, 10**7}
    assert {layer.steps for layer in every} == {4, 16, 64, 256, 1024}
    assert max(layer.size for layer in every) <= 70_000_000 < min(layer.size for layer in left_out)


def test_the_rates_are_those_of_a_machine() -> None:
    rates = floor.measure(2, n=256, m=1_000_000)
    assert 1e8 < rates.bytes < 1e13
    assert 1e9 < rates.operations < 1e15


# The command line


def test_an_unknown_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["--only", "a,z"])
    assert stopped.value.code == 2
    assert "there is no group 'z'" in capsys.readouterr().err


def test_a_child_measures_one_candidate() -> None:
    found = measure.child(["--child", "layer", OURS, "64", "100", "100"])
    # x's gradient, o and u, 2.56 MB each, and little else.
    assert 5e6 < found["peak bytes"] < 2e7


def test_a_child_that_is_asked_for_something_else_says_so() -> None:
    with pytest.raises(run.BenchmarkError, match="there is nothing called 'x' to measure"):
        run.in_child(["x"])


# The record, as tables and in words


def candidate(median: float, peak: int | None = None, held: int = 0, **more: Any) -> dict[str, Any]:
    times = {"median": median, "fastest": median, "slowest": median, "n": 7, "input bytes": held}
    return times | ({} if peak is None else {"peak bytes": peak}) | more


@pytest.fixture
def record() -> dict[str, Any]:
    network = {
        "title": "Net",
        "mode": "training",
        "floor": {"seconds": 0.004},
        "candidates": {
            "lifroles": candidate(0.008, 100_000_000, 20_000_000),
            "lifroles, dense input": candidate(0.001, 1, 1),
            "torch loop": candidate(0.080, 300_000_000, 300_000_000),
            "torch loop, CSR input": candidate(0.040, 200_000_000, 100_000_000),
            "Norse": candidate(0.400, 900_000_000, 300_000_000),
        },
    }

    def layer(series: str, T: int, B: int, N: int) -> dict[str, Any]:
        seconds = 1e-9 * T * B**1.5 * N
        others = {"torch loop": candidate(12 * seconds), "Norse": candidate(30 * seconds)}
        return {
            "series": series, "T": T, "B": B, "N": N, "floor": {"seconds": seconds / 3},
            "candidates": {"lifroles": candidate(seconds), **others},
        }  # fmt: skip

    grid = [layer("B", t, b, 100) for t in (4, 64, 1024) for b in (10, 100, 1000)]
    grid += [layer("N", 64, 100, n) for n in (10, 100, 1000)]
    origin = {
        "processor": "P", "threads": 2, "rounds": 7, "quick": False, "commit": "0123456789", "dirty": False,
        "started": "2026-11-22T00:00:00+00:00", "versions": {"torch": "2", "norse": None},
    }  # fmt: skip
    rates = {"operations a second": 2e11, "bytes a second": 3e10}
    group = {"provenance": origin, "rates": rates}
    memory = {"peak bytes": {"lifroles": 10, "torch loop": 40, "Norse": 30}}
    return {
        "groups": {
            "a": group | {"found": [network]},
            "c": group | {"found": {"layers": grid, "left out": [{"T": 4}], "most": 1000, "memory": memory}},
            "d": group | {"provenance": origin | {"quick": True}, "found": []},
        }
    }


def test_the_fastest_peer_is_the_fastest_that_is_not_ours(record: dict[str, Any]) -> None:
    s = speed.standing(speed.networks(record, "training")[0])
    assert (s.peer, s.faster) == ("torch loop, CSR input", pytest.approx(5))
    assert (s.library, s.library_faster) == ("Norse", pytest.approx(50))
    assert s.above_floor == pytest.approx(2)
    assert s.memory == pytest.approx(120 / 300)


def test_the_verdict_names_ratio_floor_memory_and_growth(record: dict[str, Any]) -> None:
    text = words.verdict(record)
    assert f"**Net**, training: 8.00{NBSP}ms, 50× as fast as the fastest library (Norse) and 5.0× as fast" in text
    assert "(torch loop, CSR input), with 0.40 of its peak memory; 2.0× the floor." in text
    assert "9 sizes of 64 steps and more: 12× to 12× as fast" in text
    assert "3.0× to 3.0× the floor" in text
    assert "grows as T to the power 1.00, B to the power 1.50 and N to the power 1.00" in text
    assert "Less than 1" not in text
    for layer in record["groups"]["c"]["found"]["layers"]:
        layer["candidates"]["lifroles"] = candidate(1e-3 + 1e-9 * layer["T"] * layer["B"] * layer["N"])
    assert "Less than 1, because a call and the state" in words.verdict(record)


def test_the_origin_tells_a_trial_from_a_measurement(record: dict[str, Any]) -> None:
    measured, trial = words.origin(record).splitlines()
    assert measured.startswith(
        "- Groups a and c: P, 2 threads, 7 rounds; 200 GFLOP/s, 30 GB/s; commit 0123456; torch 2"
    )
    assert "trial" not in measured
    assert "norse" not in measured
    assert "a trial run at toy sizes, not a measurement" in trial


def test_times_with_memory_kept_are_shown_where_there_are_any(record: dict[str, Any]) -> None:
    assert "--keep-memory" in str(getattr(tables.kept_table(record), "data", ""))
    kept = {"groups": {"a kept": record["groups"]["a"]}}
    for every in ((record, kept), (kept,)):
        table = tables.kept_table(*every)
        assert isinstance(table, tables.Table)
        assert "freed memory is kept by the C library" in table.caption
        assert table.caption.endswith(". On P, kernels of commit 0123456")
        assert ("torch loop", f"80.0{NBSP}ms (10×)") in table.rows


def test_what_was_left_out_is_said(record: dict[str, Any]) -> None:
    assert words.left_out(record).startswith("Layers of more than 1,000 neuron steps were left out (1 size)")
    record["groups"]["c"]["found"]["left out"] = []
    assert words.left_out(record) == "No size was left out."


def test_times_have_three_digits() -> None:
    assert [words.milliseconds(s) for s in (0.0123456, 0.123456, 1.23456, 1.2e-6)] == [
        f"12.3{NBSP}ms", f"123{NBSP}ms", f"1,235{NBSP}ms", f"0.00120{NBSP}ms"
    ]  # fmt: skip
    assert [words.times(r) for r in (1.04, 9.94, 9.96, 1234.0)] == ["1.0×", "9.9×", "10×", "1,234×"]


def test_the_time_table_has_every_candidate_and_the_floor(record: dict[str, Any]) -> None:
    rows = tables.time_table(record, "training").rows
    assert ("torch loop", f"80.0{NBSP}ms (10×)") in rows
    assert rows[0] == ("lifroles", f"8.00{NBSP}ms")
    assert rows[-1] == ("floor", f"4.00{NBSP}ms")
    assert ("torch loop", f"300 + 300{NBSP}MB") in tables.memory_table(record).rows


def test_the_page_can_be_made_from_the_archived_record() -> None:
    kept = speed.read()
    for table in (
        tables.time_table(kept, "training"),
        tables.time_table(kept, "inference"),
        tables.memory_table(kept),
        tables.check_table(kept),
        tables.startup_table(kept),
        tables.variants_table(kept),
    ):
        assert len(table.rows) >= 4
    for say in (words.verdict, words.times_caption, words.linear_caption, words.ratios_caption, words.behind):
        assert "nan" not in say(kept)
    assert {name for group in kept["groups"].values() for name in group} == {"what", "provenance", "rates", "found"}
    assert "host" not in json.dumps(kept).lower()


def test_the_goals_are_met_or_not(record: dict[str, Any]) -> None:
    rows = {goal: cells for goal, *cells in tables.goals_table(record).rows}
    # the network: 5 times the fastest other, twice the floor, 0.4 of its memory; layers: 12 times, 3 times the floor
    assert rows["ten times as fast as the fastest other"] == ["5.0×: no", "9 of 9 sizes: yes"]
    assert rows["at least five times"] == ["5.0×: yes", "9 of 9 sizes: yes"]
    assert rows["at most twice the floor"] == ["2.0×: yes", "0 of 9 sizes: no"]
    assert rows["at most half the memory of the fastest other (neurons: of the most sparing)"] == [
        "0.40: yes", "0.33: yes"
    ]  # fmt: skip
    assert rows["cost proportional to T, B and N"] == ["", "powers 1.00, 1.50 and 1.00: no"]


def test_a_table_names_every_processor_that_something_was_measured_on() -> None:
    record = {"groups": {key: {"provenance": {"processor": on}} for key, on in zip("abc", "XYX", strict=True)}}
    assert "measured on X and Y. Each" in words.made(record).html


def test_a_network_stands_on_every_processor_that_it_was_measured_on(record: dict[str, Any]) -> None:
    other = {"groups": {"a": copy.deepcopy(record["groups"]["a"])}}
    other["groups"]["a"]["provenance"] = other["groups"]["a"]["provenance"] | {"processor": "Q"}
    other["groups"]["a"]["found"][0]["candidates"]["lifroles"]["median"] = 0.016
    by_csr, by_norse = "torch loop, CSR input", "Norse"
    assert tables.processors_table(record, other).rows == [
        ("Net, training", "P", "0123456", f"8.00{NBSP}ms", f"5.0× ({by_csr})", f"50× ({by_norse})", "2.0×"),
        ("Net, training", "Q", "0123456", f"16.0{NBSP}ms", f"2.5× ({by_csr})", f"25× ({by_norse})", "4.0×"),
    ]
    made, origin = words.made(record, other).html, words.origin(record, other)
    assert "kernels.json and kernels-*.json beside it, measured on P and Q." in made
    assert "Groups a and c: P," in origin
    assert "Group a: Q," in origin


def test_records_of_other_processors_lie_beside_the_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lifroles.speed.record.results_dir", lambda: tmp_path)
    assert speed.elsewhere() == []
    (tmp_path / "speed").mkdir()
    for name in ("kernels", "kernels-b", "kernels-a", "attack"):
        (tmp_path / "speed" / f"{name}.json").write_text(json.dumps({"name": name}))
    assert [found["name"] for found in speed.elsewhere()] == ["kernels-a", "kernels-b"]


def test_the_profile_and_the_densities_are_shown(record: dict[str, Any]) -> None:
    parts = {"one": 0.003, "the rest": 0.001}
    by_density = [{"density": 0.05, "events": candidate(0.002), "matrix": candidate(0.004)}]
    record["groups"]["g"] = {
        "found": {
            "profiles": [{"title": "Net", "total": 0.004, "reads": 0.002, "parts": parts}],
            "densities": [{"title": "4 inputs", "densities": by_density}],
        }
    }
    rows = tables.profile_table(record).rows
    assert rows == [
        ("one", f"3.00{NBSP}ms (75{NBSP}%)"),
        ("the rest", f"1.00{NBSP}ms (25{NBSP}%)"),
        ("all", f"4.00{NBSP}ms"),
        ("sums over the input alone, forward and backward", f"2.00{NBSP}ms"),
    ]
    assert tables.density_table(record).rows == [(f"5{NBSP}%", f"2.00{NBSP}ms", f"4.00{NBSP}ms")]


def test_our_step_is_seen_from_inside() -> None:
    small = replace(shrunk(NETS["shd"]), batch=8)
    found = inside.profile(small, 2)
    assert set(found["parts"]) == {*inside.PARTS, inside.LOSS, inside.ADAM, inside.REST}
    assert sum(found["parts"].values()) == pytest.approx(found["total"], rel=0.3)
    assert found["reads"] > 0
    assert all(found["parts"][name] > 0 for name in inside.PARTS)
    one = inside.density(replace(small, batch=2), 1)["densities"][0]
    assert one["density"] == inside.DENSITIES[0] and one["events"]["median"] > 0


@pytest.mark.parametrize("draw", [figures.times, figures.linear, figures.ratios])
def test_a_figure_is_ink_and_names_its_lines(draw: Callable[..., Any]) -> None:
    drawn = svg(draw(speed.read()))
    assert "currentColor" in drawn
    assert "#010203" not in drawn
    expected = {"times": [*LAYER_CANDIDATES, "floor"], "linear": ["T grows", "B grows", "N grows"], "ratios": ["T 64"]}
    assert all(text in drawn for text in expected[draw.__name__])


def test_a_missing_record_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("lifroles.speed.record.results_dir", lambda: tmp_path)
    with pytest.raises(StoreError, match=r"make it again: python -m benchmarks\.kernels\.$"):
        speed.read()


def test_reading_the_record_needs_neither_torch_nor_the_benchmark() -> None:
    code = "import sys; from lifroles import speed; print([m for m in ('torch', 'benchmarks') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_says_how_much_a_batch_of_an_attack_gains_and_what_bounds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lifroles.speed.measured.results_dir", lambda: tmp_path)
    assert "Not measured" in attack.shown()[0].data
    case = {
        "run": "nmnist/baseline/seed0-4c8653c31259", "recordings": 100, "iterations": 600, "rounds": 5,
        "gain": 6.0, "gain_loop": 9.0, "seconds_loop": 9e-3, "seconds_batch": 1e-3,
        "seconds_one_by_one": 6e-3, "seconds_product": 4e-4, "seconds_draws": 1e-4,
    }  # fmt: skip
    provenance = {"processor": "a processor", "threads": 1, "commit": "0123456789"}
    records.write({"wanted": 20.0, "case": case, "provenance": provenance}, attack.MEASURED.path)
    text, table, card = attack.shown()
    assert "is attacked 6.0× as fast" in text.data and "goal was 20×: it is not reached" in text.data
    assert "no batch could be more than 12× as fast" in text.data
    assert "SpikingJelly's nodes and torch's own operations it is 9.0× as fast" in text.data
    assert [row[1] for row in table.rows] == [f"{n}{NBSP}ms" for n in ("9.00", "6.00", "1.00", "0.400", "0.100")]
    assert "python -m benchmarks.attacks 4c8653c31259" in card.html

    records.write({"wanted": 20.0, "case": {**case, "gain": 21.0}, "provenance": provenance}, attack.MEASURED.path)
    text = attack.shown()[0].data
    assert "it is reached" in text and "no batch" not in text


def test_the_page_says_how_long_a_grid_of_a_landscape_takes_and_whose_takes_longer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lifroles.speed.measured.results_dir", lambda: tmp_path)
    assert "Not measured" in landscape.shown()[0].data
    quick = {
        "run": "nmnist/baseline/seed0-4c8653c31259", "variant": "baseline", "rows": 4, "gain": 40.0,
        "seconds_point": 0.04, "seconds_alone": 1.6, "seconds_grid": 90.4,
    }  # fmt: skip
    slow = {
        **quick, "run": "nmnist/lstm/seed1-abcd24fa051e", "variant": "lstm", "gain": 2.5,
        "seconds_point": 0.4, "seconds_alone": 1.0, "seconds_grid": None,
    }  # fmt: skip
    rest = {
        "wanted": 120.0, "grid": 51, "recordings": 2000, "rounds": 3,
        "provenance": {"processor": "a processor", "threads": 2, "commit": "0123456789"},
    }  # fmt: skip
    records.write({**rest, "cases": [quick, slow]}, landscape.MEASURED.path)
    text, table, card = landscape.shown()
    assert "around baseline took 90 s on 2,000 recordings. The goal was 120 s: it is reached" in text.data
    assert "A grid around LSTM takes longer" in text.data
    assert table.rows == [
        ("Baseline", "0.62", "25.00", "40×", "1.7 min"),
        ("LSTM", "1.00", "2.50", "2.5×", "17.3 min"),
    ]
    assert "python -m benchmarks.landscapes 4c8653c31259 abcd24fa051e" in card.html

    records.write({**rest, "cases": [{**quick, "seconds_grid": 150.0}]}, landscape.MEASURED.path)
    text = landscape.shown()[0].data
    assert "it is not reached" in text and "takes longer" not in text


def test_a_landscape_point_by_point_is_the_landscape() -> None:
    spec = RunSpec.of("nmnist", "baseline", seed=0, source="saccades")
    torch.manual_seed(0)
    network = spec.network("auto").eval()
    x = (torch.rand(15, 6, 2312) < 0.2).float()  # many, so that an untrained network fires
    batch = Batch(SparseSequence.from_dense(x), torch.arange(6), torch.zeros(6))
    pair = landscapes.direction(network, 0, 0), landscapes.direction(network, 0, 1)
    points = np.array([[0.0, 0.0], [0.0, 0.5], [-0.5, 1.0], [0.25, -1.0]])
    theirs = landscapes.one_by_one(spec, network, pair, points, lambda: [batch])
    assert np.allclose(losses(spec, network, pair, points, lambda: [batch]), theirs, rtol=1e-4)
    assert len(set(theirs.round(6))) == 4
