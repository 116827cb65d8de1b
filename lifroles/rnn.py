"""The RNN, GRU and LSTM baselines of section 4.2: Input(2312)-RNN(512)-FC(10), torch.nn's own cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lifroles.backends import drive
from lifroles.baselines import Baseline
from lifroles.networks import Activity
from lifroles.neuron import OnBackend
from lifroles.sparse import SparseSequence

State = tuple[Tensor, ...]
"""What a cell carries from step to step: h, or h and c, each ``[B, H]``."""

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

    def current(self, x_seq: Tensor | SparseSequence) -> Tensor:
        """Return the weighted sum of the input ``[T, B, N]`` that goes into every gate, ``[T, B, gates · H]``."""
        weight, bias = self._weights("ih")
        if isinstance(x_seq, Tensor):
            return F.linear(x_seq, weight, bias)
        return drive.product(self._kernels, x_seq, weight, bias)

    @property
    def input_weight(self) -> Tensor:
        """The weights ``[gates · H, N]`` that :meth:`current` multiplies the input with."""
        return self._weights("ih")[0]

    def states(self, current: Tensor) -> list[State]:
        """Return what the layer holds after every step, from the state 0: its output h, for the LSTM also its cell c.

        Arguments:
            current: what :meth:`current` returns.
        """
        step = STEPS[self.baseline.cell]
        rest = current.new_zeros(current.shape[1], self.cell.hidden_size)
        state: State = (rest, rest) if self.baseline.cell == "lstm" else (rest,)
        weights = self._weights("hh")
        states = []
        for x in current.unbind(0):
            state = step(x, state, *weights)
            states.append(state)
        return states

    def hidden(self, x_seq: Tensor | SparseSequence) -> Tensor:
        """Return the recurrent layer's outputs ``[T, B, H]`` for ``[T, B, N]``."""
        # torch's own layer is the faster one where the input is dense anyway.
        if isinstance(x_seq, Tensor):
            return self.cell(x_seq)[0]
        return torch.stack([state[0] for state in self.states(self.current(x_seq))])

    def from_current(self, current: Tensor) -> Activity:
        """Run from the state 0, given what :meth:`current` returns."""
        return Activity(self.read(torch.stack([state[0] for state in self.states(current)])), {})

    def read(self, h: Tensor) -> Tensor:
        """Return the class layer's output ``[B, C]`` for the recurrent layer's ``[T, B, H]``."""
        # The class layer is linear: its mean over time is its output for the mean.
        return self.classifier(h[-1] if self.baseline.reading == "last" else h.mean(0))

    def forward(self, x_seq: Tensor | SparseSequence) -> Activity:
        """Return the class layer's output ``[B, C]``, at the last step or as a mean; there are no spikes."""
        return Activity(self.read(self.hidden(x_seq)), {})

    def learned_leaks(self) -> dict[str, list[float]]:
        """Return nothing: there is no leak."""
        return {}

    def _weights(self, which: str) -> tuple[Tensor, Tensor | None]:
        cell: Any = self.cell
        bias = getattr(cell, f"bias_{which}_l0") if cell.bias else None
        return getattr(cell, f"weight_{which}_l0"), bias


def _rnn(x: Tensor, state: State, v: Tensor, bias: Tensor | None) -> State:
    """h(t) = tanh(x(t) + V h(t-1) + b)."""
    return (torch.tanh(x + F.linear(state[0], v, bias)),)


def _gru(x: Tensor, state: State, v: Tensor, bias: Tensor | None) -> State:
    """With y = V h(t-1) + b: r, z = σ(x + y), n = tanh(x + r · y), h(t) = (1 - z) · n + z · h(t-1)."""
    h = state[0]
    xr, xz, xn = x.chunk(3, -1)
    yr, yz, yn = F.linear(h, v, bias).chunk(3, -1)
    new = torch.tanh(xn + torch.sigmoid(xr + yr) * yn)
    return (torch.lerp(new, h, torch.sigmoid(xz + yz)),)


def _lstm(x: Tensor, state: State, v: Tensor, bias: Tensor | None) -> State:
    """With y = x(t) + V h(t-1) + b: i, f, o = σ(y), c(t) = f · c(t-1) + i · tanh(y), h(t) = o · tanh(c(t))."""
    h, c = state
    i, f, g, o = (x + F.linear(h, v, bias)).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


STEPS: dict[str, Callable[[Tensor, State, Tensor, Tensor | None], State]] = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}
"""One step of each cell: what :meth:`RecurrentNetwork.current` gives, the state, V and its bias; to the next state."""
