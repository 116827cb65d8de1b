"""What a spike does to the membrane potential: the names of the rules that there are, and how to add one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lifroles.additions import Named

if TYPE_CHECKING:  # a variant is made without torch, which takes seconds to import
    from torch import Tensor

Rule = Callable[["Tensor", "Tensor", float], "Tensor"]
"""Potential and spikes of the step before, each ``[B, N]``, and the threshold; to what is left of the potential."""

KERNELS = ("hard", "none", "soft")
"""The rules that every backend knows (:func:`lifroles.backends.reference.keep`); the reference computes any other."""

RESETS: Named[Rule | None] = Named("reset", dict.fromkeys(KERNELS))
"""All of them; those of :data:`KERNELS` have their formula in the backends."""


def register(name: str, rule: Rule) -> None:
    """Let variants have a reset of this name: ``Variant(reset=name)``. Autograd takes its gradient.

    Raises:
        SpecError: the name is taken by one of the package's, or is no name for a folder.
    """
    RESETS.add(name, rule)
