"""The probes of section 4.3 on a small trained network."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lifroles import Store, probes
from lifroles.attacks import Victim
from lifroles.errors import LifrolesError, SpecError, StoreError
from lifroles.probes import attack, attack_steps, corruption, record, samples, transfer
from lifroles.spec import RunSpec
from lifroles.trainer import evaluate
from lifroles.training import run

SMALL = {"train_samples": 200, "test_samples": 200, "hidden": 24, "epochs": 6, "batch_size": 20, "lr": 1e-2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    spec = RunSpec.of("nmnist", "baseline", 0, "saccades-5k", **SMALL)
    return run(spec, Store(tmp_path_factory.mktemp("runs")), weights=True)


@pytest.fixture(scope="module")
def network(trained):
    return trained.load_network()


@pytest.fixture(scope="module")
def part(trained):
    return samples.part(trained.spec, "Test")


def measured(trained, network, probe=attack.PROBE, **changes):
    return probe.measure(trained.spec, network, record.choose(probe, changes))


def test_recordings_that_all_networks_get_right_are_chosen_class_by_class(trained, network, part):
    other = trained.spec.task.network(trained.spec.protocol, trained.spec.variant, "auto")
    alone = attack.common([network], part, 3)
    assert [int((part.labels[list(alone)] == c).sum()) for c in range(10)] == [3] * 10
    assert attack.right(network, part, np.array(alone)).all()
    everything = samples.first(part, 200)
    good = attack.right(network, part, everything)
    classes, unique = Victim(network).predict(attack.dense(part.batch(everything).inputs))
    assert good.tolist() == ((classes.numpy() == part.labels) & unique.numpy()).tolist()
    assert not set(alone) - set(np.flatnonzero(good).tolist())
    with pytest.raises(LifrolesError, match=r"All 2 networks are right on \d+ recordings.*ask for fewer"):
        attack.common([network, other], part, 15)


def test_a_network_that_gets_few_right_is_attacked_on_those(trained, network, part):
    untrained = trained.spec.task.network(trained.spec.protocol, trained.spec.variant, "auto")
    good = attack.right(untrained, part, samples.first(part, 200)).sum()
    assert good < 200
    assert measured(trained, untrained, attack="gradient", each=200, most=1).numbers["samples", "all"] == good
    for parameter in untrained.parameters():
        parameter.data.zero_()  # every class gets the same
    none = measured(trained, untrained, attack="gradient")
    some = measured(trained, network, attack="gradient", each=1)
    assert none.numbers == {("samples", "all"): 0}
    assert {name: (0, *a.shape[1:]) for name, a in some.arrays.items()} == {n: a.shape for n, a in none.arrays.items()}


@pytest.mark.parametrize("kind", ["liang", "gradient", "chance", "black_box"])
def test_an_attacks_numbers_fit_together_and_come_out_again(trained, network, kind):
    found = measured(trained, network, attack=kind, each=1, queries=30)
    n = found.numbers
    assert n["samples", "all"] == 10
    assert n["success", "all"] == found.arrays["success"].mean() > 0
    won = found.arrays["success"]
    assert n["flips", "all"] == pytest.approx(found.arrays["flips"][won].mean())
    assert n["insertions", "all"] + n["deletions", "all"] == pytest.approx(n["flips", "all"])
    assert n["fraction", "all"] == pytest.approx(n["flips", "all"] / (15 * 2312))
    assert sum(n["flips", f"t={t}"] for t in range(1, 16)) == pytest.approx(n["flips", "all"])
    assert n["l2", "all"] == pytest.approx(np.sqrt(found.arrays["flips"][won]).mean())
    assert measured(trained, network, attack=kind, each=1, queries=30).numbers == n


def test_an_interrupted_attack_goes_on_where_it_was(trained, monkeypatch):
    monkeypatch.setattr(attack, "PART", 4)
    asked: Any = {"each": 1, "seed": 5}
    attacked = []

    def killed_after(calls):
        def run(victim, x, labels, names, part, p):
            if len(attacked) == calls:
                raise KeyboardInterrupt
            attacked.append(names.tolist())
            return whole(victim, x, labels, names, part, p)

        return run

    whole = attack.run
    monkeypatch.setattr(attack, "run", killed_after(2))
    with pytest.raises(KeyboardInterrupt):
        probes.ask(attack.PROBE, trained, **asked)
    assert not probes.find(trained, "attack", {"seed": 5})
    (kept,) = (trained.path / "probes").glob(".attack-*.parts")
    (kept / "from-00004" / "arrays.npz").write_bytes(b"damaged")
    monkeypatch.setattr(attack, "run", killed_after(-1))
    found = probes.ask(attack.PROBE, trained, **asked)
    monkeypatch.setattr(attack, "run", whole)
    # the first part once; the damaged one again; then the last
    assert [len(names) for names in attacked] == [4, 4, 4, 2] and attacked[1] == attacked[2]
    assert found.provenance["parts_before"] == 1 and not kept.exists()
    expected = measured(trained, trained.load_network(), **asked)
    assert found.numbers == expected.numbers
    assert all(np.array_equal(found.array(name), array) for name, array in expected.arrays.items())


def test_what_other_weights_left_is_not_gone_on_with(trained, monkeypatch):
    folders = []

    def measure(spec, network, p, parts):
        folders.append(parts.folder)
        return record.Findings({})

    probe = record.Probe("parts", 1, "Which?", attack.AttackParameters, measure, samples.is_nmnist, in_parts=True)
    probes.ask(probe, trained, seed=1)
    other = replace(trained, final={**trained.final, "weights_sha256": "0" * 64})
    monkeypatch.setattr(type(trained), "load_network", lambda run: None)
    probes.ask(probe, other, seed=2)
    spec = record.ProbeSpec.of(probe, trained.spec, seed=2)
    assert folders[0].name.split(".")[2] == trained.final["weights_sha256"][:12]
    assert folders[1].name == f".parts-{spec.digest}.{'0' * 12}.parts"


def test_a_part_that_cannot_be_kept_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be kept in .*file.* free or unlock the folder and ask again"):
        record.Parts(tmp_path / "file").get("one", lambda: {"a": np.ones(1)})


def test_knowing_the_gradient_takes_fewer_flips_than_chance(trained, network):
    fewest = measured(trained, network, attack="gradient", each=1)
    chance = measured(trained, network, attack="chance", each=1)
    both = fewest.arrays["success"] & chance.arrays["success"]
    assert both.any()
    assert (fewest.arrays["flips"][both] < chance.arrays["flips"][both]).all()


def test_what_cannot_be_attacked_is_refused(trained, network, part):
    wrong = int(np.flatnonzero(~attack.right(network, part, samples.first(part, 200)))[0])
    with pytest.raises(LifrolesError, match=rf"wrong on recording {wrong}: attack what it gets right"):
        measured(trained, network, samples=[wrong])
    with pytest.raises(LifrolesError, match="the test set has 200"):
        measured(trained, network, samples=[200])
    with pytest.raises(SpecError, match="comes twice"):
        record.choose(attack.PROBE, {"samples": [1, 1]})
    mnist = RunSpec.of("mnist", "baseline", 0, "mnist-5k")
    with pytest.raises(SpecError, match="does not cover"):
        record.ProbeSpec.of(attack.PROBE, mnist)


def test_corruption_starts_from_the_accuracy_of_the_recordings_and_ends_without_events(trained, network, part):
    strengths = {"noise": [0.001], "drop": [0.5, 1.0], "jitter": [1.0], "shift": [2.0]}
    found = measured(trained, network, corruption.PROBE, samples=200, **strengths).numbers
    accuracy = {key: value for (metric, key), value in found.items() if metric == "accuracy"}
    assert set(accuracy) == {"none/0", "noise/0.001", "drop/0.5", "drop/1", "jitter/1", "shift/2"}
    own = evaluate(trained.spec, network, part, samples.batches(part))
    assert accuracy["none/0"] == pytest.approx(own.accuracy)
    assert found["rate.hidden1", "none/0"] == pytest.approx(own.rates["hidden1"])
    # without events every recording is the same one, and so is the answer
    shares = np.bincount(part.labels, minlength=10) / len(part.labels)
    assert accuracy["drop/1"] == pytest.approx(shares[np.abs(shares - accuracy["drop/1"]).argmin()])
    assert accuracy["drop/0.5"] < accuracy["none/0"]


def test_corruptions_of_one_kind_do_not_depend_on_the_others(trained, network):
    one = measured(trained, network, corruption.PROBE, samples=50, noise=[], drop=[0.3], jitter=[], shift=[])
    two = measured(trained, network, corruption.PROBE, samples=50, noise=[0.1], drop=[0.1, 0.3], jitter=[], shift=[])
    assert one.numbers["accuracy", "drop/0.3"] == two.numbers["accuracy", "drop/0.3"]


def test_the_probes_are_known_by_their_names(trained):
    assert probes.get("attack") is attack.PROBE
    assert probes.get("corruption") is corruption.PROBE


def test_the_steps_of_an_attack_end_where_the_attack_ends(trained, network, part):
    found = measured(trained, network, attack_steps.PROBE)
    n, arrays = found.numbers, found.arrays
    sample = int(n["sample", "all"])
    whole = measured(trained, network, samples=[sample], cap=40)
    assert n["success", "all"] == 1
    assert n["label", "all"] == part.labels[sample] != n["predicted", "all"] == arrays["scores"][-1].argmax()
    assert arrays["scores"][0].argmax() == part.labels[sample]
    last = len(arrays["events"]) - 1
    assert n["flips", f"iteration={last}"] == whole.numbers["flips", "all"]
    assert arrays["inserted"][-1].sum() + arrays["deleted"][-1].sum() == whole.numbers["flips", "all"]
    assert arrays["events"][0].sum() == attack.dense(part.batch(np.array([sample])).inputs).sum()
    assert not arrays["inserted"][0].any()
    assert arrays["gradient"].max((1, 2)).tolist() == [1.0] * (last + 1)
    wrong = int(np.flatnonzero(~attack.right(network, part, samples.first(part, 200)))[0])
    with pytest.raises(LifrolesError, match=rf"wrong on recording {wrong}"):
        measured(trained, network, attack_steps.PROBE, sample=wrong)
    with pytest.raises(LifrolesError, match="the test set has 200"):
        measured(trained, network, attack_steps.PROBE, sample=200)


def test_what_fools_a_network_is_given_to_others(trained, network, monkeypatch):
    monkeypatch.setenv("LIFROLES_RUNS", str(trained.path.parents[2]))
    digest = trained.spec.digest
    found = measured(trained, network, transfer.PROBE, others=[digest], each=2).numbers
    own = measured(trained, network, each=2).numbers
    # its own adversarial recordings fool it every time, and there are as many as the attack had successes
    assert found["fooled", digest] == 1
    assert found["samples", digest] == found["samples", "all"] == own["success", "all"] * own["samples", "all"]
    assert found["flips", "all"] == pytest.approx(own["flips", "all"])
    assert 0 <= found["chance", digest] <= 1
    # a model's name stands for the run that differs in the model alone
    assert measured(trained, network, transfer.PROBE, others=["baseline"], each=2).numbers == found
    with pytest.raises(LifrolesError, match=r"others names 0123456789ab: no run of nmnist in .* has this digest"):
        measured(trained, network, transfer.PROBE, others=["0123456789ab"])
    with pytest.raises(
        LifrolesError, match=r"others names no_reset: no run .*: train it with `lifroles train nmnist -v"
    ):
        measured(trained, network, transfer.PROBE, others=["no_reset"])
    with pytest.raises(SpecError, match="no_rest"):
        measured(trained, network, transfer.PROBE, others=["no_rest"])


def test_what_transfers_needs_the_other_models_of_the_same_seed_and_protocol(trained):
    p = record.choose(transfer.PROBE, {"others": ["baseline", "recurrent", "0123456789ab"]})
    mine, other = transfer.PROBE.needs(trained.spec, p)
    assert mine == trained.spec
    assert other == RunSpec.of("nmnist", "recurrent", 0, "saccades-5k", **SMALL)
    assert attack.PROBE.needs(trained.spec, record.choose(attack.PROBE, {})) == ()
