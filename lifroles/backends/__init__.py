"""Implementations of the neuron's equation, chosen by name."""

from __future__ import annotations

from types import ModuleType

from lifroles.backends import reference
from lifroles.errors import SpecError

_BACKENDS: dict[str, ModuleType] = {"reference": reference}


def select(name: str) -> tuple[str, ModuleType]:
    """Return the backend's name and module; ``"auto"`` picks the fastest there is for this machine.

    Raises:
        SpecError: there is no such backend.
    """
    if name == "auto":
        name = "reference"
    if name not in _BACKENDS:
        raise SpecError(f"backend is {name!r}: give one of {', '.join(['auto', *_BACKENDS])}.")
    return name, _BACKENDS[name]
