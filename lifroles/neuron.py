"""The neuron with its parts as options, as a SpikingJelly node."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from lifroles import backends
from lifroles.backends import drive
from lifroles.errors import SpecError
from lifroles.sparse import SparseSequence
from lifroles.variant import Leak, Variant

LEAK_INIT = (0.0, 4.0)
"""A learnable leak is sigmoid(w) with w drawn from U(0, 4): k_tau between 0.50 and 0.98, 0.83 on average
(the "medium" initialisation of Zheng et al., Nature Communications 2024)."""


class LearnableLeak(nn.Module):
    """One leakage coefficient a neuron, kept in (0, 1) as the sigmoid of ``w`` ``[features]``."""

    def __init__(self, features: int, init: tuple[float, float] = LEAK_INIT) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.empty(features).uniform_(*init))

    def forward(self) -> Tensor:
        """Return k_tau, ``[features]``."""
        return self.w.sigmoid()


def make_leak(leak: Leak, features: int, init: tuple[float, float] = LEAK_INIT) -> float | LearnableLeak:
    """Return the coefficient itself, or the module that learns one a neuron."""
    return LearnableLeak(features, init) if leak == "learnable" else float(leak)


class OnBackend(nn.Module):
    """A module that a backend computes. It can be copied and pickled: the copy chooses its backend again."""

    def _choose(self, backend: str) -> None:
        self._wanted = backend
        self._backend, self._kernels = backends.select(backend)

    @property
    def backend(self) -> str:
        """The backend that ran last; before the first call, the one for main memory."""
        return getattr(self._kernels, "name", self._backend)

    def __getstate__(self) -> dict[str, Any]:
        # Python modules, which kernels are, cannot be copied.
        return {name: value for name, value in self.__dict__.items() if name != "_kernels"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._choose(self._wanted)


class VariantLIF(OnBackend, neuron.BaseNode):
    """A layer of leaky integrate-and-fire neurons whose parts are those of ``variant``.

        u(t) = k_tau · u(t-1) · (1 - o(t-1)) + V o(t-1) + x(t)
        o(t) = 1 where u(t) >= u_th, else 0

    This is Eq. (3) of the paper, with V (Eq. (4)) where the variant is recurrent, k_tau = 1 or 0 for
    Eqs. (6) and (7), and without the reset factor for Eq. (9). The gradient of a spike is a rectangle:
    ``1 / (2 · width)`` where ``|u - u_th| < width``, else 0. It flows through the reset unless
    ``detach_reset``.

    It is used as any SpikingJelly node: ``functional.reset_net``, ``step_mode`` and monitors work, and
    its state carries over from call to call until it is reset. Its memories are ``v``, the membrane
    potential u(t) before the next step's reset acts on it, and ``o``, the spikes o(t); both start at 0.

    Arguments:
        features: number of neurons N.
        variant: what the neuron is made of.
        u_th: firing threshold (0.3 for Table 5's spatial data sets).
        width: half the width of the surrogate's rectangle.
        detach_reset: whether to stop the gradient at the spike inside the reset.
        backend: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"reference"`` (see :func:`lifroles.backends.select`).
        step_mode: ``"m"``: input and output ``[T, B, N]``; ``"s"``: ``[B, N]``.
        store_v_seq: whether to keep u as ``v_seq`` ``[T, B, N]``.
        leak_init: range of the uniform draw behind a learnable leak, before the sigmoid.

    Attributes:
        recurrent_weight: ``[N, N]``, row i the weights into neuron i, or ``None``.
        leak: the coefficient, or the :class:`LearnableLeak` that gives it.

    Raises:
        SpecError: a size, threshold, width or backend that cannot be.
    """

    def __init__(
        self,
        features: int,
        variant: Variant,
        u_th: float = 0.3,
        width: float = 0.25,
        detach_reset: bool = False,
        backend: str = "auto",
        step_mode: str = "m",
        store_v_seq: bool = False,
        leak_init: tuple[float, float] = LEAK_INIT,
    ) -> None:
        if features < 1:
            raise SpecError(f"features is {features}: a layer has at least one neuron.")
        for name, value in (("u_th", u_th), ("width", width)):
            if not (math.isfinite(value) and value > 0):
                raise SpecError(f"{name} is {value}: give a number above 0.")
        super().__init__(
            v_threshold=float(u_th),
            # SpikingJelly has no word for "no reset": there, `variant` says it.
            v_reset=0.0 if variant.reset == "hard" else None,
            surrogate_function=surrogate.Rect(alpha=1 / (2 * width)),
            detach_reset=detach_reset,
            step_mode=step_mode,
            store_v_seq=store_v_seq,
        )
        self.register_memory("o", 0.0)
        self.features = features
        self.variant = variant
        self.width = float(width)
        self._choose(backend)
        self.leak = make_leak(variant.leak, features, leak_init)
        # nn.Linear's own initialisation: U(-1/sqrt(N), 1/sqrt(N)).
        self.recurrent_weight = nn.Linear(features, features, bias=False).weight if variant.recurrent else None

    @property
    def k_tau(self) -> float | Tensor:
        """The leakage coefficient: a number, or ``[N]`` where it is learnable."""
        return self.leak() if isinstance(self.leak, LearnableLeak) else self.leak

    def extra_repr(self) -> str:
        return f"{self.features}, {self.variant.describe()}, u_th={self.v_threshold:g}, width={self.width:g}"

    def materialize_states(
        self, inputs: tuple[Tensor, ...], states: tuple[object, ...], step_mode: str
    ) -> tuple[object, ...]:
        """Give ``v`` and ``o`` the shape, type and device of one step of the input.

        Raises:
            SpecError: the input's last dimension is not ``features``, or it has the wrong number of them.
        """
        x = inputs[0]
        wanted = "[T, B, features]" if step_mode == "m" else "[B, features]"
        if x.dim() != len(wanted.split(",")) or x.shape[-1] != self.features:
            raise SpecError(f"input has shape {list(x.shape)}: give {wanted} with features = {self.features}.")
        shape = x.shape[1:] if step_mode == "m" else x.shape
        # One element stands for all.
        zeros = torch.zeros((), dtype=x.dtype, device=x.device).expand(shape)
        # As in SpikingJelly, a state whose shape no longer fits (a last, smaller batch) starts again.
        return tuple(s.to(zeros) if isinstance(s, Tensor) and s.shape == shape else zeros for s in states)

    def _equation(self) -> dict[str, object]:
        return {
            "k_tau": self.k_tau,
            "reset": self.variant.reset,
            "u_th": self.v_threshold,
            "fire": self.surrogate_function,
            "detach_reset": self.detach_reset,
            "recurrent_weight": self.recurrent_weight,
        }

    def single_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[object, ...], **kwargs: object
    ) -> tuple[tuple[Tensor, ...], tuple[object, ...]]:
        """Run one step with explicit states ``(v, o)``, each ``[B, N]``."""
        u, o = self._kernels.step(inputs[0], *states, **self._equation())
        return (o,), (u, o)

    def multi_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[object, ...], **kwargs: object
    ) -> tuple[tuple[Tensor, ...], tuple[object, ...]]:
        """Run all steps of ``[T, B, N]`` with explicit states ``(v, o)``, each ``[B, N]``."""
        o_seq, _, u, o = self._kernels.run(inputs[0], *states, **self._equation())
        return (o_seq,), (u, o)

    def multi_step_forward(self, x_seq: Tensor, *args: object, **kwargs: object) -> Tensor:
        """Return the spikes ``[T, B, N]``; keeps the last state, and u as ``v_seq`` if asked for."""
        states = self.materialize_states((x_seq,), (self.v, self.o), "m")
        o_seq, self.v_seq, self.v, self.o = self._kernels.run(
            x_seq, *states, **self._equation(), keep_u=self.store_v_seq
        )
        return o_seq

    def drive(self, linear: nn.Linear, events: SparseSequence) -> Tensor:
        """Return the spikes ``[T, B, N]`` for the current ``linear(events)``; states as in :meth:`multi_step_forward`.

        The ``cpu`` backend sums the current over the events inside its loop over time, and never writes it down.

        Arguments:
            linear: the weighted sum, from M channels to the node's N neurons.
            events: the input ``[T, B, M]``.

        Raises:
            SpecError: the weights do not fit the events or the node.
        """
        return self._drive(linear, events, None)[0]

    def drive_into(
        self, linear: nn.Linear, events: SparseSequence, after: nn.Linear
    ) -> tuple[Callable[[], Tensor], Tensor]:
        """Return a function that gives the spikes ``[T, B, N]`` of :meth:`drive`, and ``after(spikes)``, ``[T, B, C]``.

        For a few classes the ``cpu`` backend notes one bit a neuron and step, and takes the sum from those. It writes
        the spikes out, thirty-two times as much, when they are asked for. Gradients flow back from both.

        Arguments:
            linear: the weighted sum, from M channels to the node's N neurons.
            events: the input ``[T, B, M]``.
            after: the weighted sum that follows, from N neurons to C.

        Raises:
            SpecError: the weights do not fit the events or the node.
        """
        spikes, sums = self._drive(linear, events, after)
        return spikes, sums

    def _drive(self, linear: nn.Linear, events: SparseSequence, after: nn.Linear | None) -> tuple[Any, ...]:
        steps, batch, channels = events.shape
        if (linear.in_features, linear.out_features) != (channels, self.features):
            raise SpecError(
                f"weights are for {linear.in_features} channels and {linear.out_features} neurons: the events have "
                f"{channels} channels and the layer {self.features} neurons."
            )
        weight = linear.weight
        # One element stands for the shape, type and place of a whole step.
        like = torch.empty((), dtype=weight.dtype, device=weight.device).expand(steps, batch, self.features)
        states: Any = self.materialize_states((like,), (self.v, self.o), "m")
        outputs: Any = drive.run(
            self._kernels, events, weight, linear.bias, *states, **self._equation(), keep_u=self.store_v_seq,
            after=None if after is None else (after.weight, after.bias),
        )  # fmt: skip
        o_seq, self.v_seq, self.v, self.o, *sums = outputs
        return o_seq, *sums
