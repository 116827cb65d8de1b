"""Implementations of the neuron's equation, chosen by name."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from lifroles.backends import _cupy, cpu
from lifroles.errors import SpecError

NAMES = ("reference", "cpu", "cuda")


class Auto:
    """Picks by where each call's input lies: ``cpu`` in main memory, ``cuda`` on an NVIDIA GPU that CuPy can use.

    Anywhere else, and on a GPU without CuPy, it is ``reference``.

    Attributes:
        name: the backend that the last call went to; ``"cpu"`` before the first.
    """

    def __init__(self) -> None:
        self.name = "cpu"

    def _pick(self, device: torch.device) -> Any:
        if device.type == "cpu":
            self.name = "cpu"
        else:
            self.name = "cuda" if device.type == "cuda" and _cupy.lacks() is None else "reference"
        return _module(self.name)

    def step(self, x: Tensor, *state: Any, **equation: Any) -> Any:
        """See :func:`lifroles.backends.reference.step`."""
        return self._pick(x.device).step(x, *state, **equation)

    def run(self, x_seq: Tensor, *state: Any, **equation: Any) -> Any:
        """See :func:`lifroles.backends.reference.run`."""
        return self._pick(x_seq.device).run(x_seq, *state, **equation)

    def integrate(self, x_seq: Tensor, *, k_tau: float | Tensor) -> Tensor:
        """See :func:`lifroles.backends.reference.integrate`."""
        return self._pick(x_seq.device).integrate(x_seq, k_tau=k_tau)

    def run_events(self, events: Any, weight: Tensor, *state: Any, **equation: Any) -> Any:
        """See :func:`lifroles.backends.cpu.run_events`, for weights in main memory."""
        self.name = "cpu"
        return cpu.run_events(events, weight, *state, **equation)

    def product(self, events: Any, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """See :func:`lifroles.backends.cpu.product`, for weights in main memory."""
        self.name = "cpu"
        return cpu.product(events, weight, bias)

    def spikes_product(self, o_seq: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """See :func:`lifroles.backends.cpu.spikes_product`, for spikes in main memory."""
        self.name = "cpu"
        return cpu.spikes_product(o_seq, weight, bias)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"lifroles.backends.{name}")


def select(name: str) -> tuple[str, Any]:
    """Return the name and the functions (``step``, ``run``, ``integrate``) of a backend.

    ``"auto"`` picks the fastest there is for the device that a call's tensors are on; the name is then the one that
    fits main memory, and where there is a GPU the second is an :class:`Auto`, which says which it picked last.
    ``"cpu"`` and ``"cuda"`` hand over to ``"reference"`` by themselves where they do not apply, on another device above
    all.

    Raises:
        SpecError: there is no such backend, or ``"cuda"`` lacks CuPy or a GPU.
    """
    if name == "auto":
        return ("cpu", Auto()) if torch.cuda.is_available() else ("cpu", cpu)
    if name not in NAMES:
        raise SpecError(f"backend is {name!r}: give one of {', '.join(['auto', *NAMES])}.")
    missing = _cupy.lacks() if name == "cuda" else None
    if missing is not None:
        raise SpecError(f"backend is 'cuda', but {missing}, or give backend='auto'.")
    return name, _module(name)
