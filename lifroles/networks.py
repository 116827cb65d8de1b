"""The networks of Table 4: fully connected layers of LIF neurons, one variant throughout."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from lifroles.backends import drive
from lifroles.neuron import LEAK_INIT, LearnableLeak, OnBackend, VariantLIF, make_leak
from lifroles.sparse import SparseSequence
from lifroles.variant import Leak, Variant

Readout = Literal["rate", "integrator"]


class LeakyIntegrator(OnBackend):
    """A layer of LIF units that never fire: ``m(t) = k_tau · m(t-1) + x(t)``, Eq. (3) without spikes.

    Arguments:
        features: number of units N.
        leak: the coefficient k_tau, or ``"learnable"``: one a unit.
        leak_init: range of the draw behind a learnable leak.
        backend: see :class:`~lifroles.neuron.VariantLIF`.
    """

    def __init__(
        self, features: int, leak: Leak, leak_init: tuple[float, float] = LEAK_INIT, backend: str = "auto"
    ) -> None:
        super().__init__()
        self.leak = make_leak(leak, features, leak_init)
        self._choose(backend)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Return the potentials ``[T, B, N]`` for the input currents ``[T, B, N]``."""
        return self._kernels.integrate(x_seq, k_tau=self.leak() if isinstance(self.leak, LearnableLeak) else self.leak)


class Spikes(Mapping[str, Tensor]):
    """The spikes ``[T, B, N]`` of each spiking layer, by its name; some are written out when first asked for.

    Arguments:
        layers: the spikes, or a function that gives them.
    """

    def __init__(self, layers: Mapping[str, Tensor | Callable[[], Tensor]]) -> None:
        self._layers = dict(layers)

    def __getitem__(self, name: str) -> Tensor:
        spikes = self._layers[name]
        if not isinstance(spikes, Tensor):
            spikes = self._layers[name] = spikes()
        return spikes

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return f"Spikes({', '.join(self)})"


@dataclass(frozen=True, slots=True)
class Activity:
    """What a network did: ``output`` as the readout gives it, and the spikes ``[T, B, N]`` of each spiking layer."""

    output: Tensor
    spikes: Mapping[str, Tensor]

    def rates(self) -> dict[str, float]:
        """Return each layer's mean number of spikes per neuron and step, in [0, 1]."""
        return {layer: float(spikes.detach().mean()) for layer, spikes in self.spikes.items()}


def _through(linear: nn.Linear, node: nn.Module, h: Tensor | SparseSequence, spiking: bool) -> Tensor:
    """Return what a layer gives out for its input ``[T, B, N]``; ``spiking``: whether that is a layer's spikes."""
    if isinstance(h, SparseSequence):
        if isinstance(node, VariantLIF):
            return node.drive(linear, h)
        return node(drive.product(getattr(node, "_kernels", None), h, linear.weight, linear.bias))
    # Direct coding repeats one image at every step (stride 0): its weighted sum is needed once.
    if h.dim() == 3 and h.shape[0] > 1 and h.stride(0) == 0:
        return node(linear(h[0]).expand(h.shape[0], -1, -1))
    if spiking:
        return node(drive.spikes_product(getattr(node, "_kernels", None), h, linear.weight, linear.bias))
    return node(linear(h))


class SpikingMLP(nn.Module):
    """Input, hidden layers of LIF neurons, and a class layer that shares the variant's leak and reset.

    Recurrence is in hidden layers only (protocol of Zheng et al. 2024; the paper does not say).

    Arguments:
        sizes: units of every layer, input first, classes last; ``(784, 512, 10)`` is Table 4's MNIST network.
        variant: what the neurons are made of.
        u_th: firing threshold.
        width: half width of the surrogate's rectangle.
        readout: ``"rate"``: the class layer spikes, output is its spikes averaged over time, ``[B, C]``;
            ``"integrator"``: the class layer never fires, output is its membrane potential, ``[T, B, C]``.
        readout_leak: the integrator's leakage coefficient, or ``None`` to share the variant's.
        bias: whether the weighted sums have a bias.
        leak_init: range of the draw behind a learnable leak.
        backend: see :class:`~lifroles.neuron.VariantLIF`.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        variant: Variant,
        *,
        u_th: float,
        width: float,
        readout: Readout,
        readout_leak: Leak | None = None,
        bias: bool = True,
        leak_init: tuple[float, float] = LEAK_INIT,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(sizes))
        # All weights are drawn before any recurrent weight or leak, so that one seed gives every
        # variant the same feed-forward weights and variants can be compared pair by pair.
        self.linears = nn.ModuleList(nn.Linear(n_in, n_out, bias=bias) for n_in, n_out in pairs)
        nodes: list[nn.Module] = [
            VariantLIF(n, variant, u_th=u_th, width=width, backend=backend, leak_init=leak_init) for _, n in pairs[:-1]
        ]
        classes = sizes[-1]
        if readout == "rate":
            classifier = replace(variant, recurrent=False)
            nodes.append(VariantLIF(classes, classifier, u_th=u_th, width=width, backend=backend, leak_init=leak_init))
        else:
            leak = variant.leak if readout_leak is None else readout_leak
            nodes.append(LeakyIntegrator(classes, leak, leak_init, backend))
        self.nodes = nn.ModuleList(nodes)
        self.readout: Readout = readout

    def layer_names(self) -> list[str]:
        """Return ``hidden1``, ``hidden2``, ..., ``output``: the names used in records."""
        return [f"hidden{i + 1}" for i in range(len(self.nodes) - 1)] + ["output"]

    def forward(self, x_seq: Tensor | SparseSequence) -> Activity:
        """Run ``[T, B, N]`` from the resting state u = o = 0."""
        functional.reset_net(self)
        first, node = self.linears[0], self.nodes[0]
        assert isinstance(first, nn.Linear)
        if isinstance(x_seq, SparseSequence) and isinstance(node, VariantLIF) and len(self.linears) > 1:
            second = self.linears[1]
            assert isinstance(second, nn.Linear)
            return self._above(*node.drive_into(first, x_seq, second))
        return self._above(_through(first, node, x_seq, False))

    def current(self, x_seq: Tensor | SparseSequence) -> Tensor:
        """Return the first layer's input current ``[T, B, H]`` for the input ``[T, B, N]``."""
        first = self.linears[0]
        assert isinstance(first, nn.Linear)
        if isinstance(x_seq, Tensor):
            return first(x_seq)
        return drive.product(getattr(self.nodes[0], "_kernels", None), x_seq, first.weight, first.bias)

    @property
    def input_weight(self) -> Tensor:
        """The first layer's weights ``[H, N]``: what :meth:`current` multiplies the input with."""
        first = self.linears[0]
        assert isinstance(first, nn.Linear)
        return first.weight

    def from_current(self, current: Tensor) -> Activity:
        """Run from the resting state, given what :meth:`current` returns."""
        functional.reset_net(self)
        return self._above(self.nodes[0](current))

    def from_hidden(self, h: Tensor) -> Activity:
        """Run the layers above the first from the resting state, given its output ``[T, B, H]``."""
        functional.reset_net(self)
        return self._above(h)

    def _above(self, h: Tensor | Callable[[], Tensor], current: Tensor | None = None) -> Activity:
        """Run the layers above the first, given its output or a function that gives it and the second's current."""
        spikes: dict[str, Tensor | Callable[[], Tensor]] = {}
        for i, (name, linear, node) in enumerate(zip(self.layer_names(), self.linears, self.nodes, strict=True)):
            assert isinstance(linear, nn.Linear)
            if i == 1 and current is not None:
                h = node(current)
            elif i > 0:
                assert isinstance(h, Tensor)
                h = _through(linear, node, h, bool(spikes))
            if isinstance(node, VariantLIF):
                spikes[name] = h
        assert isinstance(h, Tensor)
        return Activity(h.mean(0) if self.readout == "rate" else h, Spikes(spikes))

    @torch.no_grad()
    def learned_leaks(self) -> dict[str, list[float]]:
        """Return k_tau of every unit of the layers that learn it."""
        leaks = ((name, getattr(node, "leak", None)) for name, node in zip(self.layer_names(), self.nodes, strict=True))
        return {name: leak().tolist() for name, leak in leaks if isinstance(leak, LearnableLeak)}
