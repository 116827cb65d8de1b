"""What the benchmarks share whose class layer fires: the class is read from its spike rates."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor
from torch.nn import functional as F

from lifroles.benchmarks.base import Benchmark, Protocol, sourced
from lifroles.networks import SpikingMLP
from lifroles.resnet import SpikingResNet
from lifroles.variant import Variant

Loss = Literal["mse", "cross_entropy"]

LINEAGE = "code of He et al. 2020"


class RateProtocol(Protocol):
    """What the spatial and the spatio-temporal benchmarks have alike in Tables 4 and 5.

    A benchmark's ``words`` say which row of which table (``table4``, ``table5``, ``data``), whose code (``code``), and
    what it has samples of (``samples``).
    """

    hidden: int = sourced(512, "hidden neurons", "{table4}", ge=1)
    u_th: float = sourced(0.3, "firing threshold", "{table5}", gt=0)
    width: float = sourced(0.25, "half width of the surrogate's rectangle", "{table5}; choice: the half", gt=0)
    bias: bool = sourced(True, "biases in the weighted sums", "{code}")
    loss: Loss = sourced("mse", "loss on the output rates: mean squared error to one-hot, or cross-entropy", "{code}")
    epochs: int = sourced(100, "epochs", "{table5}", ge=1)
    batch_size: int = sourced(1024, "{samples} a batch", "{table5}", ge=1)
    lr: float = sourced(1e-4, "learning rate of Adam", "{table5}", gt=0)
    lr_step: int = sourced(25, "epochs between two steps of StepLR", "{table5}", ge=1)
    lr_gamma: float = sourced(0.1, "factor of StepLR", "{table5}", gt=0)
    train_samples: int | None = sourced(None, "training {samples}, the first ones (None: all)", "{data}", ge=1)
    test_samples: int | None = sourced(None, "test {samples}, the first ones (None: all)", "{data}", ge=1)


class RateBenchmark(Benchmark):
    """A benchmark with a fully connected network all of whose layers fire."""

    def network(self, protocol: Any, variant: Variant, backend: str) -> SpikingMLP | SpikingResNet:
        return SpikingMLP(
            self.sizes(protocol),
            variant,
            u_th=protocol.u_th,
            width=protocol.width,
            readout="rate",
            bias=protocol.bias,
            backend=backend,
        )

    def loss(self, protocol: Any, output: Tensor, labels: Tensor) -> Tensor:
        return loss(protocol.loss, output, labels)

    def correct(self, protocol: Any, output: Tensor, labels: Tensor) -> Tensor:
        return correct(output, labels)


def loss(kind: Loss, output: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of the rates ``[B, C]``: mean squared error to one-hot, or cross-entropy."""
    if kind == "cross_entropy":
        return F.cross_entropy(output, labels)
    return F.mse_loss(output, F.one_hot(labels, output.shape[-1]).to(output))


def correct(output: Tensor, labels: Tensor) -> Tensor:
    """Return 1 where the class with the highest rate is right; among equal rates the lowest class is the answer."""
    return (output.argmax(-1) == labels).float()
