"""Attacks on networks whose weakest flips are known, and on small spiking ones."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from victims import Deaf, Tally, small, spikes

from lifroles.attacks import Victim, by_chance, by_gradient, fewest, liang, shrink
from lifroles.attacks.liang import advance
from lifroles.attacks.victim import network_hash
from lifroles.baselines import BASELINES
from lifroles.errors import SpecError
from lifroles.rnn import RecurrentNetwork
from lifroles.sparse import SparseSequence
from lifroles.variant import PAPER_VARIANTS


def advanced(x, gradient, chance, active=None, **options):
    """What one step of the attack makes of ``x``, and where it found no gradient."""
    x = x.clone()
    active = torch.arange(x.shape[1]) if active is None else active
    gone = advance(
        x,
        active,
        gradient,
        lambda place: chance[:, place].numpy(),
        **{"toward": 1, "scale": 1.0, "gamma": 0.05, **options},
    )
    return x, gone


def test_the_converter_keeps_an_entry_with_the_probability_of_its_share_of_the_largest_gradient():
    gradient = torch.tensor([[[4.0, -2.0, 0.0]], [[-1.0, 0.5, 4.0]]])
    chance = torch.tensor([[[0.99, 0.49, 0.0]], [[0.26, 0.12, 1.0]]])
    dark, lit = torch.zeros(2, 1, 3), torch.ones(2, 1, 3)
    assert advanced(dark, gradient, chance)[0].tolist() == [[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]
    assert advanced(lit, gradient, chance)[0].tolist() == [[[1.0, 0.0, 1.0]], [[1.0, 1.0, 1.0]]]
    assert advanced(lit, gradient, chance, toward=-1)[0].tolist() == [[[0.0, 1.0, 1.0]], [[1.0, 0.0, 1.0]]]
    assert torch.equal(advanced(lit, gradient, chance, scale=0.5)[0], lit)


def test_the_converters_maximum_is_each_samples_own():
    gradient = torch.tensor([[[1.0, 0.5], [100.0, 1.0]]])
    found, gone = advanced(torch.zeros(1, 2, 2), gradient, torch.full((1, 2, 2), 0.4))
    assert found.tolist() == [[[1.0, 1.0], [1.0, 0.0]]] and gone.tolist() == [False, False]


def test_samples_that_are_not_under_attack_stay():
    x, active = torch.zeros(1, 4, 2), torch.tensor([3, 1])
    gradient = torch.tensor([[[0.0, 0.0], [1.0, -1.0]]])
    chance = torch.tensor([[[0.04, 0.06], [0.5, 0.5]]])
    found, gone = advanced(x, gradient, chance, active)
    assert found.tolist() == [[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]] and gone.tolist() == [True, False]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 5), st.integers(1, 40), st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from([1, -1]), st.floats(1e-3, 3.0), st.integers(0, 2**31),
)  # fmt: skip
def test_a_step_is_liangs_in_torchs_own_operations(steps, batch, channels, dtype, toward, scale, seed):
    random = torch.Generator().manual_seed(seed)
    shape = steps, batch, channels
    x = (torch.rand(shape, generator=random) < 0.3).to(dtype)
    gradient = torch.randn(shape, generator=random).to(dtype) * 10 ** float(
        torch.randint(-38, 38, (), generator=random)
    )
    gradient *= torch.rand(shape, generator=random) < 0.8
    gradient[:, torch.rand(batch, generator=random) < 0.3] = 0
    chance = torch.rand(shape, generator=random)

    size = gradient.abs()
    top = size.amax((0, 2), keepdim=True)
    step = toward * gradient.sign() * (chance < scale * size / top.where(top > 0, torch.ones_like(top)))
    moved = (x + step).clamp(0, 1)
    expected = torch.where(top == 0, torch.where(chance < 0.05, 1 - x, x), moved)

    found, gone = advanced(x, gradient, chance, toward=toward, scale=scale)
    assert torch.equal(found, expected)
    assert torch.equal(gone, top.flatten() == 0)


def test_steps_are_clipped_to_spikes_and_the_weight_with_no_effect_is_left_alone():
    # Class 1 needs more than 1.5: the right class is 0, so the attack adds where the weight is positive and removes
    # where it is negative; the entry without weight never changes.
    victim = Victim(Tally([1.0, -1.0, 0.0], need=1.5))
    x = torch.tensor([[[0.0, 1.0, 1.0]], [[1.0, 0.0, 0.0]]])
    done = liang(victim, x, torch.tensor([0]))
    assert done.success.tolist() == [True]
    assert done.iterations.tolist() == [1]
    assert done.adversarial.tolist() == [[[1.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]]
    assert (done.flips.tolist(), done.insertions.tolist(), done.deletions.tolist()) == ([2], [1], [1])
    assert done.fraction.tolist() == [2 / 6]
    assert done.flips_in_time.tolist() == [[2, 0]]


def test_without_a_gradient_entries_flip_by_chance_and_that_is_counted():
    x = torch.zeros(10, 3, 200)
    done = liang(Victim(Deaf(need=250.0)), x, torch.zeros(3, dtype=torch.long))
    assert done.success.all()
    assert torch.equal(done.vanished, done.iterations)
    # 2,000 entries at 5 %: about 100 spikes more at each of the first steps
    assert ((done.iterations >= 3) & (done.iterations <= 5)).all()
    once = liang(Victim(Deaf(need=1e9)), x, torch.zeros(3, dtype=torch.long), cap=1)
    assert not once.success.any()
    assert ((once.flips > 60) & (once.flips < 140)).all()


def test_a_target_is_reached_and_no_other_class_counts():
    victim = Victim(Tally([1.0, -1.0], need=0.5))
    x = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    done = liang(victim, x, torch.tensor([0, 1]), targets=torch.tensor([1, 0]))
    assert done.success.all()
    assert done.adversarial.tolist() == [[[1.0, 0.0], [0.0, 1.0]]]
    victim = Victim(small())
    x = spikes(6, 30, 18)
    labels, _ = victim.predict(x)
    targets = (labels + 1) % 3
    done = liang(victim, x, labels, targets=targets, cap=30)
    found, unique = victim.predict(done.adversarial)
    assert 0 < done.success.sum() < 30
    assert torch.equal(done.success, (found == targets) & unique)


def test_an_attack_stops_at_the_first_success_and_reports_those_it_gave_up():
    victim = Victim(Tally([1.0], need=0.5))
    done = liang(victim, torch.tensor([[[1.0], [0.0]]]), torch.tensor([0, 0]))
    assert done.iterations.tolist() == [0, 1]
    assert done.flips.tolist() == [0, 1]
    never = liang(Victim(Tally([1.0], need=9.0)), torch.zeros(2, 1, 1), torch.tensor([0]), cap=7)
    assert (never.success.tolist(), never.iterations.tolist()) == ([False], [7])
    assert never.flips_in_time.tolist() == [[1, 1]]


def test_a_tie_between_classes_is_no_success():
    assert not Victim(Tally([1.0], need=1.0)).fooled(torch.ones(1, 1, 1), torch.tensor([1])).any()


@pytest.mark.parametrize("name", PAPER_VARIANTS)
def test_the_same_seed_gives_the_same_attack_whatever_batch_a_sample_is_in(name):
    from lifroles.benchmarks import get, resolve_variant

    network = small(resolve_variant(get("nmnist"), name)).double()
    victim = Victim(network)
    x = spikes(6, 12, 18).double()
    labels, _ = victim.predict(x)
    whole = liang(victim, x, labels, seed=5, cap=20)
    assert torch.equal(whole.adversarial, liang(victim, x, labels, seed=5, cap=20).adversarial)
    assert not torch.equal(whole.adversarial, liang(victim, x, labels, seed=6, cap=20).adversarial)
    for part in (torch.tensor([3]), torch.tensor([11, 0, 7])):
        alone = liang(victim, x[:, part], labels[part], seed=5, samples=part, cap=20)
        assert torch.equal(alone.adversarial, whole.adversarial[:, part])


@pytest.mark.parametrize(
    "attack",
    [
        lambda v, x, y: liang(v, x, y, cap=3),
        lambda v, x, y: by_gradient(v, x, y),
        lambda v, x, y: by_chance(v, x, y),
        lambda v, x, y: shrink(v, x, y, 1 - x, queries=20),
    ],
)
def test_an_attack_never_changes_the_network_or_the_input(attack):
    network = small()
    before, state = network_hash(network), network.training
    x = spikes(6, 8, 18)
    kept = x.clone()
    victim = Victim(network, penultimate_threshold=1.0, width=0.5)
    attack(victim, x, victim.predict(x)[0])
    assert network_hash(network) == before
    assert torch.equal(x, kept)
    assert network.training == state
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_the_hash_sees_weights_thresholds_and_surrogates():
    networks: list[Any] = [small() for _ in range(4)]
    first = networks[0]
    networks[1].nodes[0].v_threshold = 0.31
    networks[2].nodes[1].surrogate_function.alpha = 3.0
    with torch.no_grad():
        networks[3].linears[0].weight[0, 0] += 1e-6
    assert len({network_hash(n) for n in networks}) == 4
    assert network_hash(small()) == network_hash(first)


def test_the_penultimate_threshold_acts_on_the_gradient_and_never_on_the_decision():
    network, x = small(), spikes(6, 8, 18)
    plain, raised = Victim(network), Victim(network, penultimate_threshold=1.0)
    labels, _ = plain.predict(x)
    assert torch.equal(plain.scores(x), raised.scores(x))
    assert not torch.equal(plain.gradient(x, labels), raised.gradient(x, labels))
    with pytest.raises(SpecError, match="two layers"):
        Victim(Tally([1.0], 1.0), penultimate_threshold=1.0)


def test_wider_and_smoother_surrogates_find_a_gradient_where_the_training_one_finds_none():
    network = small()
    x = torch.zeros(6, 1, 18)
    labels = torch.tensor([0])
    with torch.no_grad():
        for name, bias in network.named_parameters():
            if name.endswith("bias"):
                bias.zero_()  # every potential stays 0, which the rectangle about 0.3 does not reach
    assert not Victim(network).gradient(x, labels).any()
    assert Victim(network, width=0.5).gradient(x, labels).any()
    assert Victim(network, smooth=2.0).gradient(x, labels).any()
    assert torch.equal(Victim(network, smooth=2.0).scores(x), Victim(network).scores(x))


def test_a_samples_gradient_is_that_of_its_cross_entropy():
    victim = Victim(Tally([1.0, -2.0], need=0.0))
    x = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    # scores (0, s): the derivative of -log softmax to class 0 by s is sigmoid(s)
    share = torch.sigmoid(torch.tensor([1.0, -1.0]))
    expected = share[:, None] * torch.tensor([1.0, -2.0])
    torch.testing.assert_close(victim.gradient(x, torch.tensor([0, 0]))[0], expected)


@pytest.mark.parametrize("options", [{}, {"width": 1.0}, {"smooth": 2.0}, {"penultimate_threshold": 1.0}])
@pytest.mark.parametrize("name", [*PAPER_VARIANTS, *BASELINES])
def test_events_and_frames_get_the_same_gradient(name, options, monkeypatch):
    from lifroles.benchmarks import get, resolve_variant

    torch.manual_seed(0)
    if name in BASELINES:
        network = RecurrentNetwork((18, 12, 3), BASELINES[name]).double()
        options = {}
    else:
        network = small(resolve_variant(get("nmnist"), name)).double()
    victim = Victim(network, **options)
    x = spikes(6, 20, 18, rate=0.08).double()
    labels, _ = victim.predict(x)
    by_events = victim.gradient(x, labels)
    monkeypatch.setattr("lifroles.attacks.victim.SPARSE_BELOW", 0.0)
    by_frames = victim.gradient(x, labels)
    assert by_events.any()
    torch.testing.assert_close(by_events, by_frames, rtol=1e-10, atol=1e-14)


def test_the_fewest_flips_are_those_that_cross_the_margin():
    network = Tally([3.0, 2.0, 1.0, -1.0], need=5.5)
    x = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]]])
    done = by_gradient(Victim(network), x, torch.zeros(4, dtype=torch.long))
    # 3 + 2 + 1 > 5.5; with a -1 to take away, too, four flips; the third is class 1 already; 4 + 1 = 5 is not enough,
    # and neither is + 1 alone, so that both remaining entries flip
    assert done.flips.tolist() == [3, 4, 0, 2]
    assert done.success.all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_bisection_finds_the_smallest_prefix_where_more_flips_are_better(seed, need):
    victim = Victim(Tally([1.0] * 16, need=need - 0.5))
    x = torch.zeros(4, 3, 16)
    done = by_chance(victim, x, torch.zeros(3, dtype=torch.long), seed=seed)
    assert done.flips.tolist() == [need] * 3
    assert done.success.all()


def test_what_no_prefix_can_do_is_a_failure():
    victim = Victim(Tally([1.0, 1.0], need=1.5))
    x = torch.zeros(1, 2, 2)
    order = torch.tensor([[0, 1], [1, 0]])
    done = fewest(victim, x, torch.tensor([0, 0]), order, torch.tensor([2, 1]))
    assert done.success.tolist() == [True, False]
    assert done.flips.tolist()[0] == 2
    deaf = by_gradient(Victim(Deaf(need=1.0)), torch.zeros(2, 1, 3), torch.tensor([0]))
    assert (deaf.success.tolist(), deaf.vanished.tolist(), deaf.flips.tolist()) == ([False], [1], [0])


def test_shrinking_keeps_the_network_fooled_and_ends_near_the_fewest_flips():
    victim = Victim(Tally([1.0] * 20, need=9.5))
    x, start = torch.zeros(5, 4, 20), torch.ones(5, 4, 20)
    labels = torch.zeros(4, dtype=torch.long)
    done = shrink(victim, x, labels, start, queries=400)
    assert done.success.all()
    assert victim.fooled(done.adversarial, labels).all()
    assert done.flips.tolist() == [10] * 4
    assert shrink(victim, x, labels, x, queries=5).success.tolist() == [False] * 4


def test_shrinking_takes_nothing_but_flips_back():
    victim = Victim(small())
    x, start = spikes(6, 10, 18), spikes(6, 10, 18, seed=1)
    labels, _ = victim.predict(x)
    done = shrink(victim, x, labels, start, queries=60)
    changed = done.adversarial != x
    assert (changed <= (start != x)).all()
    assert (done.flips <= (start != x).sum((0, 2))).all()
    assert torch.equal(done.adversarial[:, ~done.success], start[:, ~done.success])


@pytest.mark.parametrize("attack", [liang, by_gradient, by_chance])
def test_input_that_is_not_binary_is_refused(attack):
    x = torch.full((2, 1, 3), 0.5)
    with pytest.raises(SpecError, match=r"other than 0 and 1.*values=binary"):
        attack(Victim(Tally([1.0] * 3, 1.0)), x, torch.tensor([0]))
    with pytest.raises(SpecError, match="T, B, N"):
        attack(Victim(Tally([1.0] * 3, 1.0)), x[0], torch.tensor([0]))


@pytest.mark.parametrize("wrong", [{"cap": 0}, {"scale": 0.0}, {"scale": float("nan")}, {"gamma": 0.0}, {"gamma": 1.5}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(SpecError, match="give cap"):
        liang(Victim(Tally([1.0], 1.0)), torch.zeros(1, 1, 1), torch.tensor([0]), **wrong)


def test_events_and_frames_get_the_same_scores():
    network = small()
    sparse = spikes(6, 40, 18, rate=0.05)
    with torch.no_grad():
        expected = network(sparse).output
        assert torch.equal(network(SparseSequence.from_dense(sparse)).output, expected)
    assert torch.equal(Victim(network).scores(sparse), expected)
