"""The neuron against the paper's equations, on every backend: inputs and the u and o they give, worked out by hand.

Numbers are chosen so that every step is exact in float64 or compared to 1e-12.
"""

import pytest
import torch

from lifroles import backends, resets
from lifroles.neuron import LearnableLeak, VariantLIF
from lifroles.variant import Variant


@pytest.fixture(autouse=True)
def on_every_backend(kernels, monkeypatch):
    monkeypatch.setattr(backends, "select", lambda name: (name, kernels))


def run(variant, x, u_th=1.0, recurrent=None, **options):
    """Return u and o ``[T, N]`` for currents ``x`` ``[T, N]``, or ``[T]`` for one neuron."""
    current = torch.tensor(x, dtype=torch.float64)
    current = current[:, None] if current.dim() == 1 else current
    node = VariantLIF(current.shape[1], variant, u_th=u_th, store_v_seq=True, **options).double()
    if recurrent is not None:
        assert node.recurrent_weight is not None
        with torch.no_grad():
            node.recurrent_weight.copy_(torch.tensor(recurrent, dtype=torch.float64))
    o = node(current[:, None])[:, 0].detach()
    return node.v_seq[:, 0].detach(), o


def check(variant, x, u, o, **options):
    potentials, spikes = run(variant, x, **options)
    expected = torch.tensor(u, dtype=torch.float64)
    torch.testing.assert_close(potentials, expected.reshape(potentials.shape), rtol=0, atol=1e-12)
    assert spikes.reshape(-1).tolist() == torch.tensor(o, dtype=torch.float64).reshape(-1).tolist()


def test_eq3_constant_input_is_summed_leaked_and_reset_one_step_after_the_spike():
    # 0.6; 0.5*0.6+0.6=0.9; 0.5*0.9+0.6=1.05 fires; reset: 0.6; 0.9; 1.05 fires
    check(Variant(leak=0.5), [0.6] * 6, [0.6, 0.9, 1.05, 0.6, 0.9, 1.05], [0, 0, 1, 0, 0, 1])


def test_eq3_varied_input():
    # 0.8; 0.4-0.2=0.2; 0.1+1.4=1.5 fires; 0+0.3=0.3; 0.15+0=0.15
    check(Variant(leak=0.5), [0.8, -0.2, 1.4, 0.3, 0.0], [0.8, 0.2, 1.5, 0.3, 0.15], [0, 0, 1, 0, 0])


def test_eq3_the_input_is_not_scaled_by_one_minus_the_leak():
    check(Variant(leak=0.75), [0.5, 0.0], [0.5, 0.375], [0, 0])
    check(Variant(leak=1.0), [0.5, 0.25], [0.5, 0.75], [0, 0])


def test_eq3_a_potential_at_the_threshold_fires():
    check(Variant(leak=0.5), [1.0, 0.5, 0.75], [1.0, 0.5, 1.0], [1, 0, 1])


@pytest.mark.parametrize(
    ("offset", "slope"),
    [(0.0, 2.0), (0.125, 2.0), (-0.125, 2.0), (0.25, 0.0), (-0.25, 0.0), (0.5, 0.0), (-0.5, 0.0)],
)
def test_eq3_the_surrogate_is_a_rectangle_strictly_inside_its_width(offset, slope):
    x = torch.tensor([[[1.0 + offset]]], dtype=torch.float64, requires_grad=True)
    VariantLIF(1, Variant(), u_th=1.0, width=0.25)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.item() == slope


def gradient(reset, detach):
    """Return dLoss/dx for two steps, both near the threshold, where the loss is the second step's spike."""
    x = torch.tensor([1.125, 0.75], dtype=torch.float64, requires_grad=True)
    node = VariantLIF(1, Variant(leak=0.5, reset=reset), u_th=1.0, width=0.5, detach_reset=detach)
    node(x[:, None, None])[1].sum().backward()
    assert x.grad is not None
    return x.grad.tolist()


# Step 1: u = 1.125, o = 1, slope 1 (width 0.5). Step 2: slope s = 1 where |u(2) - 1| < 0.5.
# hard: u(2) = 0.75, du(2)/du(1) = k (1 - o(1)) - k u(1) slope = 0 - 0.5 * 1.125 = -0.5625; detached: 0.
# none: u(2) = 0.5625 + 0.75 = 1.3125, du(2)/du(1) = k = 0.5.
# soft: u(2) = 0.5 * 0.125 + 0.75 = 0.8125, du(2)/du(1) = k (1 - u_th slope) = 0; detached: 0.5.
@pytest.mark.parametrize(
    ("reset", "detach", "first"),
    [
        ("hard", False, -0.5625),
        ("hard", True, 0.0),
        ("none", False, 0.5),
        ("none", True, 0.5),
        ("soft", False, 0.0),
        ("soft", True, 0.5),
    ],
)
def test_eq3_the_gradient_flows_through_the_reset_unless_it_is_detached(reset, detach, first):
    assert gradient(reset, detach) == [first, 1.0]


def test_eq4_recurrent_spikes_arrive_one_step_later_by_rows_into_neurons():
    # Only weight [1, 0] is not zero: the spike of neuron 0 reaches neuron 1, and not the other way round.
    x = [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    u = [[1.0, 0.0], [0.0, 0.7], [0.0, 1.35], [0.0, 0.0]]
    o = [[1, 0], [0, 0], [0, 1], [0, 0]]
    check(Variant(leak=0.5, recurrent=True), x, u, o, recurrent=[[0.0, 0.0], [0.7, 0.0]])


def test_eq4_a_neuron_may_excite_itself():
    check(Variant(leak=0.5, recurrent=True), [1.0, 0.0, 0.0], [1.0, 1.5, 1.5], [1, 1, 1], recurrent=[[1.5]])


def test_eq5_normal_leakage_keeps_its_part_at_every_step():
    check(Variant(leak=0.3), [0.5, 0.0, 0.0, 0.0], [0.5, 0.15, 0.045, 0.0135], [0, 0, 0, 0])


def test_eq5_a_learnable_leak_multiplies_each_neuron_by_its_own_sigmoid_and_learns():
    node = VariantLIF(2, Variant(leak="learnable"), u_th=10.0, store_v_seq=True).double()
    assert isinstance(node.leak, LearnableLeak)
    with torch.no_grad():
        node.leak.w.copy_(torch.tensor([0.0, 3.0]))
    x = torch.tensor([[0.5, 0.5], [0.25, 0.0], [0.0, 0.0]], dtype=torch.float64)
    node(x[:, None])
    k = torch.tensor([0.5, 3.0], dtype=torch.float64)
    k[1] = k[1].sigmoid()
    u1, u2 = 0.5, 0.5 * k + torch.tensor([0.25, 0.0], dtype=torch.float64)
    torch.testing.assert_close(node.v_seq[:, 0].detach(), torch.stack([torch.full((2,), u1).double(), u2, k * u2]))
    # u(3) = k (k u(1) + x(2)): du(3)/dk = 2 k u(1) + x(2), and dk/dw = k (1 - k).
    node.v_seq[-1].sum().backward()
    expected = (2 * k * u1 + torch.tensor([0.25, 0.0], dtype=torch.float64)) * k * (1 - k)
    assert node.leak.w.grad is not None
    torch.testing.assert_close(node.leak.w.grad, expected)
    # The first neuron by hand: k = 0.5, so (2 * 0.5 * 0.5 + 0.25) * 0.25.
    assert node.leak.w.grad[0].item() == pytest.approx(0.1875, abs=1e-12)


def test_eq6_without_leakage_inputs_add_up_until_the_neuron_fires():
    check(Variant(leak=1.0), [0.25] * 6, [0.25, 0.5, 0.75, 1.0, 0.25, 0.5], [0, 0, 0, 1, 0, 0])


def test_eq7_complete_leakage_knows_the_present_input_only():
    x = [0.75, 0.75, 1.25, -0.5, 1.0]
    check(Variant(leak=0.0), x, x, [0, 0, 1, 0, 1])


def test_eq7_with_complete_leakage_the_reset_changes_nothing():
    x = torch.rand(20, 4, generator=torch.Generator().manual_seed(0)).double().mul(2).tolist()
    results = [run(Variant(leak=0.0, reset=reset), x) for reset in ("hard", "soft", "none")]
    assert results[0][1].sum() > 0
    for u, o in results[1:]:
        assert torch.equal(u, results[0][0])
        assert torch.equal(o, results[0][1])


def test_eq8_a_hard_reset_forgets_how_far_the_threshold_was_passed():
    check(Variant(leak=0.5, reset="hard"), [5.0, 0.5, 0.0], [5.0, 0.5, 0.25], [1, 0, 0])


def test_eq8_a_soft_reset_subtracts_the_threshold_before_the_leak():
    # 5.0 fires; 0.5*(5-1)=2 fires; 0.5*(2-1)+0.25=0.75
    check(Variant(leak=0.5, reset="soft"), [5.0, 0.0, 0.25], [5.0, 2.0, 0.75], [1, 1, 0])


def test_eq9_without_reset_a_neuron_fires_on_until_the_leak_takes_it_down():
    check(Variant(leak=0.5, reset="none"), [4.0, 0.0, 0.0, 0.0], [4.0, 2.0, 1.0, 0.5], [1, 1, 1, 0])


def test_eq9_without_reset_or_leakage_the_potential_is_the_sum_of_all_inputs():
    check(Variant(leak=1.0, reset="none"), [0.5, 0.75, -0.5, 0.5], [0.5, 1.25, 0.75, 1.25], [0, 1, 0, 1])


def test_eq10_without_recurrence_a_neuron_does_not_hear_its_layer():
    x = [[0.25, 2.0]] * 4
    both, _ = run(Variant(leak=0.5), x)
    alone, _ = run(Variant(leak=0.5), [0.25] * 4)
    assert torch.equal(both[:, 0], alone[:, 0])


def test_eq11_recurrence_adds_to_leak_and_reset():
    # Neuron 0 fires at step 1; at step 2 it starts from zero and gets -0.5 from itself, neuron 1 gets 0.75.
    x = [[1.0, 0.5], [0.25, 0.0], [0.0, 0.0]]
    u = [[1.0, 0.5], [-0.25, 1.0], [-0.125 + 0.25, 0.125]]
    o = [[1, 0], [0, 1], [0, 0]]
    check(Variant(leak=0.5, recurrent=True), x, u, o, recurrent=[[-0.5, 0.25], [0.75, 0.125]])


def test_eq11_without_reset_the_recurrent_input_comes_on_top_of_what_is_left():
    variant = Variant(leak=0.5, reset="none", recurrent=True)
    check(variant, [2.0, 0.0, 0.0], [2.0, 0.75, 0.375], [1, 0, 0], recurrent=[[-0.25]])


def test_soft_reset_subtracts_the_threshold_whatever_it_is():
    # u_th 0.5: 0.75 fires; 0.5*(0.75-0.5)+0.25=0.375; 0.5*0.375+0.5=0.6875 fires; 0.5*(0.6875-0.5)=0.09375
    check(
        Variant(leak=0.5, reset="soft"),
        [0.75, 0.25, 0.5, 0.0],
        [0.75, 0.375, 0.6875, 0.09375],
        [1, 0, 1, 0],
        u_th=0.5,
    )


def test_a_reset_that_was_added_acts_at_the_next_step_before_the_leak():
    # 4.0 fires and keeps a quarter: 0.5*1+1=1.5 fires; 0.5*0.375+0.25=0.4375 does not; 0.5*0.4375
    resets.register("quarter", lambda u, o, u_th: u * (1 - 0.75 * o))
    try:
        check(Variant(leak=0.5, reset="quarter"), [4.0, 1.0, 0.25, 0.0], [4.0, 1.5, 0.4375, 0.21875], [1, 1, 0, 0])
        recurrent = Variant(leak=0.5, reset="quarter", recurrent=True)
        check(recurrent, [4.0, 0.0, 0.0], [4.0, 0.75, 0.375], [1, 0, 0], recurrent=[[0.25]])
    finally:
        resets.RESETS.forget("quarter")
