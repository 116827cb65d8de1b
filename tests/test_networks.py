"""Networks share one variant, start from rest, and pair their weights between variants."""

from typing import Any

import pytest
import torch

from lifroles import benchmarks
from lifroles.networks import Readout, SpikingMLP
from lifroles.sparse import SparseSequence
from lifroles.variant import PAPER_VARIANTS, Variant

BASELINE = Variant()


def build(variant: Variant = BASELINE, readout: Readout = "rate", seed: int = 0, **options: Any) -> SpikingMLP:
    torch.manual_seed(seed)
    return SpikingMLP((6, 8, 7, 3), variant, u_th=0.3, width=0.25, readout=readout, **options)


def test_one_seed_gives_every_variant_the_same_feed_forward_weights():
    reference = build()
    for variant in (*PAPER_VARIANTS.values(), Variant(leak="learnable")):
        ours, theirs = build(variant).linears.state_dict(), reference.linears.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_recurrence_is_in_hidden_layers_only_and_leak_in_all():
    net = build(Variant(leak="learnable", recurrent=True))
    names = {name for name, _ in net.named_parameters() if not name.startswith("linears")}
    assert names == {f"nodes.{i}.leak.w" for i in range(3)} | {f"nodes.{i}.recurrent_weight" for i in range(2)}
    leaks = net.learned_leaks()
    assert {layer: len(values) for layer, values in leaks.items()} == {"hidden1": 8, "hidden2": 7, "output": 3}


def test_the_rate_readout_is_the_mean_of_the_class_layers_spikes():
    activity = build()(torch.rand(9, 4, 6) * 3)
    assert activity.output.shape == (4, 3)
    assert torch.equal(activity.output, activity.spikes["output"].mean(0))
    assert activity.rates().keys() == {"hidden1", "hidden2", "output"}
    assert activity.rates()["hidden1"] == pytest.approx(float(activity.spikes["hidden1"].detach().mean()))


def test_the_integrator_readout_leaks_with_the_variant_and_never_fires():
    net = build(Variant(leak=0.5), readout="integrator")
    activity = net(torch.rand(9, 4, 6) * 3)
    assert activity.output.shape == (9, 4, 3) and set(activity.spikes) == {"hidden1", "hidden2"}
    current = net.linears[-1](activity.spikes["hidden2"])
    by_hand = current[0]
    for t in range(1, 9):
        by_hand = 0.5 * by_hand + current[t]
    torch.testing.assert_close(activity.output[-1], by_hand)
    assert build(Variant(leak=0.5), "integrator", readout_leak="learnable").learned_leaks().keys() == {"output"}


def test_every_call_starts_from_rest():
    net = build(Variant(leak=1.0))
    x = torch.rand(5, 2, 6)
    assert torch.equal(net(x).output, net(x).output)


def test_a_constant_input_gives_the_same_numbers_whether_repeated_or_written_out():
    image = torch.rand(4, 6, dtype=torch.float64) * 3
    results = []
    for x in (image.expand(10, -1, -1), image.repeat(10, 1, 1)):
        net = build().double()
        activity = net(x)
        activity.output.square().sum().backward()
        results.append((activity.output, net.linears[0].weight.grad))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize(("name", "sizes"), [("xor", [20, 16, 2]), ("mnist", [784, 512, 10])])
def test_the_benchmarks_networks_have_their_sizes(name, sizes):
    task = benchmarks.get(name)
    net = task.network(task.protocol(), Variant(), "auto")
    assert [net.linears[0].in_features, *(layer.out_features for layer in net.linears)] == sizes


@pytest.mark.parametrize("sizes", [(30, 12, 4), (30, 12, 9, 4), (30, 70, 100), (30, 4)], ids=str)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_network_on_events_gives_the_numbers_of_the_dense_one(sizes, backend):
    torch.manual_seed(1)
    net = SpikingMLP(sizes, Variant(), u_th=0.3, width=0.25, readout="integrator", backend=backend)
    s = (torch.rand(6, 5, 30) < 0.1).float()
    found = []
    for x in (s, SparseSequence.from_dense(s)):
        net.zero_grad()
        activity = net(x)
        activity.output.square().sum().backward()
        found.append((activity, [parameter.grad for parameter in net.parameters()]))
    (dense, slopes), (sparse, others) = found
    assert list(dense.spikes) == list(sparse.spikes) == net.layer_names()[:-1]
    assert repr(sparse.spikes) == f"Spikes({', '.join(net.layer_names()[:-1])})"
    for name, spikes in dense.spikes.items():
        assert torch.equal(spikes, sparse.spikes[name])
    torch.testing.assert_close(sparse.output, dense.output)
    torch.testing.assert_close(others, slopes)
