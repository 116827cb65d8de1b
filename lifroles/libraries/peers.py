"""The other libraries' nodes, each run on a case by the name of its row.

A runner takes the case as it is, or mended as the row says, and returns spikes, potentials in the unit and with the
zero of ours, and the surrogate that it fired with.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import torch
from spikingjelly.activation_based import layer, neuron, surrogate
from torch import Tensor

from lifroles.errors import LifrolesError
from lifroles.libraries.rows import LIBRARIES, WIDTH

REST = 0.125
"""Resting and reset potential where a row moves them: a power of two, which no sum at the threshold rounds."""
_DT = 1e-3
_TAU_SYN_INV = 200.0  # Norse's own default, 1/(5 ms)

Fire = Callable[[Tensor], Tensor]


class MissingLibrary(LifrolesError):
    """A library to compare with is not installed."""


@dataclass(frozen=True)
class Case:
    """What a node is run on.

    Arguments:
        x: input current ``[T, B, N]``.
        k: leakage coefficient.
        u_th: threshold.
        across: recurrent weights ``[N, N]``, row i the weights into neuron i.
        w: the learnable leak before the sigmoid, one number.
        mended: whether to do what the row says makes node and ours agree.
    """

    x: Tensor
    k: float
    u_th: float
    across: Tensor
    w: Tensor
    mended: bool


@dataclass(frozen=True)
class Answer:
    """What a node did: spikes and potentials ``[T, B, N]`` (``None``: it gives none out), and what it fired with."""

    o: Tensor
    u: Tensor | None
    fire: Fire


@cache
def load(library: str, module: str) -> Any:
    """Import a module of another library.

    Raises:
        MissingLibrary: the library is not installed.
    """
    try:
        with warnings.catch_warnings():
            # Norse compiles a function with torch.jit.script, which torch 2.13 announces the end of.
            warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingLibrary(
            f"{LIBRARIES[library]} is not installed: pip install -c requirements.lock -e '.[bench]' brings it."
        ) from error


def _rect() -> surrogate.Rect:
    return surrogate.Rect(alpha=1 / (2 * WIDTH))


def _steps(
    x: Tensor, state: Any, step: Callable[[Tensor, Any], tuple[Tensor, Any]], potential: Callable[[Any], Any]
) -> tuple[Tensor, Tensor]:
    """Go through ``[T, B, N]`` one step after the other; return spikes and potentials."""
    o_seq, u_seq = [], []
    for x_t in x.unbind(0):
        o, state = step(x_t, state)
        o_seq.append(o)
        u_seq.append(potential(state))
    return torch.stack(o_seq), torch.stack(u_seq)


# SpikingJelly


def _node(case: Case, node: Any, fire: Fire, scale: float = 1.0, rest: float = 0.0, parameters: Any = None) -> Answer:
    x = scale * case.x
    o = torch.func.functional_call(node, parameters, (x,)) if parameters else node(x)
    return Answer(o, node.v_seq - rest, fire)


def _if(reset: float | None) -> Callable[[Case], Answer]:
    def run(case: Case) -> Answer:
        fire = _rect()
        node = neuron.IFNode(case.u_th, reset, fire, step_mode="m", store_v_seq=True)
        return _node(case, node, fire)

    return run


def _lif(
    reset: float | None = 0.0, *, decay_input: bool = False, detach: bool = False, fire: Callable[[], Any] = _rect
) -> Callable[[Case], Answer]:
    def run(case: Case) -> Answer:
        surrogate_function = fire()
        tau = 1 / (1 - case.k)
        rest = reset or 0.0
        u_th = case.u_th + (rest if case.mended else 0.0)
        node = neuron.LIFNode(
            tau, decay_input, u_th, reset, surrogate_function, detach, step_mode="m", store_v_seq=True
        )
        scale = tau if decay_input and case.mended else 1.0
        return _node(case, node, surrogate_function, scale, rest if case.mended else 0.0)

    return run


def _lif_tau_1(case: Case) -> Answer:
    node = neuron.LIFNode(tau=1.0, decay_input=False, v_threshold=case.u_th, step_mode="m", store_v_seq=True)
    return _node(case, node, node.surrogate_function)


class _NoReset(neuron.SimpleLIFNode):
    def neuronal_reset(self, spike: Tensor) -> None:
        pass


def _no_reset(case: Case) -> Answer:
    if not case.mended:
        return _lif(None)(case)
    fire = _rect()
    node = _NoReset(1 / (1 - case.k), False, case.u_th, 0.0, fire, step_mode="s")
    return Answer(*_steps(case.x, None, lambda x, _: (node(x), None), lambda _: node.v), fire)


def _plif(case: Case) -> Answer:
    fire = _rect()
    node = neuron.ParametricLIFNode(2.0, False, case.u_th, 0.0, fire, step_mode="m", store_v_seq=True)
    # As it stands its w is the logarithm of the odds of 1 - k_tau; the sign turns k_tau into that.
    w = -case.w if case.mended else case.w + (-2 * case.w).detach()
    return _node(case, node, fire, parameters={"w": w})


def _container(case: Case) -> Answer:
    fire = _rect()
    neurons = case.x.shape[-1]
    node = neuron.LIFNode(1 / (1 - case.k), False, case.u_th, 0.0, fire, step_mode="s")
    torch.manual_seed(0)
    whole = layer.LinearRecurrentContainer(node, neurons, neurons, bias=False)
    mixing = torch.eye(neurons) if case.mended else whole.rc.weight[:, :neurons].detach()
    parameters = {"rc.weight": torch.cat((mixing, case.across), 1)}
    call = torch.func.functional_call
    return Answer(*_steps(case.x, None, lambda x, _: (call(whole, parameters, (x,)), None), lambda _: node.v), fire)


# snnTorch


def _leaky(
    reset: str, *, delay: bool = True, rect: bool = False, beta: float | None = None
) -> Callable[[Case], Answer]:
    def run(case: Case) -> Answer:
        snntorch = load("snntorch", "snntorch")
        fire = _rect() if rect else load("snntorch", "snntorch.surrogate").atan(alpha=2.0)
        leak = case.k if beta is None else beta
        node = snntorch.Leaky(leak, case.u_th, fire, reset_mechanism=reset, reset_delay=delay)
        return Answer(*_steps(case.x, torch.zeros_like(case.x[0]), node, lambda mem: mem), fire)

    return run


def _leaky_parallel(case: Case) -> Answer:
    snntorch = load("snntorch", "snntorch")
    fire = load("snntorch", "snntorch.surrogate").atan(alpha=2.0)
    neurons = case.x.shape[-1]
    node = snntorch.LeakyParallel(neurons, neurons, beta=case.k, bias=False, threshold=case.u_th, spike_grad=fire)
    torch.nn.init.eye_(node.rnn.weight_ih_l0)
    return Answer(node(case.x), None, fire)


def _rleaky(case: Case) -> Answer:
    snntorch = load("snntorch", "snntorch")
    fire = load("snntorch", "snntorch.surrogate").atan(alpha=2.0)
    node = snntorch.RLeaky(
        case.k, linear_features=case.x.shape[-1], threshold=case.u_th, spike_grad=fire, reset_mechanism="zero",
        reset_delay=not case.mended,
    )  # fmt: skip
    parameters = {"recurrent.weight": case.across, "recurrent.bias": torch.zeros(case.x.shape[-1])}

    def step(x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        state = torch.func.functional_call(node, parameters, (x, *state))
        return state[0], state

    zeros = torch.zeros_like(case.x[0])
    return Answer(*_steps(case.x, (zeros, zeros), step, lambda state: state[1]), fire)


# Norse


def norse_super(x: Tensor) -> Tensor:
    """Fire as Norse does where nothing else is said: SuperSpike, above 0 only."""
    return load("norse", "norse.torch.functional.threshold").threshold(x, "super", torch.as_tensor(100.0))


def _keep_all(z: Tensor, v: Tensor, reset: Tensor, th: Tensor) -> Tensor:
    return v


def _box(reset: str = "reset_value", *, rest: float = 0.0) -> Callable[[Case], Answer]:
    def run(case: Case) -> Answer:
        box = load("norse", "norse.torch.functional.lif_box")
        method = _keep_all if reset == "none" else getattr(load("norse", "norse.torch.functional.reset"), reset)
        shift = rest if case.mended else 0.0
        p = box.LIFBoxParameters(
            tau_mem_inv=torch.as_tensor((1 - case.k) / _DT),
            v_leak=torch.as_tensor(rest),
            v_th=torch.as_tensor(case.u_th + shift),
            v_reset=torch.as_tensor(rest),
            reset_method=method,
        )
        state = box.LIFBoxFeedForwardState(v=torch.full_like(case.x[0], rest))
        x = case.x / (1 - case.k) if case.mended else case.x
        o, v = _steps(x, state, lambda x, s: box.lif_box_feed_forward_step(x, s, p, _DT), lambda s: s.v)
        return Answer(o, v - shift, norse_super)

    return run


def _iaf(case: Case) -> Answer:
    iaf = load("norse", "norse.torch.functional.iaf")
    p = iaf.IAFParameters(v_th=torch.as_tensor(case.u_th))
    state = iaf.IAFFeedForwardState(v=torch.zeros_like(case.x[0]))
    return Answer(
        *_steps(case.x, state, lambda x, s: iaf.iaf_feed_forward_step(x, s, p, _DT), lambda s: s.v), norse_super
    )


def _lif_parameters(case: Case) -> Any:
    return load("norse", "norse.torch.functional.lif").LIFParameters(
        tau_syn_inv=torch.as_tensor(1 / _DT if case.mended else _TAU_SYN_INV),
        tau_mem_inv=torch.as_tensor((1 - case.k) / _DT),
        v_th=torch.as_tensor(case.u_th),
    )


def _norse_lif(case: Case) -> Answer:
    lif = load("norse", "norse.torch.functional.lif")
    p, zeros = _lif_parameters(case), torch.zeros_like(case.x[0])
    x = case.x / (1 - case.k) if case.mended else case.x
    state = lif.LIFFeedForwardState(v=zeros, i=zeros)
    return Answer(*_steps(x, state, lambda x, s: lif.lif_feed_forward_step(x, s, p, _DT), lambda s: s.v), norse_super)


def _norse_recurrent(case: Case) -> Answer:
    lif = load("norse", "norse.torch.functional.lif")
    module = load("norse", "norse.torch.module.lif")
    neurons, zeros = case.x.shape[-1], torch.zeros_like(case.x[0])
    scale = 1 / (1 - case.k) if case.mended else 1.0
    node = module.LIFRecurrentCell(
        neurons, neurons, p=_lif_parameters(case), autapses=case.mended, dt=_DT,
        input_weights=scale * torch.eye(neurons), recurrent_weights=torch.nn.Parameter(torch.ones(neurons, neurons)),
    )  # fmt: skip
    # What the cell has left of the ones says which weights it allows.
    parameters = {"recurrent_weights": scale * case.across * node.recurrent_weights.detach()}

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return torch.func.functional_call(node, parameters, (x, state))

    state = lif.LIFState(z=zeros, v=zeros, i=zeros)
    return Answer(*_steps(case.x, state, step, lambda s: s.v), norse_super)


RUNNERS: Mapping[str, Callable[[Case], Answer]] = MappingProxyType(
    {
        "sj-if-hard": _if(0.0),
        "sj-if-soft": _if(None),
        "sj-lif-hard": _lif(),
        "sj-lif-atan": _lif(fire=surrogate.ATan),
        "sj-lif-detach": _lif(detach=True),
        "sj-lif-soft": _lif(None),
        "sj-lif-default": _lif(decay_input=True),
        "sj-lif-rest": _lif(REST),
        "sj-lif-tau-1": _lif_tau_1,
        "sj-no-reset": _no_reset,
        "sj-plif": _plif,
        "sj-recurrent": _container,
        "snn-zero": _leaky("zero"),
        "snn-zero-now": _leaky("zero", delay=False),
        "snn-rect": _leaky("zero", delay=False, rect=True),
        "snn-subtract": _leaky("subtract"),
        "snn-subtract-if": _leaky("subtract"),
        "snn-subtract-now": _leaky("subtract", delay=False),
        "snn-none": _leaky("none"),
        "snn-clamp": _leaky("none", beta=-0.2),
        "snn-parallel": _leaky_parallel,
        "snn-recurrent": _rleaky,
        "norse-box": _box(),
        "norse-box-soft": _box("reset_subtract"),
        "norse-box-none": _box("none"),
        "norse-box-k-0": _box(),
        "norse-box-k-1": _box(),
        "norse-iaf": _iaf,
        "norse-rest": _box(rest=REST),
        "norse-lif": _norse_lif,
        "norse-recurrent": _norse_recurrent,
    }
)
"""The runner of every row."""
