"""The neuron on an NVIDIA GPU: the kernels of ``kernels.cu``, compiled and launched by CuPy on torch's own tensors.

The equations, forward and backward, are those of :mod:`lifroles.backends.cpu`. A layer takes one launch forward and
one backward. Without recurrence a thread follows one neuron of one sample through all its steps, in the reference's
order of operations, so that u and o are equal to the reference's bit for bit. With recurrence a block follows one
sample (backward, a few samples) and adds up the rows of Vᵀ that the last step's spikes name, in ascending order: that
is the reference's sum in another order than a matrix product's. The gradients of k and of the initial state come from
the same launch, that of V is one matrix product after it. No sum depends on the order in which threads run.

The kernels read torch's tensors where they are, on torch's current stream: an input may repeat one step or one row
(``expand``) and may have any distance between steps and between rows. Only where the neurons of one row do not lie
side by side is it written out first. With recurrence Vᵀ is written out once a call.

What the kernels do not cover goes to the reference, on the same device: a surrogate other than SpikingJelly's ``Rect``
in spiking mode, tensors that are not dense float32 or float64 tensors on one GPU or whose types differ, an input that
is not ``[T, B, N]`` or has no elements, a recurrent layer of more than 1,024 neurons, autocast, ``torch.func`` and
code under ``torch.compile``. There is no second derivative: asked for one (``create_graph=True``), the backward pass
refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn

from lifroles.backends import reference
from lifroles.backends._cupy import KERNELS, SOURCE, Argument, CuPy, Launch, Options
from lifroles.errors import LifrolesError
from lifroles.resets import KERNELS as RESETS
from lifroles.variant import Reset

__all__ = ["KERNELS", "SOURCE", "Backend", "Launch", "Options", "integrate", "run", "step"]

LANES_PER_BLOCK = 128
WARP = 32
# As in the source.
RECURRENT_THREADS, RECURRENT_MOST, RECURRENT_BYTES = 512, 1024, 16

_TYPES = {torch.float32: ("float", np.float32), torch.float64: ("double", np.float64)}


@dataclass(frozen=True)
class _Rule:
    """What does not change along a sequence: reset, threshold and surrogate; and how to launch."""

    launch: Launch
    reset: str
    u_th: float
    alpha: float
    through_reset: bool

    @property
    def fires(self) -> bool:
        return self.reset != "SILENT"

    def run(self, kernel: str, like: Tensor, blocks: int, threads: int, arguments: Sequence[Any]) -> None:
        """Launch with tensors as their addresses (``None``: 0) and real numbers in the type of ``like``."""
        name, real = _TYPES[like.dtype]

        def packed(argument: Tensor | float | None) -> Argument:
            if isinstance(argument, Tensor):
                return argument.data_ptr()
            return real(argument) if isinstance(argument, float) else argument or 0

        # The caller holds the tensors until the launch is under way. After that the stream keeps the order.
        self.launch(kernel, Options(name, self.reset), blocks, threads, tuple(map(packed, arguments)), like.device)


def _strided(sequence: Tensor | None) -> tuple[Any, ...]:
    """Return ``[T, B, N]`` and its strides, written out if neighbouring neurons do not lie side by side."""
    if sequence is None:
        return None, 0, 0, 0
    sequence = sequence.detach().resolve_neg()
    if sequence.stride(2) not in (0, 1) and sequence.shape[2] > 1:
        sequence = sequence.contiguous()
    return sequence, *sequence.stride()


def _dense(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().resolve_neg().contiguous()


def _coefficients(k: float | Tensor) -> tuple[Any, ...]:
    return (_dense(k), 0.0) if isinstance(k, Tensor) else (None, float(k))


def _grid(batch: int, neurons: int, recurrent: bool, samples: int) -> tuple[int, int]:
    """Return the number of blocks, and of threads in each, for ``samples`` samples in a recurrent kernel's block."""
    if recurrent:
        return -(-batch // samples), min(-(-neurons // WARP) * WARP, RECURRENT_THREADS)
    return -(-batch * neurons // LANES_PER_BLOCK), LANES_PER_BLOCK


def _forward(
    rule: _Rule, x: Tensor, u: Tensor | None, o: Tensor | None, k: float | Tensor, weight: Tensor | None, keep_u: bool
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Return o, u (if ``keep_u``), each ``[T, B, N]``, and the last of each; an o of no elements without spikes."""
    _, batch, neurons = x.shape
    u_seq = x.new_empty(x.shape) if keep_u else None
    o_seq, o_last = (x.new_empty(x.shape[i:] if rule.fires else (0,)) for i in (0, 1))
    u_last = x.new_empty(x.shape[1:])
    arguments = [
        *_strided(x),
        _dense(u),
        _dense(o),
        *_coefficients(k),
        rule.u_th,
        *x.shape,
        u_seq,
        o_seq,
        u_last,
        o_last,
    ]
    kernel = "forward"
    if weight is not None:
        kernel = "forward_recurrent"
        arguments += [_dense(weight.t()), (weight.detach() * 0).sum(1)]
    rule.run(kernel, x, *_grid(batch, neurons, weight is not None, 1), arguments)
    return o_seq, u_seq, o_last, u_last


class _Sequence(torch.autograd.Function):
    """All steps of a layer. Returns o and u, each ``[T, B, N]``, and the last of each, ``[B, N]``."""

    @staticmethod
    def forward(
        ctx: Any,
        rule: _Rule,
        x: Tensor,
        u: Tensor | None,
        o: Tensor | None,
        k: float | Tensor,
        weight: Tensor | None,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        o_seq, u_seq, o_last, u_last = _forward(rule, x, u, o, k, weight, keep_u=True)
        ctx.rule, ctx.k = rule, k
        ctx.save_for_backward(
            u_seq, u, o, k if isinstance(k, Tensor) else None, weight, None if weight is None else o_seq
        )
        ctx.set_materialize_grads(False)
        return o_seq, u_seq, o_last, u_last

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        # torch's own once_differentiable lets through what comes from a loss linear in o, without its graph.
        if torch.is_grad_enabled():
            raise LifrolesError("the cuda backend has no second derivative: give backend='reference'.")
        go, gu, go_last, gu_last = gradients
        rule: _Rule = ctx.rule
        u_seq, u, o, k, weight, o_seq = ctx.saved_tensors
        _, wants_x, wants_u, wants_o, wants_k, wants_weight = ctx.needs_input_grad
        _, batch, neurons = u_seq.shape
        recurrent = weight is not None
        blocks, threads = _grid(batch, neurons, recurrent, RECURRENT_BYTES // u_seq.element_size())

        # new_empty, because empty_like would take over the strides of a state that is not dense.
        state = u_seq.shape[1:]
        g = u_seq.new_empty(u_seq.shape) if wants_x or recurrent else None
        g_u = u_seq.new_empty(state) if wants_u else None
        g_o = u_seq.new_empty(state) if wants_o and (recurrent or rule.through_reset) else None
        g_k = u_seq.new_empty((blocks if recurrent else batch, neurons), dtype=torch.float64) if wants_k else None
        arguments = [
            u_seq, _dense(u), _dense(o), *_strided(go if rule.fires else None), *_strided(gu),
            _dense(go_last if rule.fires else None), _dense(gu_last), *_coefficients(ctx.k if k is None else k),
            rule.u_th, rule.alpha, 0.5 / rule.alpha, int(rule.through_reset), *u_seq.shape, g, g_u, g_o, g_k,
        ]  # fmt: skip
        g_weight = None
        if not recurrent:
            rule.run("backward", u_seq, blocks, threads, arguments)
        else:
            assert g is not None
            rule.run("backward_recurrent", u_seq, blocks, threads, [*arguments, _dense(weight)])
            if wants_weight:
                g_weight = torch.mm(g[0].t(), o)
                if len(g) > 1:
                    g_weight.addmm_(g[1:].reshape(-1, neurons).t(), o_seq[:-1].reshape(-1, neurons))
            if g_o is not None:
                g_o.addmm_(g[0], weight)
        return (
            None,
            g if wants_x else None,
            g_u,
            g_o,
            None if g_k is None else g_k.sum(0).to(u_seq.dtype),
            g_weight,
        )


def _advance(
    rule: _Rule,
    x: Tensor,
    u: Tensor | None,
    o: Tensor | None,
    k: float | Tensor,
    weight: Tensor | None,
    keep_u: bool,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Return o, u (if ``keep_u``) and the last of each, with gradients where they are wanted."""
    if torch.is_grad_enabled() and any(isinstance(v, Tensor) and v.requires_grad for v in (x, u, o, k, weight)):
        return _Sequence.apply(rule, x, u, o, k, weight)
    with torch.no_grad():
        return _forward(rule, x, u, o, k, weight, keep_u)


class Backend:
    """The backend with its way to launch: on a GPU, or (in the tests) the same source on the processor.

    Arguments:
        launch: runs a kernel.
    """

    step = staticmethod(reference.step)

    def __init__(self, launch: Launch) -> None:
        self._launch = launch

    def _plain(self, like: Tensor, *tensors: Tensor) -> bool:
        """Return whether the kernels can read all these tensors."""
        device = self._launch.device
        if torch.compiler.is_compiling() or torch.is_autocast_enabled(device):
            return False
        return like.dtype in _TYPES and all(
            type(tensor) in (Tensor, nn.Parameter)
            and tensor.device.type == device
            and tensor.device == like.device
            and tensor.layout == torch.strided
            and tensor.dtype == like.dtype
            and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # pyright: ignore[reportAttributeAccessIssue]
            for tensor in (like, *tensors)
        )

    def run(
        self,
        x_seq: Tensor,
        u: Tensor,
        o: Tensor,
        *,
        k_tau: float | Tensor,
        reset: Reset,
        u_th: float,
        fire: Callable[[Tensor], Tensor],
        detach_reset: bool = False,
        recurrent_weight: Tensor | None = None,
        keep_u: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Advance by all ``T`` steps of ``x_seq``; arguments as for :func:`lifroles.backends.reference.run`.

        Returns:
            spikes ``[T, B, N]``; membrane potentials ``[T, B, N]`` if ``keep_u``, else ``None``; and the
            last ``u`` and ``o``, each ``[B, N]``. Gradients flow back from all of them.
        """
        alpha = getattr(fire, "alpha", None)
        tensors = [value for value in (u, o, k_tau, recurrent_weight) if isinstance(value, Tensor)]
        if not (
            reset in RESETS
            and type(fire) is surrogate.Rect
            and getattr(fire, "spiking", False)
            and isinstance(alpha, int | float)
            and alpha > 0
            and x_seq.dim() == 3
            and x_seq.numel() > 0
            and u.shape == o.shape == x_seq.shape[1:]
            and (not isinstance(k_tau, Tensor) or k_tau.shape == x_seq.shape[-1:])
            and (
                recurrent_weight is None
                or (recurrent_weight.shape == (x_seq.shape[-1],) * 2 and x_seq.shape[-1] <= RECURRENT_MOST)
            )
            and self._plain(x_seq, *tensors)
        ):
            return reference.run(
                x_seq, u, o, k_tau=k_tau, reset=reset, u_th=u_th, fire=fire, detach_reset=detach_reset,
                recurrent_weight=recurrent_weight, keep_u=keep_u,
            )  # fmt: skip
        rule = _Rule(self._launch, reset.upper(), float(u_th), float(alpha), reset != "none" and not detach_reset)
        o_seq, u_seq, o_last, u_last = _advance(rule, x_seq, u, o, k_tau, recurrent_weight, keep_u)
        return o_seq, u_seq if keep_u else None, u_last, o_last

    def integrate(self, x_seq: Tensor, *, k_tau: float | Tensor) -> Tensor:
        """Return the membrane potentials ``[T, B, N]`` of units that never fire: ``m(t) = k_tau · m(t-1) + x(t)``."""
        tensors = [k_tau] if isinstance(k_tau, Tensor) else []
        if not (
            x_seq.dim() == 3
            and x_seq.numel() > 0
            and (not tensors or tensors[0].shape == x_seq.shape[-1:])
            and self._plain(x_seq, *tensors)
        ):
            return reference.integrate(x_seq, k_tau=k_tau)
        rule = _Rule(self._launch, "SILENT", 0.0, 1.0, False)
        _, u_seq, _, _ = _advance(rule, x_seq, None, None, k_tau, None, True)
        assert u_seq is not None
        return u_seq


_backend = Backend(CuPy())
step, run, integrate = reference.step, _backend.run, _backend.integrate
