"""The rows of the table: a node of another library, the variant of ours that it comes nearest to, and what differs."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from lifroles.variant import NORMAL_LEAK, Variant

Shows = Literal["before", "after", "hidden"]
"""The potential that a node gives out: before or after the reset of the same step has acted on it, or none at all."""

LIBRARIES = MappingProxyType({"spikingjelly": "SpikingJelly", "snntorch": "snnTorch", "norse": "Norse"})
"""The libraries by distribution, with the names that they give themselves."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a node answers the same input as ours.

    Arguments:
        spikes: whether it spikes where ours does.
        potential: whose potential is ours, and from which side of the reset; ``None``: it is another one.
        gradient: whether all gradients of a loss on the spikes are ours: to the input, and to recurrent weights and
            leak where there are any. Both are given the same surrogate for it.
    """

    spikes: bool
    potential: Shows | None
    gradient: bool


BEFORE, AFTER = Verdict(True, "before", True), Verdict(True, "after", True)
OTHER = Verdict(False, None, False)


@dataclass(frozen=True, slots=True)
class Row:
    """One node beside ours.

    Arguments:
        name: what this row is called in the record.
        library: the distribution.
        node: the node and its arguments, as code.
        variant: what ours is made of.
        verdict: how the node answers; ``None``: it refuses to be made so.
        reason: what the node computes that ours does not, or that it computes the same.
        at_threshold: whether it fires at u = u_th, as ours does; ``None`` where the node cannot be run.
        detach_reset: whether ours stops the gradient at the spike inside the reset.
        mend: what makes them agree, or nothing if nothing does.
        mended: how the node answers then.
        mended_detach: ``detach_reset`` of ours then.
        mended_input: which input is needed for it: any, one that stays low enough, or one that is nowhere negative.
    """

    name: str
    library: str
    node: str
    variant: Variant
    verdict: Verdict | None
    reason: str
    at_threshold: bool | None
    detach_reset: bool = False
    mend: str = ""
    mended: Verdict | None = None
    mended_detach: bool = False
    mended_input: Literal["any", "low", "positive"] = "any"


_HARD, _SOFT, _NONE = Variant(), Variant(reset="soft"), Variant(reset="none")
_IF_HARD, _IF_SOFT = Variant(leak=1.0), Variant(leak=1.0, reset="soft")
_RECURRENT = Variant(recurrent=True)
_SCALED = "Give it the input divided by 1 − k_tau (or weights and biases so divided)"

_SPIKINGJELLY = (
    Row(
        "sj-if-hard",
        "spikingjelly",
        "IFNode(v_reset=0.0)",
        _IF_HARD,
        AFTER,
        "The same neuron. It resets within the step of the spike and keeps what is left; ours keeps u and resets at "
        "the beginning of the next step. No number that follows depends on which.",
        True,
    ),
    Row(
        "sj-if-soft",
        "spikingjelly",
        "IFNode(v_reset=None)",
        _IF_SOFT,
        AFTER,
        "The same neuron: v_reset=None means that the threshold is subtracted, not that there is no reset.",
        True,
    ),
    Row(
        "sj-lif-hard",
        "spikingjelly",
        "LIFNode(tau=1/(1−k_tau), decay_input=False, v_reset=0.0)",
        _HARD,
        AFTER,
        "The same neuron. It computes v − v/tau where ours has k_tau · u, which differ in the last bit.",
        True,
    ),
    Row(
        "sj-lif-atan",
        "spikingjelly",
        "LIFNode(…, decay_input=False, surrogate_function=ATan())",
        _HARD,
        AFTER,
        "The same neuron by another path: for seven of its surrogates, the rectangle not among them, the node runs a "
        "registered operator whose backward pass is written by hand.",
        True,
    ),
    Row(
        "sj-lif-detach",
        "spikingjelly",
        "LIFNode(…, decay_input=False, detach_reset=True)",
        _HARD,
        AFTER,
        "The same neuron, and detach_reset means the same in both.",
        True,
        detach_reset=True,
    ),
    Row(
        "sj-lif-soft",
        "spikingjelly",
        "LIFNode(…, decay_input=False, v_reset=None)",
        _SOFT,
        AFTER,
        "The same neuron: the threshold is subtracted first, and what is left leaks.",
        True,
    ),
    Row(
        "sj-lif-default",
        "spikingjelly",
        "LIFNode(tau=1/(1−k_tau))",
        _HARD,
        OTHER,
        "decay_input=True, its default, multiplies the input by 1/tau = 1 − k_tau: the less a neuron leaks, the less "
        "it receives.",
        True,
        mend="Give it the input times tau, or set decay_input=False",
        mended=AFTER,
    ),
    Row(
        "sj-lif-rest",
        "spikingjelly",
        "LIFNode(…, decay_input=False, v_reset=0.125)",
        _HARD,
        OTHER,
        "v_reset is the resting potential too: v starts there and leaks towards it. In ours all three are 0.",
        True,
        mend="Raise v_threshold by v_reset, and read v − v_reset as u",
        mended=AFTER,
    ),
    Row(
        "sj-lif-tau-1",
        "spikingjelly",
        "LIFNode(tau=1.0, decay_input=False)",
        Variant(leak=0.0),
        None,
        "It refuses: tau has to be above 1, so complete leakage cannot be had.",
        None,
    ),
    Row(
        "sj-no-reset",
        "spikingjelly",
        "LIFNode(…, decay_input=False, v_reset=None)",
        _NONE,
        OTHER,
        "It has no neuron without reset: None is the nearest value of v_reset, and it subtracts the threshold.",
        True,
        mend="Subclass SimpleLIFNode and let neuronal_reset do nothing",
        mended=BEFORE,
    ),
    Row(
        "sj-plif",
        "spikingjelly",
        "ParametricLIFNode(…, decay_input=False)",
        Variant(leak="learnable"),
        Verdict(True, "after", False),
        "One leak a layer, k_tau = 1 − sigmoid(w); ours is one a neuron, k_tau = sigmoid(w). So the gradient of its w "
        "has the other sign.",
        True,
        mend="Read −w as our w, one for the whole layer",
        mended=AFTER,
    ),
    Row(
        "sj-recurrent",
        "spikingjelly",
        "LinearRecurrentContainer(LIFNode(…), N, N, bias=False)",
        _RECURRENT,
        OTHER,
        "One matrix takes input and last spikes together, so that the input is mixed once more. It goes one step at a "
        "time.",
        True,
        mend="Set the matrix to [identity, V]",
        mended=AFTER,
    ),
)

_SNNTORCH = (
    Row(
        "snn-zero",
        "snntorch",
        'Leaky(beta=k_tau, reset_mechanism="zero")',
        _HARD,
        Verdict(True, "before", False),
        "The same spikes: it resets one step later, before the leak, as ours. But its reset is always detached from "
        "the gradient, and it fires only above the threshold. (The formula in its docstring resets the new input as "
        "well; the code does not.)",
        False,
        mend="Set detach_reset=True in ours",
        mended=BEFORE,
        mended_detach=True,
    ),
    Row(
        "snn-zero-now",
        "snntorch",
        'Leaky(beta=k_tau, reset_mechanism="zero", reset_delay=False)',
        _HARD,
        AFTER,
        "The same neuron but at the threshold: reset_delay=False moves the reset into the step of the spike, and with "
        "it lets the gradient through.",
        False,
    ),
    Row(
        "snn-rect",
        "snntorch",
        'Leaky(…, reset_mechanism="zero", reset_delay=False, spike_grad=Rect(2.0))',
        _HARD,
        AFTER,
        "The same neuron. spike_grad is the whole firing rule and not only its gradient: with SpikingJelly's Rect it "
        "fires at the threshold as well.",
        True,
    ),
    Row(
        "snn-subtract",
        "snntorch",
        "Leaky(beta=k_tau)",
        _SOFT,
        OTHER,
        'The default "subtract" takes the threshold away after the leak, so all of it; ours before the leak, so k_tau '
        "of it. A neuron of the same name fires less.",
        False,
    ),
    Row(
        "snn-subtract-if",
        "snntorch",
        "Leaky(beta=1.0)",
        _IF_SOFT,
        Verdict(True, "before", False),
        "Without leakage the order of leak and subtraction does not matter, and the potentials are the same; the reset "
        "is detached.",
        False,
        mend="Set detach_reset=True in ours",
        mended=BEFORE,
        mended_detach=True,
    ),
    Row(
        "snn-subtract-now",
        "snntorch",
        "Leaky(beta=k_tau, reset_delay=False)",
        _SOFT,
        OTHER,
        "With reset_delay=False the subtraction comes before the leak, as in ours. But a potential that is still above "
        "the threshold after it is lowered a second time, before the next spike is decided.",
        False,
        mend="Keep the input so low that one subtraction is enough: at most (2 − k_tau) u_th",
        mended=AFTER,
        mended_input="low",
    ),
    Row(
        "snn-none",
        "snntorch",
        'Leaky(beta=k_tau, reset_mechanism="none")',
        _NONE,
        BEFORE,
        "The same neuron but at the threshold.",
        False,
    ),
    Row(
        "snn-clamp",
        "snntorch",
        'Leaky(beta=−0.2, reset_mechanism="none")',
        Variant(leak=0.0, reset="none"),
        BEFORE,
        "A beta below 0 or above 1 is silently taken as 0 or 1, at every step; Variant refuses it.",
        False,
    ),
    Row(
        "snn-parallel",
        "snntorch",
        "LeakyParallel(N, N, beta=k_tau, bias=False), input weights 1",
        _NONE,
        Verdict(False, "hidden", False),
        "A torch RNN whose ReLU cuts negative potentials to 0; it has no reset, and gives out no potential.",
        False,
        mend="Give it input that is nowhere negative",
        mended=Verdict(True, "hidden", True),
        mended_input="positive",
    ),
    Row(
        "snn-recurrent",
        "snntorch",
        'RLeaky(beta=k_tau, linear_features=N, reset_mechanism="zero"), recurrent bias 0',
        _RECURRENT,
        OTHER,
        "Here, unlike in Leaky, the reset sets the whole new potential to 0: what arrives in the step after a spike is "
        "lost, recurrent input included.",
        False,
        mend="Set reset_delay=False",
        mended=AFTER,
    ),
)

_NORSE = (
    Row(
        "norse-box",
        "norse",
        "lif_box_feed_forward_step, dt · tau_mem_inv = 1 − k_tau",
        _HARD,
        OTHER,
        "A step of Euler's method for τ du/dt = −u + x: the input is multiplied by dt · tau_mem_inv = 1 − k_tau. It "
        "fires only above the threshold. The gradient flows through the reset.",
        False,
        mend=_SCALED,
        mended=AFTER,
    ),
    Row(
        "norse-box-soft",
        "norse",
        "lif_box_feed_forward_step, reset_method=reset_subtract",
        _SOFT,
        OTHER,
        "The threshold is subtracted in the step of the spike, so before the leak, as in ours; the input is scaled.",
        False,
        mend=_SCALED,
        mended=AFTER,
    ),
    Row(
        "norse-box-none",
        "norse",
        "lif_box_feed_forward_step, reset_method=lambda z, v, *_: v",
        _NONE,
        OTHER,
        "reset_method may be any function, so that a neuron without reset is one line; the input is scaled.",
        False,
        mend=_SCALED,
        mended=BEFORE,
    ),
    Row(
        "norse-box-k-0",
        "norse",
        "lif_box_feed_forward_step, dt · tau_mem_inv = 1",
        Variant(leak=0.0),
        AFTER,
        "The same neuron but at the threshold: with complete leakage the input is multiplied by 1.",
        False,
    ),
    Row(
        "norse-box-k-1",
        "norse",
        "lif_box_feed_forward_step, dt · tau_mem_inv = 0",
        _IF_HARD,
        OTHER,
        "Without leakage the input is multiplied by 0: the neuron hears nothing. Norse has IAF for this.",
        None,
    ),
    Row(
        "norse-iaf",
        "norse",
        "iaf_feed_forward_step",
        _IF_HARD,
        AFTER,
        "The same neuron but at the threshold; hard reset is the only one.",
        False,
    ),
    Row(
        "norse-rest",
        "norse",
        "lif_box_feed_forward_step, v_leak=v_reset=0.125",
        _HARD,
        OTHER,
        "Resting and reset potential are two numbers, and v starts at rest. In ours all three are 0.",
        False,
        mend=f"Raise v_th by 0.125, and read v − 0.125 as u. {_SCALED}",
        mended=AFTER,
    ),
    Row(
        "norse-lif",
        "norse",
        "lif_feed_forward_step",
        _HARD,
        OTHER,
        "Its LIF without 'box' has a second state: a synaptic current that decays, which the potential follows.",
        False,
        mend=f"Let the current decay within one step, dt · tau_syn_inv = 1. {_SCALED}",
        mended=AFTER,
    ),
    Row(
        "norse-recurrent",
        "norse",
        "LIFRecurrentCell(N, N)",
        _RECURRENT,
        OTHER,
        "As lif_feed_forward_step, and no neuron reaches itself (autapses=False); the reset is detached from the "
        "gradient, in the recurrent cell only.",
        False,
        mend="Set dt · tau_syn_inv = 1 and autapses=True, divide both weights by 1 − k_tau, and set detach_reset=True "
        "in ours",
        mended=AFTER,
        mended_detach=True,
    ),
)

ROWS: tuple[Row, ...] = (*_SPIKINGJELLY, *_SNNTORCH, *_NORSE)
"""Every node that is compared, library by library."""

K_TAU, U_TH, WIDTH = NORMAL_LEAK, 0.3, 0.25
"""The leak, where it is normal, the threshold and the surrogate's half width of every row (Table 5, spatial)."""
