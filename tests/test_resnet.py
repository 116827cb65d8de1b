"""The residual network and its threshold-dependent normalisation against their definitions."""

import copy
import math
from typing import Any

import cuda_shim
import pytest
import torch
from spikingjelly.activation_based import functional
from torch import nn
from torch.nn import functional as F

from lifroles import backends
from lifroles.backends import reference
from lifroles.errors import SpecError
from lifroles.resnet import DEPTHS, SpatialLIF, SpikingResNet
from lifroles.spec import RunSpec
from lifroles.tdbn import SHORTCUT, Convolution, TdBatchNorm
from lifroles.variant import Variant

LIF = Variant(leak=0.3, reset="hard", recurrent=False)


def resnet(variant: Variant = LIF, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return SpikingResNet(variant, **{"u_th": 0.3, "width": 0.25, "scale": 1 / 8, **options})


def images(steps: int = 3, batch: int = 2, side: int = 16) -> torch.Tensor:
    return torch.randn(steps, batch, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_tdbn_by_hand():
    norm = TdBatchNorm(1, scale=0.3, eps=1e-12)
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(0.1)
    x = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(4, 1, 1, 1)  # mean 4, variance 5
    expected = 0.1 + 2 * 0.3 * (x - 4) / math.sqrt(5)
    torch.testing.assert_close(norm(x), expected)
    # a tenth of the way from mean 0 and variance 1 to the batch's, the variance with Bessel's correction (20 / 3)
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.4]))
    torch.testing.assert_close(norm.running_var, torch.tensor([0.9 + 0.1 * 20 / 3]))
    norm.eval()
    torch.testing.assert_close(norm(x), 0.1 + 2 * 0.3 * (x - 0.4) / math.sqrt(0.9 + 2 / 3))


@pytest.mark.parametrize(("norm", "deviation"), [("tdbn", 0.3 * SHORTCUT), ("bn", 1.0)])
def test_what_a_normalisation_scales_to(norm, deviation):
    layer = Convolution(3, 8, 3, 1, norm, 0.3 * SHORTCUT)
    out = layer(5 + 7 * torch.randn(40, 3, 9, 9)).detach()
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std((0, 2, 3), unbiased=False), torch.full((8,), deviation), rtol=1e-4, atol=0)


def test_branches_that_are_added_share_the_variance_between_them():
    network = resnet()
    for i, block in enumerate(network.blocks):
        scales = [c.norm.scale for c in block.convolutions]
        assert scales == pytest.approx([0.3, 0.3 * SHORTCUT])
        # the first block keeps channels and edge, so that its shortcut is the spikes themselves
        assert (block.shortcut is None) == (i % 2 == 1 or i == 0)
        if block.shortcut is not None:
            assert block.shortcut.norm.scale == pytest.approx(0.3 * SHORTCUT)


class Plain(nn.Module):
    """The same network in the plainest torch: one step after the other, no time folded into the batch."""

    def __init__(self, network: SpikingResNet) -> None:
        super().__init__()
        self.network: Any = copy.deepcopy(network)
        self.memory: dict[nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}

    def _lif(self, node: Any, x: torch.Tensor) -> torch.Tensor:
        variant = node.variant
        u, o = self.memory.get(node, (torch.zeros_like(x), torch.zeros_like(x)))
        kept = u * (1 - o) if variant.reset == "hard" else u - node.v_threshold * o if variant.reset == "soft" else u
        u = variant.leak * kept + x
        o = (u >= node.v_threshold).to(x)
        self.memory[node] = (u, o)
        return o

    def step(self, x: torch.Tensor) -> torch.Tensor:
        n: Any = self.network
        x = self._lif(n.stem_node.node, n.stem(x))
        for block in n.blocks:
            h = x
            shortcut = x if block.shortcut is None else block.shortcut(x)
            for i, (convolution, node) in enumerate(zip(block.convolutions, block.nodes, strict=True)):
                h = convolution(h)
                h = self._lif(node.node, h + shortcut if i == len(block.nodes) - 1 else h)
            x = h
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        for linear, node in zip(n.linears, n.nodes, strict=True):
            x = self._lif(node, linear(x))
        return x


@pytest.mark.parametrize("variant", [LIF, Variant(leak=1.0), Variant(leak=0.0), Variant(leak=0.3, reset="none")])
@pytest.mark.parametrize("depth", [18, 19, 50])
def test_a_network_does_what_its_steps_do_one_by_one(variant, depth):
    network = resnet(variant, depth=depth, u_th=0.1).double()
    x = images().double()
    with torch.no_grad():
        for _ in range(30):
            network(x)  # the running statistics come near the input's own
        network.eval()
        found = network(x)
        plain = Plain(network)
        expected = torch.stack([plain.step(frame) for frame in x]).mean(0)
    torch.testing.assert_close(found.output, expected)
    assert 0 < found.spikes["block1.2"].mean() < 1
    if depth == 18:
        assert found.spikes["output"].sum() > 0


def test_a_constant_image_is_the_same_image_at_every_step():
    network = resnet(u_th=0.1).double().eval()
    frame = images(1).double()
    with torch.no_grad():
        once = network(frame.expand(4, -1, -1, -1, -1))
        four = network(frame.repeat(4, 1, 1, 1, 1))
    for name, spikes in once.spikes.items():
        assert torch.equal(spikes, four.spikes[name]), name


def test_flat_images_are_channels_rows_and_columns():
    network = resnet(u_th=0.1).eval()
    x = images()
    with torch.no_grad():
        assert torch.equal(network(x.flatten(2)).output, network(x).output)


@pytest.mark.parametrize("norm", ["tdbn", "bn"])
@pytest.mark.parametrize("depth", [18, 50])
def test_folding_gives_the_same_numbers_without_normalisation(norm, depth):
    network = resnet(norm=norm, depth=depth, u_th=0.1).double()
    x = images().double()
    with torch.no_grad():
        for _ in range(5):
            network(x)
        for module in network.modules():
            if isinstance(module, TdBatchNorm):  # trained ones have factors and shifts of their own
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.1, 0.1)
        folded = network.folded()
        network.eval()
        assert not any(isinstance(module, TdBatchNorm) for module in folded.modules())
        assert any(isinstance(module, TdBatchNorm) for module in network.modules())
        currents, others = network.stem(x[0]), folded.stem(x[0])
        torch.testing.assert_close(currents, others, atol=1e-12, rtol=1e-12)
        assert torch.equal(network(x).output, folded(x).output)
        found, expected = folded(x).spikes, network(x).spikes
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("depth", "convolutions", "layers", "million"), [(18, 20, 17, 11.17), (34, 36, 33, 21.28), (50, 53, 49, 23.52)]
)
def test_depths_count_the_weighted_layers(depth, convolutions, layers, million):
    network = resnet(depth=depth, scale=1.0)
    found = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(found) == convolutions  # the shortcuts' own among them
    assert len(network.layer_names()) == layers + 1  # and the class layer
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(million, abs=0.01)


def test_the_wide_network_of_zheng_et_al_has_19_layers_with_weights():
    network = resnet(depth=19, scale=1.0)
    assert [block.channels for block in network.blocks] == [128] * 3 + [256] * 3 + [512] * 2
    assert [linear.out_features for linear in network.linears] == [256, 10]
    assert network.layer_names()[-2:] == ["head", "output"]
    assert len(network.layer_names()) == 19


def test_neurons_of_a_picture_are_those_of_the_variant():
    torch.manual_seed(0)
    layer = SpatialLIF(4, Variant(leak="learnable", reset="none"), 0.3, 0.25, "auto")
    x = torch.randn(6, 4, 5, 5, requires_grad=True)
    out = layer(x.contiguous(memory_format=torch.channels_last), steps=3)
    functional.reset_net(layer)
    rows = x.view(3, 2, 4, 25).transpose(2, 3).reshape(3, 50, 4)
    expected = layer.node(rows).view(3, 2, 25, 4).transpose(2, 3).reshape(6, 4, 5, 5)
    assert torch.equal(out, expected)
    assert set(resnet(Variant(leak="learnable")).learned_leaks()) == set(resnet().layer_names())
    assert resnet().learned_leaks() == {}


def test_gradients_reach_every_weight():
    network = resnet(u_th=0.1)
    network(images()).output.square().sum().backward()
    # the class layer's bias alone would not do
    assert all(p.grad is not None for p in network.parameters())
    assert network.stem.conv.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 20}, "depth is 20: give one of 18, 19, 34, 50"),
        ({"norm": "layer"}, "norm is 'layer'"),
        ({"precision": "float16"}, "precision is .float16.: give one of float32, bfloat16"),
        ({"scale": 0.1}, "scale is 0.1: give 0.125 or more"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"variant": Variant(recurrent=True)}, "no recurrent variant"),
    ],
)
def test_networks_that_cannot_be_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        resnet(**options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 2, 1, 16, 16), "give colour images"),
        ((2, 3, 16, 16), "give colour images"),
        ((3, 2, 100), "give colour images"),
        ((0, 2, 3, 16, 16), "T >= 1"),
        ((3, 2, 3, 4, 4), "needs 8 an edge"),
    ],
)
def test_input_that_is_no_sequence_of_colour_images_is_refused(shape, message):
    with pytest.raises(SpecError, match=message):
        resnet()(torch.zeros(shape))


def test_all_designs_have_as_many_stages_as_blocks():
    assert all(len(design.channels) == len(design.blocks) for design in DEPTHS.values())


@pytest.mark.parametrize("steps", [2, 4, 6])
def test_any_number_of_steps(steps):
    network = resnet(u_th=0.1).eval()
    with torch.no_grad():
        activity = network(images(1).expand(steps, -1, -1, -1, -1))
    assert all(spikes.shape[:2] == (steps, 2) for spikes in activity.spikes.values())
    # a class neuron fires in a whole number of steps
    assert torch.equal(activity.output * steps, (activity.output * steps).round())


def test_bfloat16_is_for_the_products_of_convolutions_alone():
    coarse, fine = (Convolution(8, 8, 3, 1, "tdbn", 0.3, precision) for precision in ("bfloat16", "float32"))
    coarse.load_state_dict(fine.state_dict())
    x = torch.rand(4, 8, 6, 6, generator=torch.Generator().manual_seed(0)).round()
    out, expected = coarse(x), fine(x)
    assert out.dtype == torch.float32 and not torch.equal(out, expected)
    torch.testing.assert_close(out, expected, atol=0.02, rtol=0)
    network = resnet(precision="bfloat16")
    activity = network(images())
    activity.output.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in network.parameters())
    # the neurons are outside of autocast, where the compiled kernels run
    assert network.stem_node.node.backend == resnet().stem_node.node.backend


def test_a_residual_network_learns_the_same_on_the_cuda_backend(require, monkeypatch):
    shim: Any = cuda_shim.backend(require)
    results = []
    for kernels in (reference, shim):
        monkeypatch.setattr(backends, "select", lambda name, kernels=kernels: (name, kernels))
        network = resnet(u_th=0.1).double()
        network(images(2, 2, 8).double()).output.square().sum().backward()
        results.append({key: parameter.grad for key, parameter in network.named_parameters()})
    assert {kernel for kernel, _, _ in shim._launch.launched} == {"forward", "backward"}
    for key, gradient in results[0].items():
        torch.testing.assert_close(results[1][key], gradient, atol=1e-10, rtol=1e-8, msg=key)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"T": 0}, "protocol.T is 0|T is 0"),
        ({"network": "resnet20"}, "network is 'resnet20'"),
        ({"precision": "float16"}, "precision is 'float16'"),
    ],
)
def test_protocols_that_cannot_be_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        RunSpec.of("cifar10", "baseline", **changes)


def test_the_precision_is_part_of_a_runs_name_only_where_it_was_chosen():
    plain, chosen = RunSpec.of("cifar10", "baseline"), RunSpec.of("cifar10", "baseline", precision="bfloat16")
    assert "precision" not in plain.protocol.model_dump() and chosen.changes() == {"precision": "bfloat16"}
    assert plain.digest != chosen.digest
    for spec in (plain, chosen):
        assert RunSpec.model_validate_json(spec.model_dump_json()) == spec
    assert chosen.network().stem.precision == "bfloat16"  # pyright: ignore[reportAttributeAccessIssue]
