"""The delayed XOR sequences are what the protocol says, and the score asks the right steps."""

import numpy as np
import pytest
import torch

from lifroles.benchmarks.xor import Xor, XorProtocol, draw

LOW, HIGH, NOISE = 0.2, 0.6, 0.01


def either(rate: float) -> float:
    """The rate of a pattern OR-ed with the noise."""
    return 1 - (1 - rate) * (1 - NOISE)


def test_patterns_delay_and_labels_have_their_rates():
    batch = draw(XorProtocol(T=50), 4000, np.random.default_rng(0))
    assert batch.inputs.shape == (50, 4000, 20)
    assert set(batch.inputs.unique().tolist()) == {0.0, 1.0}
    first, second = batch.groups // 2, batch.groups % 2
    assert torch.equal(batch.labels, first ^ second)
    # 200 draws a pattern: four standard errors of the mean over about 2,000 sequences
    for pattern, steps in ((first, slice(0, 10)), (second, slice(40, 50))):
        for value, rate in ((0, LOW), (1, HIGH)):
            assert batch.inputs[steps][:, pattern == value].mean() == pytest.approx(either(rate), abs=0.004)
    assert batch.inputs[10:40].mean() == pytest.approx(NOISE, abs=0.0005)
    counts = torch.bincount(batch.groups, minlength=4)
    assert (counts > 900).all() and (counts < 1100).all()


def test_training_batches_depend_on_seed_epoch_and_place_alone_and_the_held_out_set_on_none():
    protocol = XorProtocol(iterations=2, batch_size=8, test_samples=16)
    one, again = Xor().load(protocol, "generated"), Xor().load(protocol, "generated")
    assert one.digest == again.digest

    def inputs(data, seed, epoch):
        return [b.inputs for b in data.train_batches(seed, epoch)]

    reference = inputs(one, 3, 1)
    assert all(torch.equal(a, b) for a, b in zip(reference, inputs(again, 3, 1), strict=True))
    assert not torch.equal(reference[0], reference[1])
    assert not torch.equal(reference[0], inputs(one, 4, 1)[0])
    assert not torch.equal(reference[0], inputs(one, 3, 0)[0])
    assert Xor().load(XorProtocol(test_samples=17), "generated").digest != one.digest


def test_only_the_last_steps_of_the_second_pattern_are_scored():
    protocol = XorProtocol(T=30)
    labels = torch.tensor([0, 1])
    right = torch.zeros(30, 2, 2)
    right[21:, 0, 0] = right[21:, 1, 1] = 4.0
    assert Xor().correct(protocol, right, labels).tolist() == [1.0, 1.0]
    half = right.clone()
    half[21:24, 0] = torch.tensor([0.0, 4.0])  # 3 of the 9 asked steps wrong
    assert Xor().correct(protocol, half, labels).tolist() == pytest.approx([6 / 9, 1.0])
    noise_before = right.clone()
    noise_before[:21] = 7 * torch.randn(21, 2, 2)
    assert Xor().loss(protocol, noise_before, labels) == Xor().loss(protocol, right, labels)


def test_the_loss_is_cross_entropy_of_the_softmax_summed_over_nine_steps():
    potentials = torch.zeros(50, 1, 2)
    potentials[:, :, 1] = np.log(3.0)  # softmax: 1/4, 3/4
    by_hand = 9 * -np.log(np.exp(0.75) / (np.exp(0.25) + np.exp(0.75)))
    assert float(Xor().loss(XorProtocol(), potentials, torch.tensor([1]))) == pytest.approx(by_hand, rel=1e-6)


def test_a_sequence_too_short_for_both_patterns_is_refused():
    with pytest.raises(ValueError, match="T is 19: it must hold two patterns of 10 steps"):
        XorProtocol(T=19)
