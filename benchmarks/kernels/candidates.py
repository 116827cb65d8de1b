"""Who computes it: this package, the peers at their best, and plain torch.

Every peer gets the same network: its own neuron with the same leak, threshold, hard reset and gradient, one
``nn.Linear`` call over all steps, ``unbind`` in its loop over time, the same loss, and fused Adam. Where its neuron
scales the input, the scale is put into the weights once. The readout of units that never fire is the same plain loop
for all of them.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import torch
from scipy.sparse import csr_matrix
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.kernels.workloads import Layer, Network
from lifroles.backends import reference
from lifroles.libraries.peers import load
from lifroles.networks import Activity, SpikingMLP
from lifroles.neuron import VariantLIF
from lifroles.sparse import SparseSequence
from lifroles.variant import Variant

RATE = 1e-6
"""Learning rate: Adam does all its work, and the network stays the one that was checked."""


class Neurons(nn.Module, ABC):
    """A peer's layer of neurons: currents ``[T, B, N]`` to spikes ``[T, B, N]``."""

    scale = 1.0
    """What the input has to be multiplied by to mean the same as in ours."""

    def __init__(self, k: float, u_th: float, width: float) -> None:
        super().__init__()
        self.k, self.u_th = k, u_th
        self.fire: Any = surrogate.Rect(alpha=1 / (2 * width))

    @abstractmethod
    def start(self, x: Tensor) -> Any:
        """Return the state at rest for one step's input ``[B, N]``."""

    @abstractmethod
    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Advance by one step."""

    def forward(self, x_seq: Tensor) -> Tensor:
        """Advance by all steps."""
        state, spikes = self.start(x_seq[0]), []
        for x in x_seq.unbind(0):
            o, state = self.step(x, state)
            spikes.append(o)
        return torch.stack(spikes)

    def recurrent(self, x_seq: Tensor, across: Tensor) -> Tensor:
        """Advance by all steps, with the spikes of the last step coming back through ``across`` ``[N, N]``."""
        state, spikes = self.start(x_seq[0]), []
        o = torch.zeros_like(x_seq[0])
        for x in x_seq.unbind(0):
            o, state = self.step(x + F.linear(o, across), state)
            spikes.append(o)
        return torch.stack(spikes)


class Loop(Neurons):
    """Plain torch: the reference backend's own step."""

    def start(self, x: Tensor) -> Any:
        zeros = torch.zeros_like(x)
        return zeros, zeros

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        u, o = reference.step(x, *state, k_tau=self.k, reset="hard", u_th=self.u_th, fire=self.fire)
        return o, (u, o)


class SpikingJelly(Neurons):
    """``LIFNode`` in multi-step mode; its lighter ``SimpleLIFNode`` where it has to go step by step."""

    def __init__(self, k: float, u_th: float, width: float) -> None:
        super().__init__(k, u_th, width)
        options = {"v_threshold": u_th, "v_reset": 0.0, "surrogate_function": self._surrogate(), "detach_reset": False}
        tau = 1 / (1 - k)
        self.node = neuron.LIFNode(tau, decay_input=False, step_mode="m", **options)
        self.single = neuron.SimpleLIFNode(tau, decay_input=False, step_mode="s", **options)

    def _surrogate(self) -> Any:
        return self.fire

    def start(self, x: Tensor) -> Any:
        functional.reset_net(self.single)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.single(x), None

    def forward(self, x_seq: Tensor) -> Tensor:
        functional.reset_net(self.node)
        return self.node(x_seq)


class SpikingJellyOperator(SpikingJelly):
    """The same with one of the surrogates for which SpikingJelly has a registered operator and a backward by hand."""

    def _surrogate(self) -> Any:
        return surrogate.PiecewiseQuadratic(alpha=1.0)


class SnnTorch(Neurons):
    """``Leaky`` with reset to zero within the step, through which the gradient flows."""

    delay = False

    def __init__(self, k: float, u_th: float, width: float) -> None:
        super().__init__(k, u_th, width)
        leaky = load("snntorch", "snntorch").Leaky
        self.node = leaky(k, u_th, self.fire, reset_mechanism="zero", reset_delay=self.delay)

    def start(self, x: Tensor) -> Any:
        return torch.zeros_like(x)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.node(x, state)


class SnnTorchDelay(SnnTorch):
    """``Leaky`` as it comes, with the reset one step later and out of the gradient: less work, another gradient."""

    delay = True


class Norse(Neurons):
    """``lif_box_feed_forward_step``, with the surrogate that Norse uses where nothing else is said."""

    def __init__(self, k: float, u_th: float, width: float) -> None:
        super().__init__(k, u_th, width)
        self.box = load("norse", "norse.torch.functional.lif_box")
        self.dt = 1e-3
        self.scale = 1 / (1 - k)
        self.p = self.box.LIFBoxParameters(
            tau_mem_inv=torch.as_tensor((1 - k) / self.dt), v_th=torch.as_tensor(u_th)
        )  # fmt: skip

    def start(self, x: Tensor) -> Any:
        return self.box.LIFBoxFeedForwardState(v=torch.zeros_like(x))

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.box.lif_box_feed_forward_step(x, state, self.p, self.dt)


class _SparseProduct(torch.autograd.Function):
    """``rows @ weightᵀ`` with torch's CSR products.

    The weights' gradient needs the rows transposed, for every batch anew. SciPy does it: torch's own conversion takes
    fifty times as long.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: Tensor) -> Tensor:
        ctx.rows = rows
        return rows @ weight.t()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows = ctx.rows
        parts = (part.numpy() for part in (rows.values(), rows.col_indices(), rows.crow_indices()))
        turned = csr_matrix(tuple(parts), shape=rows.shape).tocsc()
        starts, indices, values = (torch.from_numpy(part) for part in (turned.indptr, turned.indices, turned.data))
        columns = torch.sparse_csr_tensor(starts, indices, values, rows.shape[::-1], check_invariants=False)
        return (columns @ gradients[0]).t(), None


Input = SparseSequence | Tensor


class Inputs:
    """One input in every form that a candidate takes; each is made when first asked for, and then shared."""

    def __init__(self, work: Network) -> None:
        self.events = work.events()

    @cached_property
    def dense(self) -> Tensor:
        """``[T, B, N]``."""
        return self.events.dense().contiguous()

    @cached_property
    def csr(self) -> Tensor:
        """Rows ``[T · B, N]`` as torch's sparse matrix, with the indices of 32 bits that its library computes with."""
        with warnings.catch_warnings():
            # torch says so at the first CSR tensor of a process
            warnings.filterwarnings("ignore", "Sparse (CSR tensor support|invariant checks)", UserWarning)
            rows = self.dense.flatten(0, 1).to_sparse_csr()
            starts, indices = rows.crow_indices().int(), rows.col_indices().int()
            return torch.sparse_csr_tensor(starts, indices, rows.values(), rows.shape, check_invariants=False)

    def form(self, name: str) -> Input:
        """Return the input in the form that a candidate takes."""
        if name == OURS:
            return self.events
        return self.csr if name.endswith("CSR input") else self.dense


class PeerNetwork(nn.Module):
    """A network of a peer's neurons.

    Arguments:
        work: what to build.
        neurons: the peer's layer.
    """

    work: Network

    def __init__(self, work: Network, neurons: type[Neurons]) -> None:
        super().__init__()
        self.work = work
        forward, across = work.weights()
        linears = [nn.Linear(w.shape[1], w.shape[0]) for w in forward]
        self.linears = nn.ModuleList(linears)
        count = len(forward) if work.readout == "rate" else len(forward) - 1
        # Not registered, so as to be more than a Module to a type checker: they have no parameters.
        self.layers = [neurons(work.k_tau, work.u_th, work.width) for _ in range(count)]
        with torch.no_grad():
            for i, (linear, weight) in enumerate(zip(linears, forward, strict=True)):
                scale = self.scale(i)
                linear.weight.copy_(scale * weight)
                linear.bias.zero_()
        self.across = nn.ParameterList(self.scale(i) * v for i, v in enumerate(across))
        self.spikes: list[Tensor] = []

    def scale(self, layer: int) -> float:
        """Return what this layer's weights are multiplied by."""
        return self.layers[layer].scale if layer < len(self.layers) else 1.0

    def forget(self) -> None:
        """Hold no spikes."""
        self.spikes = []

    def forward(self, x: Input) -> Tensor:
        """Return the network's output, as :class:`lifroles.networks.SpikingMLP` does."""
        self.forget()
        h: Any = x
        for i, linear in enumerate(self.linears):
            if isinstance(h, Tensor) and h.layout == torch.sparse_csr:
                rows = _SparseProduct.apply(linear.weight, h) + linear.bias
                current = rows.view(self.work.steps, self.work.batch, -1)
            else:
                current = linear(h)
            if i == len(self.layers):
                return reference.integrate(current, k_tau=self.work.k_tau)
            layer = self.layers[i]
            h = layer.recurrent(current, self.across[i]) if i < len(self.across) else layer(current)
            self.spikes.append(h)
        return h.mean(0)


class OurNetwork(nn.Module):
    """The same network of this package."""

    work: Network

    def __init__(self, work: Network) -> None:
        super().__init__()
        self.work = work
        variant = Variant(leak=work.k_tau, recurrent=work.recurrent)
        self.net = SpikingMLP(work.sizes, variant, u_th=work.u_th, width=work.width, readout=work.readout)
        forward, across = work.weights()
        with torch.no_grad():
            for linear, weight in zip(self.net.linears, forward, strict=True):
                assert isinstance(linear, nn.Linear)
                linear.weight.copy_(weight)
                linear.bias.zero_()
            for node, weight in zip(self.net.nodes, across, strict=False):
                assert isinstance(node, VariantLIF)
                assert node.recurrent_weight is not None
                node.recurrent_weight.copy_(weight)
        self.activity: Activity | None = None

    def scale(self, layer: int) -> float:
        return 1.0

    @property
    def spikes(self) -> list[Tensor]:
        return [] if self.activity is None else list(self.activity.spikes.values())

    def forget(self) -> None:
        """Hold no spikes."""
        self.activity = None

    @property
    def linears(self) -> nn.ModuleList:
        return self.net.linears

    def forward(self, x: Input) -> Tensor:
        activity = self.net(x)
        self.activity = activity
        return activity.output


OURS = "lifroles"
PEERS: dict[str, type[Neurons]] = {
    "torch loop": Loop,
    "SpikingJelly": SpikingJelly,
    "SpikingJelly, operator": SpikingJellyOperator,
    "snnTorch": SnnTorch,
    "snnTorch, delayed": SnnTorchDelay,
    "Norse": Norse,
}
"""The peers' layers by the name of the candidate."""

OTHER_GRADIENT = ("SpikingJelly, operator", "snnTorch, delayed", "Norse")
"""Candidates whose spikes are ours and whose gradient is not: another surrogate, or a reset out of the gradient."""

NETWORK_CANDIDATES = (OURS, "lifroles, dense input", *PEERS, "torch loop, CSR input")
LAYER_CANDIDATES = (OURS, *PEERS)


class Training:
    """A candidate's network, its input and its optimiser, ready to take steps.

    Arguments:
        work: the network.
        name: the candidate, one of :data:`NETWORK_CANDIDATES`.
        inputs: the input, of which it takes its form.
    """

    def __init__(self, work: Network, name: str, inputs: Inputs) -> None:
        self.work, self.name = work, name
        self.labels = work.labels()
        if name.startswith(OURS):
            self.net: OurNetwork | PeerNetwork = OurNetwork(work)
        else:
            self.net = PeerNetwork(work, PEERS[name.removesuffix(", CSR input")])
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=RATE, fused=True)
        self.input = inputs.form(name)

    @property
    def input_bytes(self) -> int:
        """Bytes of the input in the candidate's form."""
        held = self.input
        if isinstance(held, SparseSequence):
            arrays = (held.indptr, held.indices, held.values)
            return sum(array.nbytes for array in arrays if array is not None)
        if held.layout == torch.strided:
            return held.nbytes
        return sum(part.nbytes for part in (held.crow_indices(), held.col_indices(), held.values()))

    def train(self) -> None:
        """Take one step: forward, backward, Adam."""
        loss = self.work.loss(self.net(self.input), self.labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    def infer(self) -> None:
        """Run forward alone."""
        with torch.inference_mode():
            self.net(self.input)

    def check(self) -> tuple[list[Tensor], Tensor]:
        """Return every layer's spikes ``[T, B, N]``, and the gradient of the first weights, in our unit."""
        self.optimiser.zero_grad(set_to_none=True)
        self.work.loss(self.net(self.input), self.labels).backward()
        weight = self.net.linears[0].weight
        assert isinstance(weight, Tensor)
        assert weight.grad is not None
        gradient = weight.grad * self.net.scale(0)
        spikes = [o.detach().clone() for o in self.net.spikes]
        self.net.forget()
        self.optimiser.zero_grad(set_to_none=True)
        return spikes, gradient


class LayerPass:
    """A candidate's layer on its own, ready to go forward and backward.

    Arguments:
        work: the layer.
        name: the candidate, one of :data:`LAYER_CANDIDATES`.
        x: the current ``[T, B, N]`` in our unit.
        gradient: of the spikes, ``[T, B, N]``.
    """

    def __init__(self, work: Layer, name: str, x: Tensor, gradient: Tensor) -> None:
        self.gradient = gradient
        if name == OURS:
            variant = Variant(leak=work.k_tau)
            self.layer: nn.Module = VariantLIF(work.neurons, variant, u_th=work.u_th, width=work.width)
            scale = 1.0
        else:
            peer = PEERS[name](work.k_tau, work.u_th, work.width)
            self.layer, scale = peer, peer.scale
        self.x = (x if scale == 1 else scale * x).detach().requires_grad_()

    def train(self) -> None:
        """Run forward and backward to the input; there are no weights, so no optimiser."""
        self.x.grad = None
        self.run().backward(self.gradient)

    def infer(self) -> None:
        """Run forward alone."""
        with torch.inference_mode():
            self.run()

    def run(self) -> Tensor:
        """Return the spikes ``[T, B, N]``, from rest."""
        if isinstance(self.layer, VariantLIF):
            functional.reset_net(self.layer)
        return self.layer(self.x)
