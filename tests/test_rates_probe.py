"""Spike rates of every neuron and synaptic operations, against what can be counted by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from lifroles.benchmarks import Batch
from lifroles.networks import SpikingMLP
from lifroles.probes import rates
from lifroles.sparse import SparseSequence
from lifroles.spec import RunSpec
from lifroles.variant import Variant


def network(variant, sizes=(2, 2, 1), readout: Any = "rate"):
    """Return a network whose weights are 1, without biases."""
    made: Any = SpikingMLP(sizes, variant, u_th=0.5, width=0.5, readout=readout, bias=False)
    for linear in made.linears:
        torch.nn.init.ones_(linear.weight)
    for node in made.nodes:
        if getattr(node, "recurrent_weight", None) is not None:
            torch.nn.init.zeros_(node.recurrent_weight)
            node.recurrent_weight.data[0, 1] = 1.0
    return made.eval()


@pytest.fixture
def asked(monkeypatch):
    """Return what measures a network of 2-2-1 neurons on the inputs ``[T, B, 2]`` of some batches."""

    def ask(made, *inputs):
        class Data:
            def test_batches(self):
                for x in inputs:
                    yield Batch(x, torch.zeros(x.shape[1], dtype=torch.long), torch.zeros(x.shape[1]))

        class Task:
            def sizes(self, protocol):
                return (2, 2, 1)

            def load(self, protocol, source):
                return Data()

        with monkeypatch.context() as patched:
            spec = RunSpec.of("mnist", "baseline", 0, "mnist-5k")
            patched.setattr(RunSpec, "task", property(lambda self: Task()))
            return rates.measure(spec, made, rates.RatesParameters())

    return ask


def spikes(*steps):
    """Return one sample ``[T, 1, 2]``."""
    return torch.tensor(steps, dtype=torch.float32)[:, None]


def test_rates_and_accumulates_by_hand(asked):
    # k_tau = 0: a neuron fires in exactly the steps in which a channel does: 2 of 4 in one sample, 1 in the other.
    made = network(Variant(leak=0.0))
    first, second = spikes((1, 1), (0, 0), (0, 1), (0, 0)), spikes((0, 0), (1, 0), (0, 0), (0, 0))
    found = asked(made, torch.cat([first, second], dim=1))
    n = found.numbers
    assert n["samples", "test"] == 2
    assert n["steps", "test"] == 4
    assert n["rate", "hidden1"] == 3 / 8
    assert found.arrays["rate_hidden1"].tolist() == [3 / 8, 3 / 8]
    # 3 + 1 input spikes, each to 2 neurons; 2 · 3 hidden spikes, each to 1 neuron; of 2 samples.
    assert n["accumulates", "hidden1"] == 4
    assert n["accumulates", "output"] == 3
    assert n["multiplies", "hidden1"] == 0
    assert (n["dense", "hidden1"], n["dense", "output"]) == (4 * 4, 4 * 2)


def test_batches_and_sparse_input_add_up_to_the_same(asked):
    made = network(Variant(leak=0.0))
    first, second = spikes((1, 1), (0, 0), (0, 1), (0, 0)), spikes((0, 0), (1, 0), (0, 0), (0, 0))
    whole = asked(made, torch.cat([first, second], dim=1))
    parts = asked(made, SparseSequence.from_dense(first), SparseSequence.from_dense(second))
    assert parts.numbers == whole.numbers
    assert np.array_equal(parts.arrays["rate_hidden1"], whole.arrays["rate_hidden1"])


def test_weights_of_zero_cost_nothing_and_silent_neurons_are_counted(asked):
    made = network(Variant(leak=0.0))
    made.linears[0].weight.data[1] = 0.0
    n = asked(made, spikes((1, 1), (0, 1))).numbers
    assert n["accumulates", "hidden1"] == 3
    assert n["silent", "hidden1"] == 0.5
    assert n["accumulates", "output"] == 2


def test_recurrent_spikes_of_the_last_step_return_to_nobody(asked):
    # The one recurrent weight that is not zero leads from neuron 1, which fires in both steps.
    n = asked(network(Variant(leak=0.0, recurrent=True)), spikes((1, 0), (1, 0))).numbers
    assert n["recurrent", "hidden1"] == 1
    assert n["dense", "hidden1"] == 2 * 4 + 1 * 4
    assert ("recurrent", "hidden1") not in asked(network(Variant(leak=0.0)), spikes((1, 0), (1, 0))).numbers


def test_an_image_that_is_repeated_costs_multiplications_at_every_step(asked):
    image = torch.tensor([[0.6, 0.0]]).expand(3, -1, -1)
    n = asked(network(Variant(leak=0.0)), image).numbers
    assert n["multiplies", "hidden1"] == 3 * 2
    assert n["accumulates", "hidden1"] == 0
    assert n["accumulates", "output"] == 3 * 2


def test_a_readout_that_never_fires_has_no_rate(asked):
    n = asked(network(Variant(leak=0.0), readout="integrator"), spikes((1, 1), (0, 0))).numbers
    assert ("rate", "output") not in n
    assert n["accumulates", "output"] == 2


def test_networks_without_spikes_and_convolutions_are_not_covered():
    assert not rates.PROBE.covers(RunSpec.of("nmnist", "lstm"))
    assert rates.PROBE.covers(RunSpec.of("shd", "recurrent"))
    assert not rates.PROBE.covers(RunSpec.of("cifar10", "baseline"))
    assert rates.PROBE.covers(RunSpec.of("cifar10", "baseline", network="mlp"))
