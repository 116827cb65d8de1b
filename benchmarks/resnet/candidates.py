"""The networks that are compared: one function, computed by this package and by SpikingJelly's ``spiking_resnet``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any
from unittest import mock

import torch
import torch.hub
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from lifroles.resnet import Block, SpikingResNet
from lifroles.tdbn import SHORTCUT, Convolution
from lifroles.variant import NORMAL_LEAK, Variant

OURS = "lifroles"
U_TH, WIDTH, T = 0.3, 0.25, 4
"""Table 5's threshold and surrogate, and the benchmark's time steps."""


def _model() -> Any:
    """Return SpikingJelly's module of spiking ResNets.

    It takes its downloader of weights, which is not used here, out of torchvision. A torchvision that is not of the
    same build as torch cannot be imported: torch's own downloader, which is the same, stands in.
    """
    vision, utils = ModuleType("torchvision"), ModuleType("torchvision._internally_replaced_utils")
    utils.__dict__["load_state_dict_from_url"] = torch.hub.load_state_dict_from_url
    with mock.patch.dict(sys.modules, {vision.__name__: vision, utils.__name__: utils}):
        return importlib.import_module("spikingjelly.activation_based.model.spiking_resnet")


spiking_resnet = _model()


@dataclass(frozen=True, slots=True)
class Size:
    """What a network is measured on.

    Arguments:
        batch: images.
        channels: factor of the published width.
    """

    batch: int
    channels: float


class _Narrow(spiking_resnet.SpikingResNet):
    """SpikingJelly's network with a factor of its channels, which it has not."""

    def __init__(self, channels: float, **options: Any) -> None:
        self.channels = channels
        super().__init__(spiking_resnet.BasicBlock, [2, 2, 2, 2], **options)

    def _make_layer(self, block: Any, planes: int, *rest: Any, **options: Any) -> Any:
        if not hasattr(self, "layer1"):
            self.inplanes = round(self.inplanes * self.channels)
        return super()._make_layer(block, round(planes * self.channels), *rest, **options)


def ours(size: Size) -> SpikingResNet:
    """Return this package's network, drawn from torch's global generator."""
    return SpikingResNet(Variant(leak=NORMAL_LEAK), u_th=U_TH, width=WIDTH, scale=size.channels)


def theirs(source: SpikingResNet, size: Size) -> nn.Module:
    """Return SpikingJelly's network with the weights of ours, a stem for small images, and neurons as class layer.

    Its normalisation is SpikingJelly's own tdBN, its neuron ``LIFNode`` with the same leak and surrogate.
    """
    lif = {
        "tau": 1 / (1 - NORMAL_LEAK), "decay_input": False, "v_threshold": U_TH, "v_reset": 0.0,
        "surrogate_function": surrogate.Rect(alpha=1 / (2 * WIDTH)), "detach_reset": False,
    }  # fmt: skip
    norm = partial(layer.ThresholdDependentBatchNorm2d, 1.0, U_TH)
    made: Any = _Narrow(size.channels, num_classes=10, norm_layer=norm, spiking_neuron=neuron.LIFNode, **lif)
    stem, last = source.stem.conv.out_channels, source.linears[0]
    assert isinstance(last, nn.Linear)
    made.conv1, made.bn1 = layer.Conv2d(3, stem, 3, padding=1, bias=False), norm(stem)
    made.maxpool = nn.Identity()
    made.fc = nn.Sequential(layer.Linear(last.in_features, 10), neuron.LIFNode(**lif))
    functional.set_step_mode(made, "m")
    _take(made.conv1, made.bn1, source.stem)
    blocks = [block for stage in (made.layer1, made.layer2, made.layer3, made.layer4) for block in stage]
    for block, own in zip(blocks, source.blocks, strict=True):
        assert isinstance(own, Block)
        first, second = own.convolutions
        _take(block.conv1, block.bn1, first)
        _take(block.conv2, block.bn2, second, SHORTCUT)
        if own.shortcut is not None:
            _take(block.downsample[0], block.downsample[1], own.shortcut, SHORTCUT)
    made.fc[0].load_state_dict(last.state_dict())
    return made


def _take(conv: Any, norm: Any, own: Any, alpha: float = 1.0) -> None:
    assert isinstance(own, Convolution)
    with torch.no_grad():
        conv.weight.copy_(own.conv.weight)
        norm.weight.fill_(alpha * U_TH)


class Candidate:
    """A network with its optimiser, and what is timed.

    Arguments:
        network: ours or theirs.
        output: what it returns for images ``[B, 3, 32, 32]``: rates ``[B, 10]``.
        inference: the network that is used for evaluation, where it is another one; made from the trained one.
    """

    def __init__(
        self,
        network: nn.Module,
        output: Callable[[nn.Module, Tensor], Tensor],
        inference: Callable[[], nn.Module] | None = None,
    ) -> None:
        self.network = network
        self.output = output
        self.inference = inference or network.eval
        self.optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Take a training step and return the loss."""
        loss = nn.functional.cross_entropy(self.output(self.network, images), labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def evaluator(self) -> Callable[[Tensor], Tensor]:
        """Return what gives the rates of images in evaluation."""
        network = self.inference()

        @torch.no_grad()
        def evaluate(images: Tensor) -> Tensor:
            return self.output(network, images)

        return evaluate


def _our_output(network: nn.Module, images: Tensor) -> Tensor:
    return network(images.expand(T, *images.shape)).output


def _their_output(network: nn.Module, images: Tensor) -> Tensor:
    functional.reset_net(network)
    return network(images.expand(T, *images.shape)).mean(0)


def make(name: str, size: Size, seed: int = 0) -> Candidate:
    """Return a candidate by name; all of one seed have the same weights."""
    torch.manual_seed(seed)
    own = ours(size)
    if name == OURS:
        return Candidate(own, _our_output, own.folded)
    network = theirs(own, size)
    if name == "SpikingJelly, channels last":
        network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return Candidate(network, _their_output)


CANDIDATES = (OURS, "SpikingJelly", "SpikingJelly, channels last")
