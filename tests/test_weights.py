"""A completed run keeps its trained weights, the archive does without, and what is missing or damaged is named."""

import shlex

import pytest
import torch

from lifroles import Store, cli
from lifroles.errors import StoreError
from lifroles.networks import SpikingMLP
from lifroles.spec import RunSpec
from lifroles.store import WEIGHTS
from lifroles.training import evaluate, run, train
from lifroles.variant import Variant

SMALL: dict[str, int] = {"epochs": 1, "iterations": 3, "batch_size": 50, "test_samples": 100}


def spec(variant="recurrent", seed=0):
    return RunSpec.of("xor", variant, seed, None, **SMALL)


@pytest.mark.parametrize("benchmark", ["xor", "mnist"])
def test_the_loaded_network_does_what_the_trained_one_did(tmp_path, benchmark):
    small = {"epochs": 1, "train_samples": 200, "test_samples": 100, "hidden": 32}
    wanted = spec() if benchmark == "xor" else RunSpec.of("mnist", "no_reset", 0, None, **small)
    store = Store(tmp_path)
    record = run(wanted, store)
    state = torch.random.get_rng_state()
    network = store.network(wanted)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not network.training
    found = evaluate(wanted, network, wanted.task.load(wanted.protocol, wanted.source))
    assert found.accuracy == record.final["last_accuracy"] and found.rates == record.final["spike_rate"]
    assert network.learned_leaks() == record.final["learned_leaks"]


def test_a_record_that_was_not_written_has_its_network(tmp_path):
    record = train(spec())
    run(spec(), Store(tmp_path))
    written = Store(tmp_path).network(spec()).state_dict()
    assert all(torch.equal(written[k], v) for k, v in record.load_network().state_dict().items())
    assert record.final["weights_sha256"] == train(spec()).final["weights_sha256"]


def test_the_archive_has_no_weights_and_says_how_to_get_them(tmp_path):
    here, archive = Store(tmp_path / "runs"), Store(tmp_path / "results")
    record = run(spec(), here)
    place = archive.write(here.all()[0])
    assert not (place / WEIGHTS).exists() and archive.all() == [record.__class__(**{**vars(record), "path": place})]
    with pytest.raises(StoreError, match=r"weights of xor/recurrent/seed0-\w+ are not here.* `lifroles train xor -v"):
        archive.network(spec())
    both = Store(tmp_path / "results", tmp_path / "runs")
    assert both.network(spec()).state_dict().keys() == here.network(spec()).state_dict().keys()
    with pytest.raises(StoreError, match=r"There is no run xor/recurrent/seed1-\w+: train it with `lifroles train"):
        both.network(spec(seed=1))


@pytest.mark.parametrize("variant", ["no_reset", Variant(leak=0.5, reset="soft", recurrent=True)])
def test_the_command_that_is_named_trains_the_very_run(tmp_path, monkeypatch, variant):
    wanted = spec(variant, seed=3)
    monkeypatch.setenv("LIFROLES_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("lifroles.paths.results_dir", lambda: tmp_path / "results")
    record = run(wanted, Store(tmp_path / "elsewhere"))
    Store(tmp_path / "results").write(record)
    monkeypatch.setattr("sys.argv", shlex.split(wanted.command()))
    cli.app(standalone_mode=False)
    network = Store(tmp_path / "runs").network(wanted)
    assert isinstance(network, SpikingMLP)
    assert network.layer_names() == ["hidden1", "output"]


def test_weights_that_changed_are_refused(tmp_path):
    store = Store(tmp_path)
    place = run(spec(), store).path
    assert place is not None
    data = bytearray((place / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (place / WEIGHTS).write_bytes(data)
    with pytest.raises(StoreError, match=r"cannot be used .*is not what its run wrote.*: delete .* and train it again"):
        store.network(spec())


def test_a_failed_run_has_no_network(tmp_path):
    record = run(spec(), Store(tmp_path))
    failed = record.__class__(**{**vars(record), "status": "failed", "reason": "the loss became nan"})
    with pytest.raises(StoreError, match=r"failed \(the loss became nan\): it has no trained network"):
        failed.load_network()
