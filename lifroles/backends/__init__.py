"""Implementations of the neuron's equation, chosen by name."""

from __future__ import annotations

from types import ModuleType

from lifroles.backends import cpu, reference
from lifroles.errors import SpecError

_BACKENDS: dict[str, ModuleType] = {"reference": reference, "cpu": cpu}


def select(name: str) -> tuple[str, ModuleType]:
    """Return the backend's name and module; ``"auto"`` picks the fastest there is for this machine.

    ``"cpu"`` hands over to ``"reference"`` by itself where it does not apply, on another device above all.

    Raises:
        SpecError: there is no such backend.
    """
    if name == "auto":
        name = "cpu"
    if name not in _BACKENDS:
        raise SpecError(f"backend is {name!r}: give one of {', '.join(['auto', *_BACKENDS])}.")
    return name, _BACKENDS[name]
