"""Probe records, and the probes of section 4.2 on small trained networks."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from lifroles import Store, cli, probes, upkeep
from lifroles.benchmarks import nmnist
from lifroles.errors import SpecError, StoreError
from lifroles.probes import curvature, features, gradients, landscape, record, resolution, samples
from lifroles.spec import RunSpec
from lifroles.training import run

SMALL = {"train_samples": 60, "test_samples": 200, "hidden": 24, "epochs": 1, "batch_size": 30, "lr": 1e-2}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def runs(store):
    names = ("baseline", "recurrent", "lstm", "rnn_mean")
    return {name: run(RunSpec.of("nmnist", name, 0, "saccades-5k", **SMALL), store, weights=True) for name in names}


def parameters(module: Any, **changes: object) -> Any:
    return record.choose(module.PROBE, changes)


def spec(name="baseline", **changes):
    return RunSpec.of("nmnist", name, 0, "saccades-5k", **{**SMALL, **changes})


def counting(found):
    """Return a probe that counts how often it measures."""
    calls = []

    def measure(spec, network, chosen):
        calls.append(chosen)
        return found

    return record.Probe("counting", 1, "How often?", resolution.ResolutionParameters, measure, samples.is_nmnist), calls


def test_an_answer_is_kept_beside_its_run_and_not_measured_again(runs):
    probe, calls = counting(record.Findings({("accuracy", "a"): 0.5}, {"line": np.arange(3)}))
    first = probes.ask(probe, runs["baseline"], dts=[1.0])
    assert probes.ask(probe, runs["baseline"], dts=[1.0]) == first
    assert [p.dts for p in calls] == [(1.0,)]
    assert first.path.parent.parent == runs["baseline"].path
    assert first.metric("accuracy") == {"a": 0.5}
    assert first.array("line").tolist() == [0, 1, 2]
    assert first.provenance["weights_sha256"] == runs["baseline"].final["weights_sha256"]
    probes.ask(probe, runs["baseline"])
    assert len(record.find(runs["baseline"], "counting")) == 2
    assert record.find(runs["baseline"], "counting", {"dts": [1.0]}) == [first]


def test_the_digest_changes_with_run_probe_version_and_parameters(runs):
    probe, _ = counting(record.Findings({}))
    specs = [record.ProbeSpec.of(probe, spec()), record.ProbeSpec.of(probe, spec("recurrent"))]
    specs += [record.ProbeSpec.of(probe, spec(), source="subset"), specs[0].model_copy(update={"version": 2})]
    specs += [record.ProbeSpec.of(probes.get("resolution"), spec())]
    assert len({one.digest for one in specs}) == 5


def test_a_damaged_answer_is_refused(runs):
    probe, _ = counting(record.Findings({("accuracy", "a"): 0.5}))
    kept = probes.ask(probe, runs["recurrent"])
    (kept.path / "record.json").write_text(json.dumps({"numbers": []}))
    with pytest.raises(StoreError, match=r"is not what its run wrote: restore it from version control.*probe the run"):
        record.read(kept.path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dt": 1}, r"no parameter 'dt': it has dts, kept"),
        ({"dts": ["long"]}, r"dts.0 is 'long'"),
        ({"dts": "1,2"}, r"dts is '1,2': Input should be a valid array: give a list, such as \[1, 2\] or"),
        ({"kept": ["area"]}, r"kept.0 is 'area': Input should be 'steps' or 'duration'"),
    ],
)
def test_parameters_that_cannot_be_are_named(changes, message):
    with pytest.raises(SpecError, match=message):
        record.ProbeSpec.of(resolution.PROBE, spec(), **changes)


def test_a_probe_refuses_a_run_that_it_does_not_cover():
    with pytest.raises(SpecError, match=r"resolution does not cover xor/baseline.*N-MNIST"):
        record.ProbeSpec.of(resolution.PROBE, RunSpec.of("xor", "baseline"))


def test_the_archives_copy_of_an_answer_is_found_beside_the_archived_run(runs, tmp_path):
    probe, _ = counting(record.Findings({("accuracy", "a"): 0.25}, {"line": np.arange(2)}))
    kept = probes.ask(probe, runs["lstm"])
    assert upkeep.copy_probes(runs["lstm"].path, Store(tmp_path).write(runs["lstm"])) >= 1
    (archived,) = record.find(Store(tmp_path).all()[0], "counting")
    assert archived.numbers == kept.numbers
    assert archived.array("line").tolist() == [0, 1]


@pytest.mark.parametrize("name", ["baseline", "lstm"])
def test_the_resolution_it_was_trained_at_gives_the_runs_own_test_accuracy(runs, name):
    found = resolution.measure(
        runs[name].spec, runs[name].load_network(), parameters(resolution, dts=(3.0, 10.0))
    ).numbers
    own = runs[name].final["last_accuracy"]
    for kept in ("steps", "duration"):
        for frames in ("binary", "scaled"):
            assert found["accuracy", f"{kept}/{frames}/3"] == pytest.approx(own)
    assert found["steps", "steps/binary/10"] == 15
    assert found["steps", "duration/binary/10"] == 4
    # A longer step holds more, unless it is scaled to what a step held in training.
    assert found["density", "steps/binary/10"] > 2 * found["density", "steps/binary/3"]
    assert found["density", "steps/scaled/10"] == pytest.approx(found["density", "steps/binary/3"])


def test_scaling_multiplies_every_entry():
    part = samples.part(spec(), "Test")
    (batch,) = samples.batches(part, np.arange(4), scale=0.5)()
    (plain,) = samples.batches(part, np.arange(4))()
    torch.testing.assert_close(batch.inputs.dense(), plain.inputs.dense() / 2)


def test_the_gradient_at_each_step_is_autograds_own(runs):
    spec, network = runs["recurrent"].spec, runs["recurrent"].load_network("reference")
    (batch,) = samples.batches(samples.part(spec, "Test"), np.arange(8))()
    x = batch.inputs.dense()
    path = gradients.trajectory(network, network.current(x))
    whole = network(x)
    torch.testing.assert_close(path.output, whole.output)
    torch.testing.assert_close(torch.stack(path.hidden), whole.spikes["hidden1"])


def test_without_recurrence_an_error_shrinks_by_the_leak_and_no_less(runs):
    spec, network = runs["baseline"].spec, runs["baseline"].load_network()
    for weight in network.linears.parameters():
        weight.data.zero_()  # nothing fires, and no potential comes near the surrogate's window
    found = gradients.measure(spec, network, parameters(gradients, samples=20)).numbers
    gains = [value for (metric, _), value in found.items() if metric == "gain"]
    assert len(gains) == 14
    assert gains == pytest.approx([0.3] * 14, rel=0.1)
    assert found["reach", "lag=3"] == pytest.approx(0.3**3, rel=0.1)
    assert found["dead", "t=1"] == 1


@pytest.mark.parametrize("name", ["baseline", "recurrent", "lstm", "rnn_mean"])
def test_a_disturbance_begins_where_it_is_made(runs, name):
    chosen = parameters(gradients, samples=40, step=4)
    found = gradients.measure(runs[name].spec, runs[name].load_network(), chosen).numbers
    distance = [value for (metric, _), value in found.items() if metric == "distance"]
    assert len(distance) == 12
    assert distance[0] > 0
    again = gradients.measure(runs[name].spec, runs[name].load_network(), chosen).numbers
    assert again == found
    assert ("spikes" in {metric for metric, _ in found}) == (name in ("baseline", "recurrent"))


def test_directions_are_row_by_row_as_long_as_the_weights(runs):
    network = runs["lstm"].load_network()
    drawn = landscape.direction(network, 3, 0)
    weights = dict(network.named_parameters())
    assert set(drawn) == {"cell.weight_ih_l0", "cell.weight_hh_l0", "classifier.weight"}
    for name, rows in drawn.items():
        torch.testing.assert_close(rows.norm(dim=1), weights[name].detach().norm(dim=1))
    other = landscape.direction(network, 3, 1)
    assert not torch.equal(drawn["classifier.weight"], other["classifier.weight"])


@pytest.mark.parametrize("name", ["baseline", "recurrent", "lstm", "rnn_mean"])
def test_a_point_of_the_landscape_is_the_loss_of_the_moved_network(runs, name):
    spec, network = runs[name].spec, runs[name].load_network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    parts = samples.batches(samples.part(spec, "Train"), np.arange(40), size=25)
    pair = (landscape.direction(network, 0, 0), landscape.direction(network, 0, 1))
    found = landscape.losses(spec, network, pair, np.array([[0.0, 0.0], [0.3, -0.2]]), parts)
    for point, loss in zip(((0.0, 0.0), (0.3, -0.2)), found, strict=True):
        moved = runs[name].load_network()
        with torch.no_grad():
            for key, weight in moved.named_parameters():
                if key in pair[0]:
                    weight += point[0] * pair[0][key] + point[1] * pair[1][key]
            (batch,) = samples.batches(samples.part(spec, "Train"), np.arange(40))()
            expected = spec.task.loss(spec.protocol, moved(batch.inputs).output, batch.labels)
        # One spike more or less of one class moves the mean squared error by about this much.
        assert loss == pytest.approx(float(expected), abs=2e-4)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_the_landscape_record_has_rises_and_the_grid(runs):
    chosen = parameters(landscape, seeds=(0, 4), grid=3, radii=(0.5,), angles=4, samples=30)
    found = landscape.measure(runs["recurrent"].spec, runs["recurrent"].load_network(), chosen)
    keys = {("rise", "seed=0/radius=0.5"), ("rise", "seed=4/radius=0.5"), ("worst", "radius=0.5"), ("loss", "centre")}
    assert set(found.numbers) == keys
    assert found.arrays["grid"].shape == (1, 3, 3)
    assert found.arrays["grid"][0, 1, 1] == pytest.approx(found.numbers["loss", "centre"])
    assert landscape.square(3)[:2].tolist() == [[-1, -1], [-1, 0]]
    assert np.hypot(*landscape.circle((0.5, 1.0), 3).T).tolist() == pytest.approx([0.5] * 3 + [1.0] * 3)


def test_the_largest_eigenvalue_is_that_of_a_known_matrix():
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    hessian = basis @ torch.diag(torch.tensor([5.0, -2.0, 1.0, 0.5, 0.1, 0.0], dtype=torch.float64)) @ basis.T
    found = curvature.largest(lambda offset: hessian @ offset, torch.ones(6, dtype=torch.float64), 30, 0.1)
    assert found[-1] == pytest.approx(5)
    assert curvature.largest(torch.zeros_like, torch.ones(3), 30, 0.1) == [0.0]


@pytest.mark.parametrize("name", ["baseline", "lstm"])
def test_the_curvature_is_measured_around_the_weights_and_leaves_them(runs, name):
    network = runs[name].load_network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    found = curvature.measure(runs[name].spec, network, parameters(curvature, samples=20, iterations=4)).numbers
    assert found["eigenvalue", "largest"] == found["eigenvalue", "iteration=4"]
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    if name == "lstm":  # a true gradient: the loss on both sides of the minimum is higher along the sharpest direction
        assert found["eigenvalue", "largest"] > 0


@pytest.mark.slow
def test_features_are_scored_and_embedded(runs):
    chosen = parameters(features, each=10, seeds=(0, 1), perplexity=10.0, neighbours=5, moved=(10.0,))
    network = runs["recurrent"].load_network()
    found = features.measure(runs["recurrent"].spec, network, chosen)
    metrics = {metric for metric, _ in found.numbers}
    assert metrics == {"silhouette", "knn", "linear", "accuracy", "procrustes"}
    assert found.arrays["tsne"].shape == found.arrays["umap_10"].shape == (100, 2)
    assert np.bincount(found.arrays["labels"]).tolist() == [10] * 10
    assert 0.1 < found.numbers["linear", "features"] <= 1


def test_the_command_asks_and_says_what_cannot_be(runs, store, capsys):
    options = ["--store", str(store.roots[0])]
    digest = runs["baseline"].spec.digest
    cli.app(["probe", "gradients", digest[:8], "--set", "samples=20", *options], standalone_mode=False)
    assert f"{runs['baseline'].spec.path}/probes/gradients-" in capsys.readouterr().out.replace("\n", "")
    for arguments, message in (
        (["probe", "gradient", digest], "probe is 'gradient': give one of resolution, gradients"),
        (["probe", "gradients", "zzz"], "0 runs have a digest that begins with 'zzz'"),
        (["probe", "all", digest, "--set", "samples=20"], "--set is for one probe"),
    ):
        with pytest.raises(SpecError, match=message):
            cli.app([*arguments, *options], standalone_mode=False)


def test_every_probe_but_those_of_blocks_and_images_covers_nmnist_and_all_but_the_rates_no_network_of_xor():
    for name, probe in probes.PROBES.items():
        assert probe.covers(spec()) == (name not in ("isometry", "images"))
        assert name == "rates" or not probe.covers(RunSpec.of("xor", "baseline"))
    assert samples.is_nmnist(RunSpec.of(nmnist.Nmnist.name, "gru"))
