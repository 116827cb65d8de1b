"""Networks whose weakest flips are known by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lifroles.networks import Activity, SpikingMLP
from lifroles.sparse import SparseSequence
from lifroles.variant import Variant


class Tally(nn.Module):
    """Class 0 scores a constant, class 1 the weighted number of spikes: class 1 where that is more than ``need``."""

    def __init__(self, weights: list[float], need: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights))
        self.need = need
        self.seen = 0

    def forward(self, x: Tensor | SparseSequence) -> Activity:
        x = x if isinstance(x, Tensor) else x.dense()
        self.seen += x.shape[1]
        score = (x * self.weight).sum((0, 2))
        return Activity(torch.stack([torch.full_like(score, self.need), score], 1), {})


class Deaf(nn.Module):
    """Class 1 where there are more than ``need`` spikes, with a gradient of zero everywhere."""

    def __init__(self, need: float) -> None:
        super().__init__()
        self.need = need

    def forward(self, x: Tensor | SparseSequence) -> Activity:
        x = x if isinstance(x, Tensor) else x.dense()
        score = torch.stack([torch.full((x.shape[1],), self.need), x.detach().sum((0, 2))], 1)
        return Activity(score + 0 * x.sum(), {})


def small(variant: Variant | None = None, seed: int = 0) -> SpikingMLP:
    """A network of 18 inputs (two polarities of 3 × 3 pixels), 12 hidden neurons and three classes."""
    torch.manual_seed(seed)
    variant = variant or Variant(leak=0.3, reset="hard", recurrent=False)
    return SpikingMLP((18, 12, 3), variant, u_th=0.3, width=0.25, readout="rate")


def spikes(steps: int, batch: int, channels: int, seed: int = 0, rate: float = 0.3) -> Tensor:
    return (torch.rand(steps, batch, channels, generator=torch.Generator().manual_seed(seed)) < rate).float()
