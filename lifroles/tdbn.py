"""Threshold-dependent batch normalisation (tdBN; Zheng et al., AAAI 2021), and convolutions with it.

Statistics are over batch, time and space, and what is normalised has the scale of the firing threshold. For inference
it is folded into the convolution.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["tdbn", "bn", "none"]
Precision = Literal["float32", "bfloat16"]

SHORTCUT = 1 / math.sqrt(2)
"""tdBN's factor where two branches are added, so that their sum has the variance of one (Zheng et al. 2021)."""


class TdBatchNorm(nn.Module):
    """Batch normalisation over batch, time and space to the scale of a threshold: N(0, (alpha · u_th)²).

    Eqs. (4) and (5) of Zheng et al. (2021): ``y = weight · alpha · u_th · (x - mean) / sqrt(var + eps) + bias``, weight
    and bias learned for each channel, running mean and variance for evaluation. Plain batch normalisation is the case
    ``alpha · u_th = 1``.

    Arguments:
        channels: C.
        scale: alpha · u_th.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, scale: float, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.scale, self.eps, self.momentum = scale, eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, scale={self.scale:g}"

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[M, C, H, W]`` normalised; M is time steps times batch."""
        weight = self.scale * self.weight
        return F.batch_norm(
            x, self.running_mean, self.running_var, weight, self.bias, self.training, self.momentum, self.eps
        )

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return factor and shift of each channel in evaluation: ``y = factor · x + shift``, both ``[C]``."""
        factor = self.scale * self.weight * torch.rsqrt(self.running_var + self.eps)
        return factor, self.bias - factor * self.running_mean


class Convolution(nn.Module):
    """A convolution without bias and what normalises it.

    Arguments:
        norm: ``"tdbn"``, ``"bn"`` (to variance 1, whatever the threshold) or ``"none"`` (then with a bias).
        scale: tdBN's alpha · u_th.
        precision: of the products. In ``bfloat16`` they are autocast, and everything else stays in float32; on a
            processor without instructions for it that takes longer, not shorter.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int,
        norm: Norm,
        scale: float,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        self.precision = precision
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=norm == "none")
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        if norm == "none":
            nn.init.zeros_(self.conv.bias)  # pyright: ignore[reportArgumentType]
        scales = {"tdbn": scale, "bn": 1.0}
        self.norm = TdBatchNorm(c_out, scales[norm]) if norm in scales else None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[M, C', H', W']`` for ``[M, C, H, W]``."""
        if self.precision == "bfloat16":
            with torch.autocast(x.device.type, torch.bfloat16):
                product = self.conv(x)
            x = product.to(x.dtype)
        else:
            x = self.conv(x)
        return x if self.norm is None else self.norm(x)

    @torch.no_grad()
    def fold(self) -> None:
        """Write the normalisation of evaluation into the convolution's weights and bias, and drop it."""
        if self.norm is None:
            return
        factor, shift = self.norm.folded()
        self.conv.weight.mul_(factor[:, None, None, None])
        self.conv.bias = nn.Parameter(shift)
        self.norm = None
