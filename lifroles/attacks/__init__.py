"""Attacks on networks whose input is binary events, and the corruptions that nature makes.

Everything here changes inputs, never a network. Inputs are ``[T, B, N]``, 0 or 1.
"""

from lifroles.attacks.boundary import shrink
from lifroles.attacks.liang import liang
from lifroles.attacks.outcome import Outcome
from lifroles.attacks.prefix import by_chance, by_gradient, fewest
from lifroles.attacks.victim import Victim

__all__ = ["Outcome", "Victim", "by_chance", "by_gradient", "fewest", "liang", "shrink"]
