"""What came of an attack, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The end of an attack on B samples.

    Arguments:
        original, adversarial: inputs ``[T, B, N]``, 0 or 1.
        success: whether the sample fooled the network, ``[B]``.
        iterations: steps that the attack made, ``[B]``.
        vanished: how many of them found no gradient at all, ``[B]``.
    """

    original: Tensor
    adversarial: Tensor
    success: Tensor
    iterations: Tensor
    vanished: Tensor

    @property
    def flips(self) -> Tensor:
        """Number of entries changed, ``[B]``; its square root is the L2 distance."""
        return (self.adversarial != self.original).sum((0, 2))

    @property
    def insertions(self) -> Tensor:
        """Number of spikes added, ``[B]``."""
        return (self.adversarial > self.original).sum((0, 2))

    @property
    def deletions(self) -> Tensor:
        """Number of spikes removed, ``[B]``."""
        return (self.adversarial < self.original).sum((0, 2))

    @property
    def fraction(self) -> Tensor:
        """Share of entries changed, which is the mean squared change, ``[B]``."""
        return self.flips.double() / (self.original.shape[0] * self.original.shape[2])

    @property
    def flips_in_time(self) -> Tensor:
        """Number of entries changed at each step, ``[B, T]``."""
        return (self.adversarial != self.original).sum(2).T
