"""VariantLIF as a SpikingJelly node: state, step modes, monitors, agreement where SpikingJelly has the neuron."""

import copy
import itertools
import pickle

import pytest
import torch
from spikingjelly.activation_based import functional, monitor, neuron, surrogate

from lifroles.errors import SpecError
from lifroles.networks import SpikingMLP
from lifroles.neuron import VariantLIF
from lifroles.variant import Variant

EVERY = [
    Variant(*parts)
    for parts in itertools.product((0.0, 0.3, 1.0, "learnable"), ("hard", "none", "soft"), (False, True))
]


def currents(steps=12, batch=3, features=5, seed=0):
    return torch.rand(steps, batch, features, generator=torch.Generator().manual_seed(seed)) * 0.4


@pytest.mark.parametrize("variant", EVERY, ids=lambda v: v.describe())
def test_single_steps_equal_one_multi_step_call(variant):
    torch.manual_seed(1)
    node = VariantLIF(5, variant, store_v_seq=True)
    x = currents()
    spikes = node(x)
    potentials = node.v_seq.clone()
    assert 0 < spikes.mean() < 1
    functional.reset_net(node)
    node.step_mode = "s"
    stepped = torch.stack([node(x_t) for x_t in x])
    assert torch.equal(stepped, spikes)
    # Over all steps at once, recurrent currents are summed in another order.
    torch.testing.assert_close(node.v_seq, potentials, rtol=0, atol=1e-6 if variant.recurrent else 0)


def test_state_carries_over_until_the_net_is_reset():
    node = VariantLIF(5, Variant(leak=1.0, recurrent=True))
    x = currents()
    whole = node(x)
    assert not torch.equal(node(x), whole)
    functional.reset_net(node)
    assert (node.v, node.o, node.v_seq) == (0.0, 0.0, None)
    halves = torch.cat([node(x[:7]), node(x[7:])])
    assert torch.equal(halves, whole)


def test_a_smaller_last_batch_starts_from_rest():
    node = VariantLIF(5, Variant())
    node(currents(batch=4))
    small = currents(batch=2, seed=3)
    after = node(small)
    functional.reset_net(node)
    assert torch.equal(after, node(small))


def test_monitors_see_spikes_and_potentials():
    net = torch.nn.Sequential(VariantLIF(5, Variant(), store_v_seq=True))
    spikes = monitor.OutputMonitor(net, VariantLIF)
    potentials = monitor.AttributeMonitor("v_seq", False, net, VariantLIF)
    out = net(currents())
    assert torch.equal(spikes.records[0], out)
    assert torch.equal((potentials.records[0] >= 0.3).float(), out)


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("tau", [2.0, 4.0])
def test_agrees_with_spikingjellys_lif_where_that_has_the_neuron(reset, tau):
    """LIFNode without input decay: v = (1 - 1/tau)·v + x, reset after the spike: the same spikes, the same gradient."""
    torch.manual_seed(0)
    x = currents(steps=40).double()
    width = 0.25
    ours = VariantLIF(5, Variant(leak=1 - 1 / tau, reset=reset), u_th=0.3, width=width)
    theirs = neuron.LIFNode(
        tau=tau,
        decay_input=False,
        v_threshold=0.3,
        v_reset=0.0 if reset == "hard" else None,
        surrogate_function=surrogate.Rect(alpha=1 / (2 * width)),
        step_mode="m",
    )
    weight = torch.randn(x.shape, dtype=x.dtype)
    results = []
    for node in (ours, theirs):
        leaf = x.clone().requires_grad_()
        out = node(leaf)
        (out * weight).sum().backward()
        results.append((out.detach(), leaf.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert results[0][0].mean() > 0.05
    torch.testing.assert_close(results[0][1], results[1][1])


def test_the_learnable_leak_is_one_sigmoid_a_neuron_within_its_initial_range():
    torch.manual_seed(0)
    node = VariantLIF(1000, Variant(leak="learnable"))
    shapes = {name: tuple(p.shape) for name, p in node.named_parameters()}
    assert shapes == {"leak.w": (1000,)}
    k = node.k_tau
    assert isinstance(k, torch.Tensor)
    assert 0.5 <= k.min() < 0.51 and 0.97 < k.max() <= torch.sigmoid(torch.tensor(4.0))


def test_recurrence_is_one_bias_free_square_weight():
    node = VariantLIF(7, Variant(recurrent=True))
    assert {name: tuple(p.shape) for name, p in node.named_parameters()} == {"recurrent_weight": (7, 7)}


@pytest.mark.parametrize("shape", [(0, 3, 5), (4, 0, 5), (1, 1, 5)])
def test_empty_and_single_inputs_keep_their_shape(shape):
    node = VariantLIF(5, Variant(recurrent=True), store_v_seq=True)
    assert node(torch.rand(shape)).shape == shape
    assert node.v_seq.shape == shape


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"features": 0}, "features is 0"),
        ({"u_th": 0.0}, "u_th is 0.0"),
        ({"width": float("nan")}, "width is nan"),
        ({"backend": "gpu"}, "backend is 'gpu'"),
    ],
)
def test_an_impossible_node_is_refused_by_name(arguments, names):
    with pytest.raises(SpecError, match=names):
        VariantLIF(**{"features": 3, "variant": Variant(), **arguments})


def test_an_input_of_the_wrong_shape_is_refused_by_name():
    node = VariantLIF(5, Variant())
    with pytest.raises(SpecError, match=r"input has shape \[4, 3, 6\]: give \[T, B, features\] with features = 5"):
        node(torch.zeros(4, 3, 6))
    with pytest.raises(SpecError, match=r"input has shape \[3, 5\]"):
        node(torch.zeros(3, 5))


@pytest.mark.parametrize("remake", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_network_can_be_copied_and_pickled(remake):
    network = SpikingMLP((5, 4, 2), Variant(recurrent=True), u_th=0.3, width=0.25, readout="integrator")
    x = torch.rand(6, 3, 5)
    expected = network(x).output
    functional.reset_net(network)
    twin = remake(network)
    assert torch.equal(twin(x).output, expected)
    assert [node.backend for node in twin.nodes] == [node.backend for node in network.nodes]
