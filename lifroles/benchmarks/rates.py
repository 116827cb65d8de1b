"""What the benchmarks share whose class layer fires: the class is read from its spike rates."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

Loss = Literal["mse", "cross_entropy"]


def loss(kind: Loss, output: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of the rates ``[B, C]``: mean squared error to one-hot, or cross-entropy."""
    if kind == "cross_entropy":
        return F.cross_entropy(output, labels)
    return F.mse_loss(output, F.one_hot(labels, output.shape[-1]).to(output))


def correct(output: Tensor, labels: Tensor) -> Tensor:
    """Return 1 where the class with the highest rate is right; among equal rates the lowest class is the answer."""
    return (output.argmax(-1) == labels).float()
