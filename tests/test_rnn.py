"""The recurrent networks without spikes: torch's own equations, whatever the form of the input."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lifroles.baselines import BASELINE_LABELS, BASELINES, Baseline
from lifroles.errors import SpecError
from lifroles.rnn import RecurrentNetwork
from lifroles.sparse import SparseSequence
from lifroles.spec import RunSpec
from lifroles.trainer import Trainer

SMALL: dict[str, Any] = {"train_samples": 50, "test_samples": 20, "hidden": 16, "T": 4, "batch_size": 25}


def spikes(steps=6, batch=5, channels=40):
    return (torch.rand(steps, batch, channels, generator=torch.Generator().manual_seed(1)) < 0.1).double()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", BASELINES)
def test_events_and_frames_give_torchs_own_outputs_and_gradients(name, bias):
    torch.manual_seed(0)
    network = RecurrentNetwork((40, 12, 3), BASELINES[name], bias=bias).double()
    found = []
    for x in (spikes(), SparseSequence.from_dense(spikes())):
        network.zero_grad()
        activity = network(x)
        activity.output.square().sum().backward()
        found.append((activity.output.detach(), *(p.grad for p in network.parameters())))
    for dense, sparse in zip(*found, strict=True):
        torch.testing.assert_close(sparse, dense)
    assert activity.spikes == {}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_class_is_read_at_the_last_step_or_as_a_mean_over_time(cell):
    torch.manual_seed(0)
    last, mean = (RecurrentNetwork((40, 12, 3), BASELINES[name]).double() for name in (cell, f"{cell}_mean"))
    mean.load_state_dict(last.state_dict())
    outputs = F.linear(last.cell(spikes())[0], last.classifier.weight, last.classifier.bias)
    torch.testing.assert_close(last(spikes()).output, outputs[-1])
    torch.testing.assert_close(mean(spikes()).output, outputs.mean(0))


def test_a_baseline_is_named_by_its_row_in_table_7():
    assert list(BASELINES) == ["lstm", "gru", "rnn", "lstm_mean", "gru_mean", "rnn_mean"] == list(BASELINE_LABELS)
    spec = RunSpec.of("nmnist", "gru_mean")
    assert spec.variant == Baseline("gru", "mean")
    assert spec.variant_name == "gru_mean"
    assert RunSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert len({RunSpec.of("nmnist", name).digest for name in (*BASELINES, "baseline")}) == 7


def test_a_baseline_that_cannot_be_is_refused_in_one_sentence():
    with pytest.raises(SpecError, match=r"cell is 'lstn': give one of lstm, gru, rnn\.$"):
        Baseline("lstn")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SpecError, match=r"variant is 'lstm': give one of baseline"):
        RunSpec.of("mnist", "lstm")
    with pytest.raises(SpecError, match=r"mnist: lstm is not compared on this benchmark\.$"):
        RunSpec.of("mnist", Baseline("lstm"))
    with pytest.raises(SpecError, match=r"one of .*no_reset.*, lstm"):
        RunSpec.of("nmnist", "lstn")


@pytest.mark.parametrize("name", ["lstm", "gru_mean"])
def test_a_baseline_learns(name):
    trainer = Trainer(RunSpec.of("nmnist", name, lr=1e-2, epochs=4, **SMALL))
    losses = [trainer.run_epoch()["train_loss"] for _ in range(4)]
    assert losses[-1] < losses[0]
    assert trainer.final()["learned_leaks"] == {}
    assert trainer.final()["spike_rate"] == {}
