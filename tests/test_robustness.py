"""Section 4.3: what its page shows of networks and of the attacks on them."""

# What a part of a page shows is one of several kinds, and a test knows which.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportOperatorIssue=false
# pyright: reportOptionalOperand=false, reportPossiblyUnboundVariable=false

import math
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from fake_runs import fake_record
from IPython.display import Markdown

from lifroles import probes, training
from lifroles.claims.archive import Archive
from lifroles.figures import Display
from lifroles.parameters import RobustnessParameters
from lifroles.probes import attack, attack_steps, corruption, record, transfer
from lifroles.probes.attack import ATTACKS
from lifroles.prose import NBSP
from lifroles.robustness import collect, order, page, study, words
from lifroles.store import Store, read
from lifroles.study import SCALES

SCALE = SCALES["archive"]["nmnist"]


def trained(store, model, seed=0):
    return read(store.write(fake_record("nmnist", model, seed, SCALE.source, last=0.9, **SCALE.changes)))


def write(run, probe, findings, **changes):
    record.write(run.path, record.ProbeSpec.of(probe, run.spec, **changes), findings, {})


def attacked(run, flips, *, samples=None, vanished=0, **changes):
    """Write an attack: flips of every sample, ``None`` where it was not fooled, half of them insertions."""
    won = np.array([f is not None for f in flips])
    counts = np.array([f or 1 for f in flips], np.int32)
    steps = np.zeros((len(flips), 15), np.int32)
    steps[:, 0] = counts
    arrays = {
        "samples": np.arange(len(flips)) if samples is None else np.array(samples),
        "labels": np.zeros(len(flips), np.uint8),
        "success": won,
        "flips": counts,
        "insertions": counts // 2,
        "iterations": np.full(len(flips), 10, np.int32),
        "vanished": np.full(len(flips), vanished, np.int32),
        "steps": steps,
    }
    write(run, attack.PROBE, record.Findings({("samples", "all"): float(len(flips))}, arrays), **changes)


def corrupted(run, clean, noisy):
    found = {("accuracy", "none/0"): clean, ("accuracy", "noise/0.01"): noisy, ("accuracy", "noise/0.03"): noisy}
    write(run, corruption.PROBE, record.Findings(found))


def shown(store, **changes):
    return collect(RobustnessParameters(**changes), store=store)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_an_empty_archive_is_said_plainly(store):
    empty = shown(store)
    assert "trained: none yet" in page.scale(empty).data
    for part in (*page.results(empty), *page.variations(empty), *page.corruptions(empty), page.sweep(empty)):
        assert isinstance(part, Markdown)
        assert "not measured" in part.data or "not run" in part.data
    assert page.order(empty)[1].data.count("not measured") == 4
    summary, table, _ = page.claims(empty)
    assert "5 cannot be tested" in summary.data
    assert len(table.rows) == 5


def test_models_are_compared_on_the_recordings_that_all_of_them_got_right(store):
    attacked(trained(store, "baseline"), [100, 200, 1000], samples=[1, 2, 3])
    attacked(trained(store, "complete_leakage"), [7000, 400, 800], samples=[0, 1, 2])
    found = shown(store)
    assert found.common == {0: 2}
    assert found.values("baseline", "liang", "flips") == {0: 150}
    assert found.values("complete_leakage", "liang", "flips") == {0: 600}
    assert found.value("baseline", "liang", "fraction").mean == pytest.approx(150 / (15 * 2312))
    assert found.value("baseline", "liang", "l2").mean == pytest.approx((10 + math.sqrt(200)) / 2)
    assert found.value("baseline", "liang", "inserted").mean == 0.5
    assert "2 (seed 0). That is fewer than the 200" in page.scale(found).data


def test_models_that_get_no_recording_right_in_common_are_not_compared(store):
    attacked(trained(store, "baseline"), [100, 200], samples=[1, 2])
    attacked(trained(store, "complete_leakage"), [7000, 400], samples=[3, 4])
    found = shown(store)
    assert found.common == {0: 0}
    for what in words.MEASURES:
        assert found.values("baseline", "liang", what) == {}
    assert "0 (seed 0)" in page.scale(found).data
    assert page.results(found) and page.order(found) and page.claims(found)


def test_a_ratio_counts_only_recordings_on_which_both_are_fooled(store):
    attacked(trained(store, "baseline"), [100, 300, None, 200])
    attacked(trained(store, "complete_leakage"), [200, None, 900, 400])
    found = shown(store)
    assert math.exp(found.ratio("complete_leakage", "baseline", "liang").mean) == pytest.approx(2)
    assert found.values("baseline", "liang", "success") == {0: 0.75}
    assert found.values("baseline", "liang", "flips") == {0: 200}


def test_flips_of_a_network_that_mostly_escapes_compare_nothing(store):
    attacked(trained(store, "baseline"), [100, 300, None, 200], attack="chance")
    attacked(trained(store, "complete_leakage"), [200, 500, 900, 400], attack="chance")
    attacked(trained(store, "recurrent"), [10, 20, 30, 40], attack="chance")
    found = shown(store)
    assert order.order_table(found).rows[0][1] == f"fooled: 100{NBSP}% and 75{NBSP}%"
    line = order.reversals(found).splitlines()[0]
    assert line.endswith("cannot be told from flips by chance: too few recordings are fooled.")
    said = words.fig9_caption(found)
    assert "with recurrence is fooled by the fewest flips (25), complete leakage takes the most (500)" in said
    assert f"not compared, since too few of its recordings are fooled: baseline (75{NBSP}%)" in said


def test_attack_seeds_are_averaged_within_a_network_and_networks_give_the_interval(store):
    for seed, flips in ((0, 100), (1, 120), (2, 140)):
        run = trained(store, "baseline", seed)
        for attack_seed in range(3):
            attacked(run, [flips + 10 * attack_seed], seed=attack_seed)
    found = shown(store).value("baseline", "liang", "flips")
    assert (found.n, found.mean) == (3, pytest.approx(130))
    assert found.low < 130 < found.high


def test_variations_of_an_attack_are_not_taken_for_the_attack(store):
    run = trained(store, "baseline")
    attacked(run, [100])
    attacked(run, [50], scale=0.1)
    attacked(run, [70], attack="gradient", smooth=2.0)
    attacked(run, [10], targeted=True)
    found = shown(store)
    for name, flips in (("liang", 100), ("fine", 50), ("smooth", 70)):
        assert found.values("baseline", name, "flips") == {0: flips}
    assert found.values("baseline", "gradient", "flips") == {}
    table = words.variations_table(found)
    assert "a tenth of the flips" in table.rows[0][0] and table.rows[0][1] == "50"
    assert table.columns == ("Attack", "Baseline"), "no column of dashes"


def test_the_flips_of_another_attack_come_with_the_share_that_was_fooled(store):
    attacked(trained(store, "baseline"), [50, None, 70, None], scale=0.1)
    attacked(trained(store, "recurrent"), [None] * 4, scale=0.1)
    attacked(trained(store, "no_reset"), [5, 6, 7, 8])
    rows = words.variations_table(shown(store)).rows
    assert rows[0][1:] == ("60 (50\N{NO-BREAK SPACE}%)", "none fooled")


def test_the_seeds_of_an_attack_are_counted(store):
    for seed in range(2):
        for drawn in range(3):
            attacked(trained(store, "baseline", seed), [100], seed=drawn)
        attacked(trained(store, "baseline", seed), [100], attack="gradient")
    assert words.fig9_table(shown(store), "liang").rows[0][-1] == "2 × 3"
    assert words.fig9_table(shown(store), "gradient").rows[0][-1] == "2"
    attacked(trained(store, "baseline", 2), [100])
    assert words.fig9_table(shown(store), "liang").rows[0][-1] == "3 × 1 to 3"


def test_a_network_with_fewer_attack_seeds_than_the_others_is_named(store):
    for seed, drawn in ((0, 3), (1, 3)):
        for k in range(drawn):
            attacked(trained(store, "baseline", seed), [100], seed=k)
    assert "the mean over 3 seeds of an attack with chance; bars" in words.fig9_caption(shown(store))
    attacked(trained(store, "recurrent"), [100])
    attacked(trained(store, "no_reset"), [100])
    said = words.fig9_caption(shown(store))
    assert (
        "the mean over 3 seeds of an attack with chance (1 for seed 0 of with recurrence and without reset)" in said
        or ("(1 for seed 0 of without reset and with recurrence)" in said)
    )


def test_a_control_that_turns_the_papers_order_round_is_named(store):
    for seed in range(3):
        for model, liang, chance in (("baseline", 100 + seed, 500 + seed), ("recurrent", 50 + seed, 900 + seed)):
            run = trained(store, model, seed)
            attacked(run, [liang])
            attacked(run, [chance], attack="chance")
    found = shown(store)
    line = order.reversals(found).splitlines()[2]
    assert line == (
        "- The baseline takes more than with recurrence: holds under the paper's attack (Liang et al. 2021); "
        "**is reversed** under flips by chance."
    )
    assert order.turned(found).startswith(
        "**Turned round by another attack**: *the baseline takes more than with recurrence*, under flips by chance: ×"
    )
    assert order.turned(found) in page.in_short(found).data
    bounds = order.strongest(found).replace(NBSP, " ")
    assert "95 % of the recordings: baseline 101 and with recurrence 51 flips. By these bounds every part" in bounds
    assert order.strongest(found) in page.in_short(found).data
    table = order.order_table(found)
    assert [row[0] for row in table.rows] == ["The paper's attack (Liang et al. 2021)", "Flips by chance"]
    assert table.columns[3] == "Baseline to with recurrence"
    assert table.rows[0][3].startswith("× 2.0 (".replace("2.0", f"{(100 / 50 * 101 / 51 * 102 / 52) ** (1 / 3):.2f}"))


def test_the_share_of_steps_without_a_gradient_is_said(store):
    attacked(trained(store, "baseline"), [100], vanished=5)
    attacked(trained(store, "no_reset"), [100], vanished=1)
    said = words.vanishing(shown(store))
    assert "in 10\N{NO-BREAK SPACE}% (without reset) to 50\N{NO-BREAK SPACE}% (baseline) of its steps" in said


def test_claims_are_decided_on_the_common_recordings(store):
    for seed in range(3):
        attacked(trained(store, "baseline", seed), [100 + seed, 9999], samples=[0, 1])
        attacked(trained(store, "complete_leakage", seed), [300, 1], samples=[0, 2])
    summary, table, _ = page.claims(shown(store))
    assert table.rows[0][2] == "reproduced"
    assert table.rows[1][2] == "not testable here"
    assert "1 reproduced and 4 cannot be tested" in summary.data


def test_the_ledger_has_the_pages_own_numbers(store):
    for model, samples in (("baseline", [0, 1]), ("complete_leakage", [1, 2])):
        for seed in (0, 1):
            attacked(trained(store, model), [100 + seed, 300 + seed], samples=samples, seed=seed)
    found, archive = shown(store), Archive(store=store)
    for model, flips in (("baseline", 300.5), ("complete_leakage", 100.5)):
        run = archive.runs("nmnist", model)[0]
        numbers = archive.numbers(run, "attack", {"attack": "liang"})
        assert numbers == found.numbers(run, "attack", {"attack": "liang"})
        assert numbers["flips", "all"] == flips


def test_a_weak_attack_is_told_from_a_robust_network(store):
    run = trained(store, "baseline")
    attacked(run, [100, None], attack="gradient")
    attacked(run, [100, 200], attack="gradient", smooth=2.0)
    assert "in part a gradient that vanishes" in page.in_short(shown(store)).data
    other = trained(store, "baseline", seed=1)
    attacked(other, [100, 200], attack="gradient")
    attacked(other, [100, 200], attack="gradient", smooth=2.0)
    assert "no gradient is hidden" in page.in_short(shown(store, seeds=[1])).data


def test_noise_is_compared_with_each_networks_own_clean_recordings(store):
    corrupted(trained(store, "baseline"), 0.9, 0.7)
    corrupted(trained(store, "no_leakage"), 0.96, 0.3)
    found = shown(store)
    fig: Any = page.corruptions(found)[0]
    assert "baseline loses least (20.0 points) and without leakage most (66.0 points)" in fig.caption
    table = words.corruption_table(found)
    assert table.columns == ("Corruption", "Baseline", "Without leakage")
    assert {row[1:] for row in table.rows} == {("20.0", "66.0")} and len(table.rows) == 2


def test_the_sweep_takes_every_feed_forward_network_with_hard_reset(store):
    for model in ("baseline", "no_leakage", "complete_leakage", "leak-0.5_hard", "no_reset", "recurrent", "lstm"):
        attacked(run := trained(store, model), [100])
        corrupted(run, 0.9, 0.8)
    found = shown(store)
    assert list(found.sweep.runs) == [0.0, 0.3, 0.5, 1.0]
    assert found.sweep.flips("liang")[0.5] == 100
    said = page.sweep(found).caption
    assert "4 values of k_tau (seed 0)" in said
    assert "Accuracy (3% noise): 80.0\N{NO-BREAK SPACE}% at every value." in said


def test_the_sweep_says_whether_a_curve_rises_and_compares_the_seeds_that_all_have(store):
    flips = {"complete_leakage": 400, "baseline": 200, "leak-0.5_hard": 300, "no_leakage": 100}
    for model, n in flips.items():
        attacked(trained(store, model), [n, 9999], samples=[0, 1] if model != "no_leakage" else [0, 2])
    attacked(trained(store, "baseline", seed=1), [7])
    said = page.sweep(shown(store)).caption
    assert "Flips (liang): 100 at 1 to 400 at 0, rank correlation with k_tau \N{MINUS SIGN}0.80." in said
    assert "seed 0)" in said and "seed 1" not in said


def test_networks_of_the_sweep_do_not_change_what_the_others_are_compared_on(store):
    for model in ("baseline", "no_leakage", "complete_leakage"):
        attacked(trained(store, model), [100, 300], samples=[0, 1])
    attacked(trained(store, "leak-0.5_hard"), [50], samples=[1])
    found = shown(store)
    assert found.common == {0: 2}
    assert found.values("baseline", "liang", "flips") == {0: 200}
    assert found.sweep.flips("liang") == {0.0: 300, 0.3: 300, 0.5: 50, 1.0: 300}


def test_what_transfers_is_paired_by_seed(store):
    runs = {(m, seed): trained(store, m, seed) for m in ("baseline", "recurrent") for seed in (0, 1)}
    for seed, fooled in ((0, 0.4), (1, 0.6)):
        others = [runs["recurrent", s].spec.digest for s in (0, 1)]
        found = {("fooled", others[seed]): fooled, ("chance", others[seed]): 0.1, ("fooled", others[1 - seed]): 1.0}
        found["chance", others[1 - seed]] = 0.0
        found["flips", "all"] = 1000.0 + 500 * seed
        write(runs["baseline", seed], transfer.PROBE, record.Findings(found), others=others)
        # what was made along a smooth gradient is another table
        made = {("fooled", others[seed]): 0.9, ("chance", others[seed]): 0.0, ("flips", "all"): 10.0}
        smooth = record.Findings(made)
        write(runs["baseline", seed], transfer.PROBE, smooth, others=others, attack="gradient", smooth=2.0)
    study = shown(store)
    assert study.transfer("baseline", "recurrent").mean == pytest.approx(0.5)
    assert study.transfer("baseline", "recurrent", what="chance").mean == pytest.approx(0.1)
    assert study.transfer("baseline", "recurrent", what="flips").mean == pytest.approx(1250)
    assert study.transfer("baseline", "recurrent", "smooth").mean == pytest.approx(0.9)
    assert study.transfer("recurrent", "baseline") is None
    said = words.transferred(study, "liang").replace(NBSP, " ")
    assert "50 % (with recurrence) fools" in said and "random places fool 10 %." in said
    assert words.transferred(study, "gradient") == ""
    (drawn,) = (part for part in page.variations(study) if isinstance(part, Display))
    assert "mean over 2 seeds" in drawn.html and "baseline,recurrent,1,0.6,0.1,1500" in unquote(drawn.html)
    texts = [part.data for part in page.variations(study) if isinstance(part, Markdown)]
    assert any("Few flips along the gradient of a smooth surrogate**: of what was made" in text for text in texts)


def test_archived_attacks_are_chosen_by_recordings_and_cap(store):
    run = trained(store, "baseline")
    attacked(run, [100])
    attacked(run, [300], cap=50)
    attacked(run, [500], each=10, seed=1)
    assert shown(store).values("baseline", "liang", "flips") == {0: 300}
    assert shown(store, cap=50).values("baseline", "liang", "flips") == {0: 300}
    assert shown(store, cap=200, each=30).values("baseline", "liang", "flips") == {0: 100}
    assert shown(store, each=10).values("baseline", "liang", "flips") == {0: 500}
    assert shown(store, each=7).values("baseline", "liang", "flips") == {}


def test_networks_attacked_in_place_are_asked_for_what_was_chosen(monkeypatch, tmp_path):
    asked = []

    def ask(probe, run, **changes):
        asked.append((probe.name, changes))

    monkeypatch.setattr(training, "run", lambda spec, store, **_: trained(store, "baseline"))
    monkeypatch.setattr(probes, "ask", ask)
    p = {"models": ["baseline"], "seeds": [0]}
    collect(RobustnessParameters(profile="smoke", cap=7, **p), lambda _: None, Store(tmp_path))
    attacks = [changes for name, changes in asked if name == "attack"]
    assert attacks and all((changes["cap"], changes["each"]) == (7, 1) for changes in attacks)
    asked.clear()
    collect(RobustnessParameters(profile="smoke", each=3, **p), lambda _: None, Store(tmp_path))
    assert {changes["each"] for name, changes in asked if name == "attack"} == {3}


def test_as_many_random_flips_on_the_network_itself_are_the_first_control(store):
    for model, chance in (("baseline", 0.3), ("recurrent", 0.5)):
        run = trained(store, model)
        own = {("fooled", run.spec.digest): 1.0, ("chance", run.spec.digest): chance, ("flips", "all"): 900.0}
        write(run, transfer.PROBE, record.Findings(own), others=[model])
    said = words.same_number(shown(store)).replace(NBSP, " ")
    assert "fool the network itself in 30 % (baseline) to 50 % (with recurrence) where their" in said
    assert said in " ".join(p.data.replace(NBSP, " ") for p in page.variations(shown(store)) if isinstance(p, Markdown))


def test_a_transfer_that_fools_more_than_the_own_gradient_shows_that_it_is_hidden(store):
    runs = {model: trained(store, model) for model in ("baseline", "recurrent")}
    for model, other, fooled, own in (("baseline", "recurrent", 0.7, 1), ("recurrent", "baseline", 0.8, 3)):
        digest = runs[other].spec.digest
        found = {("fooled", digest): fooled, ("chance", digest): 0.0, ("flips", "all"): 5.0}
        changes = {"others": [runs[other].spec.digest], "attack": "gradient", "smooth": 2.0}
        write(runs[model], transfer.PROBE, record.Findings(found), **changes)
        attacked(runs[model], [10] * own + [None] * (4 - own), attack="gradient")
    said = words.masked(shown(store)).replace(NBSP, " ")
    # 80 % against 25 %; the recurrent one's own gradient fools more than the transfer does
    assert "fools baseline in 80 % (that of with recurrence), where its own gradient does in 25 %: it knows" in said
    assert said in " ".join(p.data.replace(NBSP, " ") for p in page.variations(shown(store)) if isinstance(p, Markdown))


def test_one_recording_is_shown_step_by_step(store):
    arrays = {
        "events": np.ones((3, 2, 34, 34), np.uint8),
        "inserted": np.zeros((3, 34, 34), np.uint8),
        "deleted": np.ones((3, 34, 34), np.uint8),
        "gradient": np.ones((3, 34, 34), np.float16),
        "scores": np.eye(10, dtype=np.float32)[[4, 4, 9]],
    }
    numbers = {("success", "all"): 1.0, ("label", "all"): 4.0, ("predicted", "all"): 9.0}
    numbers |= {("flips", "iteration=1"): 700.0, ("flips", "iteration=2"): 1200.0}
    write(trained(store, "baseline"), attack_steps.PROBE, record.Findings(numbers, arrays))
    fig: Any = page.workflow(shown(store))[1]
    assert (
        "A recording of a 4 under attack: baseline takes it for a 9 after 2 iterations and 1,200 flips" in fig.caption
    )


def test_every_question_of_the_page_is_one_that_the_probe_knows():
    for changes in ATTACKS.values():
        record.choose(attack.PROBE, changes)
    for name, asked in study.ASKED.items():
        for changes in asked:
            record.choose(probes.get(name), changes)
    assert len(study.ASKED["attack"]) == 8
    assert len(study.ONCE["attack"]) == 4
