"""The parts of the leaky integrate-and-fire neuron that the paper removes or adds, one at a time.

A :class:`Variant` says what the neuron is made of and nothing about a network, a data set or a
tensor library. Leakage is Eqs. (5)-(7) of the paper, reset Eqs. (8) and (9), recurrence Eqs. (10)
and (11).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from lifroles.errors import SpecError
from lifroles.resets import RESETS

Reset = str
"""A name of :data:`lifroles.resets.RESETS`."""
Leak = float | Literal["learnable"]

NORMAL_LEAK = 0.3
"""The paper's typical leakage coefficient (section 3.1)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build the neuron.

    Arguments:
        leak: the leakage coefficient k_tau in [0, 1] by which the membrane potential is multiplied
            from one step to the next (1: no leakage, Eq. (6); 0: complete leakage, Eq. (7)), or
            ``"learnable"``: one trained coefficient a neuron.
        reset: what a spike does to the membrane potential that the next step starts from:
            ``"hard"`` sets it to zero (Eq. (8)), ``"none"`` leaves it (Eq. (9)), ``"soft"``
            subtracts the threshold (not in the paper); :func:`lifroles.resets.register` adds others.
        recurrent: whether the spikes of a layer return to it one step later (Eq. (11)).

    Raises:
        SpecError: a value is not one of these.
    """

    leak: Leak = NORMAL_LEAK
    reset: Reset = "hard"
    recurrent: bool = False

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        leak = self.leak
        if leak != "learnable":
            if isinstance(leak, bool) or not isinstance(leak, int | float):
                raise SpecError(f"leak is {leak!r}: give a number in [0, 1] or 'learnable'.")
            if math.isnan(leak) or not 0 <= leak <= 1:
                raise SpecError(f"leak is {leak!r}: the coefficient k_tau lies in [0, 1] (or give 'learnable').")
            # -0.0 and the integers 0 and 1 would hash to another run than 0.0 and 1.0.
            object.__setattr__(self, "leak", float(leak) + 0.0)
        RESETS.find(self.reset)
        if not isinstance(self.recurrent, bool):
            raise SpecError(f"recurrent is {self.recurrent!r}: give True or False.")

    def describe(self) -> str:
        """Return the variant in words, for labels and messages."""
        leak = "learnable leak" if self.leak == "learnable" else f"k_tau = {self.leak:g}"
        reset = "no reset" if self.reset == "none" else f"{self.reset} reset"
        return f"{leak}, {reset}, {'recurrent' if self.recurrent else 'feed-forward'}"


PAPER_VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "baseline": Variant(),
        "no_leakage": Variant(leak=1.0),
        "complete_leakage": Variant(leak=0.0),
        "no_reset": Variant(reset="none"),
        "recurrent": Variant(recurrent=True),
        "no_leakage_recurrent": Variant(leak=1.0, recurrent=True),
        "no_leakage_no_reset_recurrent": Variant(leak=1.0, reset="none", recurrent=True),
    }
)
"""The paper's variants by name: the five of Table 6, then the two combinations of Table 7.

Those with normal leakage hold the typical 0.3 here; a benchmark puts its own normal leakage in
(learnable on the temporal ones, section 4.1.2) when it resolves a name.
"""

TABLE6_VARIANTS: tuple[str, ...] = tuple(PAPER_VARIANTS)[:5]

VARIANT_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "baseline": "Baseline",
        "no_leakage": "Without leakage",
        "complete_leakage": "Complete leakage",
        "no_reset": "Without reset",
        "recurrent": "With recurrence",
        "no_leakage_recurrent": "Without leakage, with recurrence",
        "no_leakage_no_reset_recurrent": "Without leakage and reset, with recurrence",
    }
)
"""The names as the paper's Tables 6 and 7 write them."""
