"""Training is repeatable to the bit, learns, and says when it cannot."""

import json
import re
from dataclasses import replace

import pytest
import torch

from lifroles import training
from lifroles.errors import SpecError
from lifroles.networks import SpikingMLP
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.training import evaluate, replay, run, train

SMALL = {"epochs": 2, "iterations": 3, "batch_size": 50, "test_samples": 100}


def small(variant="baseline", seed=0, **changes):
    return RunSpec.of("xor", variant, seed, **{**SMALL, **changes})


@pytest.mark.parametrize("variant", ["baseline", "no_leakage_no_reset_recurrent"])
def test_the_same_spec_gives_the_same_numbers_bit_for_bit(variant):
    torch.manual_seed(123)  # the global generator's state must not matter
    first = train(small(variant))
    torch.rand(7)
    again = train(small(variant))
    assert (first.history, first.final) == (again.history, again.final)
    assert train(small(variant, seed=1)).history != first.history


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(small(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_record_has_a_curve_an_epoch_and_says_where_it_comes_from():
    seen = []
    record = train(small(), progress=lambda epoch, total, metrics: seen.append((epoch, total, metrics)))
    assert [s[:2] for s in seen] == [(1, 2), (2, 2)]
    for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert record.history[key] == [s[2][key] for s in seen]
    assert set(record.history["spike_rate"]) == {"hidden1"}
    assert record.status == "completed" and record.epochs == 2
    final = record.final
    accuracy = record.history["test_accuracy"]
    assert final["last_accuracy"] == accuracy[-1] and final["best_accuracy"] == max(accuracy)
    assert accuracy[final["best_epoch"] - 1] == max(accuracy)
    assert set(final["group_accuracy"]) == {"low-low", "low-high", "high-low", "high-high"}
    assert {layer: len(k) for layer, k in final["learned_leaks"].items()} == {"hidden1": 16, "output": 2}
    origin = record.provenance
    assert {"commit", "dirty", "versions", "processor", "threads", "backend", "wall_seconds", "data_sha256"} <= set(
        origin
    )
    assert origin["source"] == "generated" and len(origin["data_sha256"]) == 64
    assert {"python", "torch", "spikingjelly", "lifroles"} <= set(origin["versions"])


def test_no_record_names_the_host_or_a_path():
    import platform

    text = json.dumps(train(small(epochs=1)).provenance)
    assert platform.node() not in text and "/" not in text.replace("+00:00", "")


def test_a_layer_that_can_learn_the_task_learns_it():
    """Eight hundred sequences of a short delay are enough for recurrence to beat three of four answers."""
    record = train(RunSpec.of("xor", "recurrent", T=24, epochs=3, iterations=40, batch_size=100, test_samples=500))
    assert record.final["last_accuracy"] > 0.8
    assert record.history["train_loss"][0] > record.history["train_loss"][-1]


def test_mnist_learns_from_the_embedded_digits():
    record = train(RunSpec.of("mnist", "baseline", epochs=5, train_samples=2000, hidden=128, lr=2e-3, batch_size=100))
    assert record.final["last_accuracy"] > 0.7
    assert set(record.final["spike_rate"]) == {"hidden1", "output"} and record.final["learned_leaks"] == {}


def test_evaluation_weighs_every_sample_once():
    spec = small(test_samples=1500)  # a batch of 1,000 and one of 500
    torch.manual_seed(0)
    network = spec.network()
    data = spec.task.load(spec.protocol, spec.source)
    with torch.no_grad():
        whole = network(data.test.inputs)  # pyright: ignore[reportAttributeAccessIssue]
    labels = data.test.labels  # pyright: ignore[reportAttributeAccessIssue]
    found = evaluate(spec, network, data)
    assert found.accuracy == pytest.approx(
        float(spec.task.correct(spec.protocol, whole.output, labels).mean()), abs=1e-6
    )
    assert found.loss == pytest.approx(float(spec.task.loss(spec.protocol, whole.output, labels)), rel=1e-5)
    assert found.rates["hidden1"] == pytest.approx(float(whole.spikes["hidden1"].mean()), rel=1e-5)


def test_the_learning_rate_follows_the_schedule():
    trainer = training.Trainer(small(lr=0.01, lr_step=1, lr_gamma=0.5))
    trainer.run_epoch()
    assert trainer.optimiser.param_groups[0]["lr"] == 0.005


def test_a_loss_that_is_no_number_ends_the_run_as_failed(tmp_path, monkeypatch):
    spec = small(epochs=3)
    loss = type(spec.task).loss
    calls = []

    def diverging(self, protocol, output, labels):
        calls.append(1)
        return loss(self, protocol, output, labels) * (float("nan") if output.requires_grad and len(calls) > 4 else 1)

    monkeypatch.setattr(type(spec.task), "loss", diverging)
    record = run(spec, Store(tmp_path))
    assert record.status == "failed"
    assert record.reason == "the training loss became nan in epoch 2"
    assert Store(tmp_path).get(spec) == record


def test_a_stored_run_is_not_trained_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    first = run(small(), store)
    monkeypatch.setattr(training, "train", lambda *a, **k: pytest.fail("trained again"))
    assert run(small(), store) == first


def test_a_replay_finds_the_same_numbers_and_notices_a_difference():
    record = train(small())
    same = replay(record)
    assert same.identical and same.difference == 0 and same.epochs == 1
    history = json.loads(json.dumps(record.history))
    history["test_loss"][0] += 0.25
    other = replay(replace(record, history=history))
    assert not other.identical and other.difference == pytest.approx(0.25)


def test_a_replay_uses_the_backend_of_the_record():
    record = train(small("recurrent"), backend="reference")
    assert record.provenance["backend"] == "reference"
    assert replay(record, epochs=2).identical
    assert train(small("recurrent")).provenance["backend"] == "cpu"


def test_variants_are_what_the_network_is_built_of():
    for name in ("no_reset", "recurrent"):
        spec = small(name)
        network = spec.network()
        assert isinstance(network, SpikingMLP)
        assert network.nodes[0].variant == spec.variant


def test_a_loss_that_explodes_ends_the_run_as_failed(monkeypatch):
    spec = small(epochs=3)
    loss = type(spec.task).loss
    calls = []

    def exploding(self, protocol, output, labels):
        calls.append(1)
        return loss(self, protocol, output, labels) * (1e6 if output.requires_grad and len(calls) > 1 else 1)

    monkeypatch.setattr(type(spec.task), "loss", exploding)
    record = train(spec)
    assert record.status == "failed" and record.epochs == 0 and record.weights is None
    assert record.reason is not None
    assert re.fullmatch(r"the training loss exploded in epoch 1: from \d\.\d+ to \S+", record.reason)


def test_a_held_out_loss_that_is_no_number_ends_the_run_as_failed(tmp_path, monkeypatch):
    spec = small(epochs=3)
    loss = type(spec.task).loss
    nan = float("nan")
    monkeypatch.setattr(type(spec.task), "loss", lambda *a: loss(*a) * (1 if a[2].requires_grad else nan))
    record = run(spec, Store(tmp_path))
    assert (record.status, record.reason, record.final) == ("failed", "the test loss became nan in epoch 1", {})
    assert Store(tmp_path).get(spec) == record


def test_a_network_in_which_nothing_fires_or_learns_is_dead():
    """Threshold and window far above any potential: no spike, and no gradient below the class layer."""
    record = train(small("baseline", u_th=1e3))
    assert record.status == "failed" and record.epochs == 0
    assert record.reason is not None and record.reason.startswith("the network is dead: in epoch 1 no unit fired")


def test_silence_with_a_gradient_is_no_failure_and_is_said():
    """Nothing fires here either, but the window reaches down to the resting potential."""
    record = train(small("baseline", u_th=1e3, width=2e3))
    assert record.status == "completed"
    assert record.final["silent"] == ["hidden1"] and record.final["spike_rate"] == {"hidden1": 0.0}


def test_a_network_that_cannot_be_built_fails_with_its_reason(tmp_path, monkeypatch):
    spec = small()

    def impossible(*arguments):
        raise SpecError("a layer has at least one neuron.")

    monkeypatch.setattr(RunSpec, "network", impossible)
    record = run(spec, Store(tmp_path))
    assert (record.status, record.reason) == ("failed", "impossible: a layer has at least one neuron.")
    assert Store(tmp_path).get(spec) == record and record.epochs == 0


def test_a_device_that_is_not_there_is_named_and_leaves_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device, sentence in (("cuda", "torch finds no CUDA device here: give cpu"), ("tpu", "give cpu or cuda")):
        with pytest.raises(SpecError, match=f"device is '{device}'.*{sentence}"):
            run(small(), Store(tmp_path), device=device)
    assert list(tmp_path.iterdir()) == []


def test_training_on_a_gpu_learns_as_on_the_processor(gpu):
    spec = RunSpec.of("xor", "recurrent", T=24, epochs=2, iterations=20, batch_size=100, test_samples=200)
    here, there = train(spec), train(spec, device="cuda")
    assert there.provenance["device"] == "cuda" and there.provenance["backend"] == "cuda"
    assert there.history["train_loss"][0] == pytest.approx(here.history["train_loss"][0], rel=0.02)
