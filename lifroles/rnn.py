"""The RNN, GRU and LSTM baselines of section 4.2: Input(2312)-RNN(512)-FC(10), torch.nn's own cells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lifroles.backends import drive
from lifroles.baselines import Baseline
from lifroles.networks import Activity
from lifroles.neuron import OnBackend
from lifroles.sparse import SparseSequence

CELLS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RecurrentNetwork(OnBackend):
    """One recurrent layer of continuous units and a linear class layer.

    The parameters are those of ``torch.nn.LSTM``, ``GRU`` or ``RNN`` (tanh), and so are the equations. Input that
    comes as events is summed over its events instead of multiplied by a matrix that is mostly zero; the two agree to
    rounding.

    Arguments:
        sizes: units of input, recurrent layer and classes, ``(2312, 512, 10)``.
        baseline: the cell, and what the class is read from.
        bias: whether the weighted sums have a bias.
        backend: what sums over the events (see :func:`lifroles.backends.select`).
    """

    def __init__(
        self, sizes: tuple[int, int, int], baseline: Baseline, *, bias: bool = True, backend: str = "auto"
    ) -> None:
        super().__init__()
        inputs, hidden, classes = sizes
        self.baseline = baseline
        self.cell: nn.RNNBase = CELLS[baseline.cell](inputs, hidden, bias=bias)
        self.classifier = nn.Linear(hidden, classes, bias=bias)
        self._choose(backend)

    def hidden(self, x_seq: Tensor | SparseSequence) -> Tensor:
        """Return the recurrent layer's outputs ``[T, B, H]`` for ``[T, B, N]``, from the state 0."""
        if isinstance(x_seq, Tensor):
            return self.cell(x_seq)[0]
        cell: Any = self.cell
        bias = cell.bias_ih_l0 if cell.bias else None
        x = drive.product(self._kernels, x_seq, cell.weight_ih_l0, bias)
        rest = x.new_zeros(x.shape[1], cell.hidden_size)
        return _STEPS[self.baseline.cell](x, rest, cell.weight_hh_l0, cell.bias_hh_l0 if cell.bias else None)

    def forward(self, x_seq: Tensor | SparseSequence) -> Activity:
        """Return the class layer's output ``[B, C]``, at the last step or as a mean; there are no spikes."""
        h = self.hidden(x_seq)
        # The class layer is linear: its mean over time is its output for the mean.
        return Activity(self.classifier(h[-1] if self.baseline.reading == "last" else h.mean(0)), {})

    def learned_leaks(self) -> dict[str, list[float]]:
        """Return nothing: there is no leak."""
        return {}


def _rnn(x: Tensor, h: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """h(t) = tanh(x(t) + V h(t-1) + b)."""
    outputs = []
    for current in x.unbind(0):
        h = torch.tanh(current + F.linear(h, v, bias))
        outputs.append(h)
    return torch.stack(outputs)


def _gru(x: Tensor, h: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """With y = V h(t-1) + b: r, z = σ(x + y), n = tanh(x + r · y), h(t) = (1 - z) · n + z · h(t-1)."""
    outputs = []
    for current in x.unbind(0):
        xr, xz, xn = current.chunk(3, -1)
        yr, yz, yn = F.linear(h, v, bias).chunk(3, -1)
        new = torch.tanh(xn + torch.sigmoid(xr + yr) * yn)
        h = torch.lerp(new, h, torch.sigmoid(xz + yz))
        outputs.append(h)
    return torch.stack(outputs)


def _lstm(x: Tensor, h: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """With y = x(t) + V h(t-1) + b: i, f, o = σ(y), c(t) = f · c(t-1) + i · tanh(y), h(t) = o · tanh(c(t))."""
    c = torch.zeros_like(h)
    outputs = []
    for current in x.unbind(0):
        i, f, g, o = (current + F.linear(h, v, bias)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


_STEPS = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}
