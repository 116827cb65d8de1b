"""What an attacker knows of a network: its scores, and in a white-box attack their gradient."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import torch
from spikingjelly.activation_based import functional, surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from lifroles.errors import SpecError
from lifroles.networks import SpikingMLP
from lifroles.neuron import VariantLIF
from lifroles.rnn import RecurrentNetwork
from lifroles.sparse import SparseSequence

SPARSE_BELOW = 0.1
"""Share of non-zero entries below which the first layer sums over events."""


def network_hash(network: nn.Module) -> str:
    """Return a hash of a network's weights, thresholds and surrogates: equal before and after means untouched."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict(keep_vars=True).items()):
        digest.update(name.encode() + str(tensor.dtype).encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    for name, module in network.named_modules():
        if isinstance(module, VariantLIF):
            fire: Any = module.surrogate_function
            digest.update(
                f"{name} {module.v_threshold!r} {type(fire).__name__} {getattr(fire, 'alpha', None)!r}".encode()
            )
    return digest.hexdigest()


def require_binary(x: Tensor) -> None:
    """Check that an input is a sequence of 0 and 1.

    Raises:
        SpecError: it is not.
    """
    if x.dim() != 3:
        raise SpecError(f"the input has shape {list(x.shape)}: an attack on events needs [T, B, N].")
    if not bool(((x == 0) | (x == 1)).all()):
        raise SpecError(
            "the input holds values other than 0 and 1: attacks on events flip spikes; give binary frames "
            "(values=binary), and use an attack on images for continuous input."
        )


def packed(x: Tensor) -> Tensor | SparseSequence:
    """Return an input ``[T, B, N]`` as rows of events where that is faster, else as it is."""
    events = SparseSequence.from_dense(x)
    return events if events.density < SPARSE_BELOW else x


class Victim:
    """A trained network under attack. The network itself is copied and never changed.

    Arguments:
        network: called with ``[T, B, N]``, it returns an object with ``output``.
        scores: turns that output into class scores ``[B, C]``; the output itself by default.
        width: half width of the surrogate's rectangle for the attack's gradient, where not the training's own.
        smooth: a smooth surrogate for the attack's gradient, the derivative of an arctangent of this steepness; the
            definition of the neuron then runs in place of the kernels.
        penultimate_threshold: threshold of the layer before the last for the attack's gradient, where not its own
            (Liang et al. 2021, who raise it from 0.3 to 1).
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        scores: Callable[[Tensor], Tensor] = lambda output: output,
        width: float | None = None,
        smooth: float | None = None,
        penultimate_threshold: float | None = None,
    ) -> None:
        self._scores = scores
        self._network = _frozen(network)
        self._attacked = self._network
        if width is not None or smooth is not None or penultimate_threshold is not None:
            self._attacked = _frozen(network)
            nodes = [module for module in self._attacked.modules() if isinstance(module, VariantLIF)]
            for node in nodes:
                if smooth is not None:
                    node.surrogate_function = surrogate.ATan(alpha=smooth)
                elif width is not None:
                    node.surrogate_function = surrogate.Rect(alpha=1 / (2 * width))
            if penultimate_threshold is not None:
                if len(nodes) < 2:
                    raise SpecError("penultimate_threshold needs a network with two layers of spiking neurons or more.")
                nodes[-2].v_threshold = penultimate_threshold

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return the class scores ``[B, C]`` of ``[T, B, N]``."""
        return self._scores(self._network(packed(x)).output)

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class of each sample ``[B]``, and whether no other class scores as high ``[B]``."""
        scores = self.scores(x)
        top = scores.amax(-1, keepdim=True)
        return scores.argmax(-1), (scores == top).sum(-1) == 1

    def fooled(self, x: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return for each sample whether it is taken for another class than ``labels``, or for that in ``targets``.

        As in the code of Liang et al. 2021, a tie between classes is no success.
        """
        found, unique = self.predict(x)
        return unique & (found != labels if targets is None else found == targets)

    def gradient(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return the gradient of each sample's cross-entropy to ``classes`` by its input, ``[T, B, N]``."""
        network = self._attacked
        events = packed(x)
        if isinstance(events, SparseSequence) and isinstance(network, SpikingMLP | RecurrentNetwork):
            # The first layer is linear, so only the way back through it is dense.
            current = network.current(events).detach().requires_grad_()
            (slope,) = torch.autograd.grad(self._loss(network.from_current(current).output, classes), current)
            return slope @ network.input_weight
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self._loss(network(x).output, classes), x)
        return gradient

    def _loss(self, output: Tensor, classes: Tensor) -> Tensor:
        # The sum keeps each sample's gradient free of the batch's size.
        return F.cross_entropy(self._scores(output), classes, reduction="sum")


def _frozen(network: nn.Module) -> nn.Module:
    functional.reset_net(network)  # the state of its last run hangs on a graph, which cannot be copied
    return copy.deepcopy(network).eval().requires_grad_(False)
