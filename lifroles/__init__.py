"""The parts of spiking neurons, taken apart: a companion of Yin et al. (2024), arXiv:2403.16674."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifroles.variant import PAPER_VARIANTS, TABLE6_VARIANTS, VARIANT_LABELS, Variant

if TYPE_CHECKING:
    from lifroles.neuron import VariantLIF
    from lifroles.spec import RunSpec
    from lifroles.store import Store
    from lifroles.training import replay, run, train

__version__ = "0.1.0"

__all__ = [
    "PAPER_VARIANTS",
    "TABLE6_VARIANTS",
    "VARIANT_LABELS",
    "RunSpec",
    "Store",
    "Variant",
    "VariantLIF",
    "replay",
    "run",
    "train",
]

# These need torch, which takes seconds to import: they are looked up when they are first used.
_LATE = {
    "RunSpec": "lifroles.spec",
    "Store": "lifroles.store",
    "VariantLIF": "lifroles.neuron",
    "replay": "lifroles.training",
    "run": "lifroles.training",
    "train": "lifroles.training",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module 'lifroles' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
