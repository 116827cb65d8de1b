"""Residual networks of LIF neurons with threshold-dependent batch normalisation (Zheng et al., AAAI 2021).

Table 4's network for CIFAR10 is a ``ResNet18_LIF`` that the paper does not describe further. The blocks are those of
STBP-tdBN: convolution, tdBN, LIF, convolution, tdBN, the shortcut added, LIF; the stem is a 3 × 3 convolution of stride
1, and a class layer of LIF neurons is read by its spike rates.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from lifroles.errors import SpecError
from lifroles.networks import Activity
from lifroles.neuron import VariantLIF
from lifroles.tdbn import SHORTCUT, Convolution, Norm, Precision
from lifroles.variant import Variant


@dataclass(frozen=True, slots=True)
class Design:
    """What a depth means: channels and blocks of each stage, and what a block is made of.

    Arguments:
        channels: output channels of each stage at full width, before a bottleneck's expansion; stages after the first
            halve the picture's edge.
        blocks: blocks of each stage.
        bottleneck: blocks of three convolutions (1 × 1, 3 × 3, 1 × 1 with four times the channels), not two.
        head: neurons of a fully connected LIF layer before the class layer; 0: none.
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    bottleneck: bool = False
    head: int = 0


DEPTHS: Mapping[int, Design] = MappingProxyType(
    {
        18: Design((64, 128, 256, 512), (2, 2, 2, 2)),
        19: Design((128, 256, 512), (3, 3, 2), head=256),
        34: Design((64, 128, 256, 512), (3, 4, 6, 3)),
        50: Design((64, 128, 256, 512), (3, 4, 6, 3), bottleneck=True),
    }
)
"""18, 34 and 50 are He et al.'s; 19 is the wide network of Zheng et al. (2021)."""

STEM = 64

FEWEST = 8
"""Channels below which torch 2.13 corrupts memory: oneDNN's gradient of a 1 × 1 convolution of stride 2 on four
channels, laid out channels last, writes beyond its end (seen with AVX2)."""


class SpatialLIF(nn.Module):
    """LIF neurons over pictures, one a channel and pixel; a learnable leak is a channel's.

    Arguments:
        channels: C.
        variant, u_th, width, backend: see :class:`~lifroles.neuron.VariantLIF`.
    """

    def __init__(self, channels: int, variant: Variant, u_th: float, width: float, backend: str) -> None:
        super().__init__()
        self.node = VariantLIF(channels, variant, u_th=u_th, width=width, backend=backend)

    def forward(self, x: Tensor, steps: int, constant: bool = False) -> Tensor:
        """Return the spikes ``[T · B, C, H, W]``, time slowest.

        Arguments:
            x: currents of that shape, or ``[B, C, H, W]`` if ``constant``: the same at every step.
            steps: T.
        """
        # Channels last, memory already lies as [T, B · H · W, C]: the pixels of a batch are the kernel's batch.
        rows = x.permute(0, 2, 3, 1)
        current = rows.reshape(1 if constant else steps, -1, x.shape[1]).expand(steps, -1, -1)
        return self.node(current).view(-1, *rows.shape[1:]).permute(0, 3, 1, 2)


class Block(nn.Module):
    """A residual block: convolutions with neurons between them, a shortcut, and neurons after their sum.

    Arguments:
        c_in, c_out: channels; ``c_out`` before a bottleneck's expansion.
        stride: of the first 3 × 3 convolution and of the shortcut.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        stride: int,
        variant: Variant,
        *,
        bottleneck: bool,
        norm: Norm,
        u_th: float,
        width: float,
        backend: str,
        precision: Precision,
    ) -> None:
        super().__init__()
        wide = 4 * c_out if bottleneck else c_out
        plan = [(c_in, c_out, 1, 1), (c_out, c_out, 3, stride), (c_out, wide, 1, 1)]
        if not bottleneck:
            plan = [(c_in, c_out, 3, stride), (c_out, c_out, 3, 1)]
        last = len(plan) - 1
        self.convolutions = nn.ModuleList(
            Convolution(n_in, n_out, kernel, step, norm, u_th * (SHORTCUT if i == last else 1.0), precision)
            for i, (n_in, n_out, kernel, step) in enumerate(plan)
        )
        self.nodes = nn.ModuleList(SpatialLIF(n_out, variant, u_th, width, backend) for _, n_out, _, _ in plan)
        same = stride == 1 and c_in == wide
        self.shortcut = None if same else Convolution(c_in, wide, 1, stride, norm, u_th * SHORTCUT, precision)
        self.channels = wide

    def forward(self, x: Tensor, steps: int) -> list[Tensor]:
        """Return the spikes of every layer, the block's own last; all ``[T · B, C, H, W]``."""
        h, spikes = x, []
        shortcut = x if self.shortcut is None else self.shortcut(x)
        for i, (convolution, node) in enumerate(zip(self.convolutions, self.nodes, strict=True)):
            h = convolution(h)
            h = node(h + shortcut if i == len(self.nodes) - 1 else h, steps)
            spikes.append(h)
        return spikes


class SpikingResNet(nn.Module):
    """A residual network of LIF neurons, one variant throughout, with the image as input current at every step.

    Arguments:
        variant: what the neurons are made of; recurrence is not among it, as in the paper.
        depth: 18, 34, 50, or 19 for the wide one of Zheng et al. (2021).
        classes: output neurons.
        u_th, width: firing threshold, and half width of the surrogate's rectangle.
        norm: ``"tdbn"``, ``"bn"`` or ``"none"``.
        scale: factor of every layer's channels; 1 is the published width.
        backend: see :class:`~lifroles.neuron.VariantLIF`.
        precision: of the convolutions' products; see :class:`~lifroles.tdbn.Convolution`.

    Raises:
        SpecError: an unknown depth, normalisation or precision, a recurrent variant, or a scale that leaves too few
            channels.
    """

    def __init__(
        self,
        variant: Variant,
        *,
        depth: int = 18,
        classes: int = 10,
        u_th: float,
        width: float,
        norm: Norm = "tdbn",
        scale: float = 1.0,
        backend: str = "auto",
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise SpecError(f"depth is {depth}: give one of {', '.join(map(str, DEPTHS))}.")
        if variant.recurrent:
            raise SpecError(
                "a residual network has no recurrent variant: the paper's Table 6 leaves it out for CIFAR10."
            )
        for name, value, known in (("norm", norm, get_args(Norm)), ("precision", precision, get_args(Precision))):
            if value not in known:
                raise SpecError(f"{name} is {value!r}: give one of {', '.join(known)}.")
        if not (math.isfinite(scale) and STEM * scale >= FEWEST):
            raise SpecError(f"scale is {scale}: give {FEWEST / STEM:g} or more, which leaves {FEWEST} channels.")
        design = DEPTHS[depth]
        self.smallest = 2 ** (len(design.channels) - 1)
        stem = round(STEM * scale)
        self.stem = Convolution(3, stem, 3, 1, norm, u_th, precision)
        self.stem_node = SpatialLIF(stem, variant, u_th, width, backend)
        blocks: list[Block] = []
        channels = stem
        for stage, (wide, count) in enumerate(zip(design.channels, design.blocks, strict=True)):
            for i in range(count):
                block = Block(
                    channels,
                    round(wide * scale),
                    2 if stage > 0 and i == 0 else 1,
                    variant,
                    bottleneck=design.bottleneck,
                    norm=norm,
                    u_th=u_th,
                    width=width,
                    backend=backend,
                    precision=precision,
                )
                channels = block.channels
                blocks.append(block)
        self.blocks = nn.ModuleList(blocks)
        sizes = [channels, *([round(design.head * scale)] if design.head else []), classes]
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.nodes = nn.ModuleList(VariantLIF(n, variant, u_th=u_th, width=width, backend=backend) for n in sizes[1:])
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def _nodes(self) -> dict[str, VariantLIF]:
        stages = [("stem", self.stem_node)]
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            stages += [(f"block{i + 1}.{j + 1}", node) for j, node in enumerate(block.nodes)]
        head = ["head"] * (len(self.nodes) - 1)
        return {name: stage.node for name, stage in stages} | dict(zip([*head, "output"], self.nodes, strict=True))  # pyright: ignore[reportReturnType]

    def layer_names(self) -> list[str]:
        """Return ``stem``, ``block1.1``, ``block1.2``, ..., ``output``: the names used in records."""
        return list(self._nodes())

    def forward(self, x_seq: Tensor) -> Activity:
        """Run images from the resting state.

        Arguments:
            x_seq: ``[T, B, 3, H, W]``, or ``[T, B, 3 · H · W]`` of square images. A sequence that repeats one
                image (stride 0 in time) has its first convolution computed once.

        Returns:
            the class layer's spike rates ``[B, classes]``, and the spikes of every layer ``[T, B, C · H · W]``.

        Raises:
            SpecError: the input is not a sequence of colour images whose edge can be halved at every stage.
        """
        functional.reset_net(self)
        images = self._images(x_seq)
        steps, batch = images.shape[:2]
        constant = images.stride(0) == 0 or steps == 1
        first = images[0] if constant else images.flatten(0, 1)
        layers = [self.stem_node(self.stem(first.contiguous(memory_format=torch.channels_last)), steps, constant)]
        for block in self.blocks:
            layers += block(layers[-1], steps)
        rows = [spikes.reshape(steps, batch, -1) for spikes in layers]
        h = layers[-1].mean((2, 3)).view(steps, batch, -1)
        for linear, node in zip(self.linears, self.nodes, strict=True):
            h = node(linear(h))
            rows.append(h)
        return Activity(h.mean(0), dict(zip(self.layer_names(), rows, strict=True)))

    def _images(self, x_seq: Tensor) -> Tensor:
        images = x_seq
        if x_seq.dim() == 3 and x_seq.shape[-1] % 3 == 0:
            side = math.isqrt(x_seq.shape[-1] // 3)
            if 3 * side * side == x_seq.shape[-1]:
                images = x_seq.unflatten(-1, (3, side, side))
        if images.dim() != 5 or images.shape[2] != 3:
            raise SpecError(f"the input has shape {list(x_seq.shape)}: give colour images [T, B, 3, H, W].")
        if images.shape[0] < 1:
            raise SpecError("the input has no time step: give T >= 1.")
        if min(images.shape[3:]) < self.smallest:
            raise SpecError(
                f"images have {images.shape[3]} × {images.shape[4]} pixels: this network needs {self.smallest} an edge."
            )
        return images

    def learned_leaks(self) -> dict[str, list[float]]:
        """Return k_tau of every channel or unit of the layers that learn it."""
        return {name: node.k_tau.tolist() for name, node in self._nodes().items() if isinstance(node.k_tau, Tensor)}

    def folded(self) -> SpikingResNet:
        """Return a copy for evaluation, each normalisation written into its convolution."""
        functional.reset_net(self)
        network = copy.deepcopy(self).eval()
        for module in network.modules():
            if isinstance(module, Convolution):
                module.fold()
        return network
