"""The recurrent networks without spikes that Table 7 sets beside the spiking variants.

A :class:`Baseline` stands where a :class:`~lifroles.variant.Variant` stands in a run's spec; the networks themselves
are in :mod:`lifroles.rnn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, get_args

from lifroles.errors import SpecError

Cell = Literal["lstm", "gru", "rnn"]
Reading = Literal["last", "mean"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A recurrent layer of torch.nn between input and class layer (section 4.2.1).

    Arguments:
        cell: ``"lstm"``, ``"gru"``, or ``"rnn"`` with tanh.
        reading: what the class is read from: the class layer's output at the ``"last"`` step, as the code of He et
            al. 2020 does, or its ``"mean"`` over time, as a spiking network's rate is.

    Raises:
        SpecError: a value is not one of these.
    """

    cell: Cell
    reading: Reading = "last"

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name, value, allowed in (("cell", self.cell, Cell), ("reading", self.reading, Reading)):
            if value not in get_args(allowed):
                raise SpecError(f"{name} is {value!r}: give one of {', '.join(get_args(allowed))}.")

    @property
    def name(self) -> str:
        """The name in :data:`BASELINES`."""
        return self.cell if self.reading == "last" else f"{self.cell}_{self.reading}"

    def describe(self) -> str:
        """Return the network in words, for labels and messages."""
        label = {"lstm": "LSTM", "gru": "GRU", "rnn": "vanilla RNN"}[self.cell]
        return f"{label}, read {'at the last step' if self.reading == 'last' else 'as a mean over time'}"


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {one.name: one for reading in get_args(Reading) for one in (Baseline(cell, reading) for cell in get_args(Cell))}
)
"""The rows of Table 7 without spikes, then the same networks read as a mean over time, a control of ours."""

BASELINE_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "lstm": "LSTM",
        "gru": "GRU",
        "rnn": "Vanilla RNN",
        "lstm_mean": "LSTM, mean over time",
        "gru_mean": "GRU, mean over time",
        "rnn_mean": "Vanilla RNN, mean over time",
    }
)
"""The names as Table 7 writes them."""
