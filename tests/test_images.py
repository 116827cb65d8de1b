"""Attacks on images: the probe on a small trained network, and what the page says of its answers."""

import sys

import numpy as np
import pytest
import torch
from fake_runs import fake_record

from lifroles import Store
from lifroles.errors import LifrolesError
from lifroles.generalisation.networks import Networks
from lifroles.parameters import RobustnessParameters
from lifroles.probes import images
from lifroles.probes.record import ProbeSpec, choose, write
from lifroles.robustness import images as page
from lifroles.spec import RunSpec
from lifroles.store import read
from lifroles.training import run

P = RobustnessParameters()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    spec = RunSpec.of("mnist", "baseline", 0, "mnist-5k", epochs=5, hidden=64, T=6, lr=2e-3, batch_size=40)
    return run(spec, Store(tmp_path_factory.mktemp("runs")), weights=True)


def measured(trained, network=None, **changes):
    asked = {"eps": (0.05, 0.3), "samples": 60, "steps": 5, "queries": 20, **changes}
    return images.PROBE.measure(trained.spec, network or trained.load_network(), choose(images.PROBE, asked))


def test_many_steps_are_worse_than_one_and_one_is_worse_than_noise(trained):
    network = trained.load_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state, drawn = np.random.get_state(legacy=False)["state"]["key"].copy(), torch.random.get_rng_state()
    found = measured(trained, network)
    n = found.numbers
    batch = next(iter(trained.spec.task.load(trained.spec.protocol, "mnist-5k").test_batches()))
    output = network(batch.inputs[:, :60]).output
    assert n["accuracy", "none/0"] == float((output.argmax(1) == batch.labels[:60]).double().mean()) > 0.6
    assert n["accuracy", "pgd/0.3"] <= n["accuracy", "fgsm/0.3"] < n["accuracy", "noise/0.3"]
    assert n["accuracy", "pgd/0.3"] < n["accuracy", "pgd/0.05"]
    assert 0 <= n["vanished", "all"] < 0.5
    assert found.arrays["right_square"].shape == (2, 60)
    assert found.arrays["right_square"].mean(1).tolist() == [n["accuracy", f"square/{eps}"] for eps in (0.05, 0.3)]
    # an attack changes neither the network nor what others draw, and comes out again
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert (np.random.get_state(legacy=False)["state"]["key"] == state).all()
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert measured(trained).numbers == n


def test_only_images_that_are_the_input_itself_are_covered():
    assert images.covers(RunSpec.of("mnist", "baseline"))
    assert not images.covers(RunSpec.of("mnist", "baseline", coding="bernoulli"))
    assert not images.covers(RunSpec.of("nmnist", "baseline"))


def test_what_is_missing_is_named(trained, monkeypatch):
    with pytest.raises(LifrolesError, match=r"samples is 5000: the first batch has 1000 test images"):
        measured(trained, samples=5000)
    monkeypatch.setitem(sys.modules, "art.attacks", None)
    with pytest.raises(LifrolesError, match=r"pip install 'lifroles\[images\]'"):
        measured(trained)


def networks(tmp_path, left):
    """Write a run of MNIST for each model, whose probe found these accuracies, and return them."""
    found = []
    for model, accuracy in left.items():
        run = read(Store(tmp_path).write(fake_record("mnist", model, 0, "official", last=0.97)))
        numbers = {("accuracy", key): value for key, value in {"none/0": 0.97, **accuracy}.items()}
        findings = images.Findings(numbers | {("vanished", "all"): 0.25})
        assert run.path
        write(run.path, ProbeSpec.of(images.PROBE, run.spec), findings, {})
        found.append(Networks(model, (run,)))
    return found


def test_the_page_says_who_keeps_most_and_where_the_gradient_hides_something(tmp_path):
    left = {
        "baseline": {"pgd/0.1": 0.4, "square/0.1": 0.6},
        "no_reset": {"pgd/0.1": 0.5, "square/0.1": 0.3},
    }
    rows = networks(tmp_path, left)
    said = page.caption(rows).replace("\N{NO-BREAK SPACE}", " ")
    assert "may change by 0.1, PGD leaves between 40 % (Baseline) and 50 % (Without reset)" in said
    assert "leaves less than PGD does (Without reset)" in said
    table = page.table(rows)
    assert table.columns == ("Attack", "Baseline", "Without reset")
    assert table.rows == [
        ("clean", "97.0", "97.0"),
        ("pgd 0.1", "40.0", "50.0"),
        ("square 0.1", "60.0", "30.0"),
        ("images without a gradient", "25.0", "25.0"),
    ]
    honest = page.caption(networks(tmp_path / "other", {"baseline": left["baseline"]}))
    assert "no sign of a hidden gradient" in honest
    unasked = read(Store(tmp_path).write(fake_record("mnist", "recurrent", 0, "official", last=0.97)))
    figure, *_ = page.attacks(P, [*rows, Networks("recurrent", (unasked,))])
    assert "2 runs" in figure.html  # pyright: ignore[reportAttributeAccessIssue]


def test_what_was_not_measured_is_said(tmp_path):
    rows = page.collect(P, store=Store(tmp_path))
    assert [row.model for row in rows] == ["baseline", "no_leakage", "complete_leakage", "no_reset", "recurrent"]
    (said,) = page.attacks(P, rows)
    assert "not measured" in said.data  # pyright: ignore[reportAttributeAccessIssue]
