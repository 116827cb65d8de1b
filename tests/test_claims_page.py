"""What the book shows of the claims: evidence from a store, the ledger, the advisor, the map of roles, the errata."""

from collections import Counter

import pytest
from fake_runs import fake_record

from lifroles import Store, paper
from lifroles.claims import CLAIMS, Verdict, decide, errata, front, page, suggestions
from lifroles.claims.archive import Archive
from lifroles.claims.comparisons import more_accurate
from lifroles.claims.generalisation import DURATION
from lifroles.claims.quantities import accuracy
from lifroles.claims.roles import CHANGES, TITLES, measures
from lifroles.claims.verdict import Claim
from lifroles.figures import roles as figures
from lifroles.probes.record import Findings, ProbeSpec, write
from lifroles.probes.resolution import PROBE as RESOLUTION
from lifroles.study import SCALES
from lifroles.variant import TABLE6_VARIANTS

NMNIST = SCALES["archive"]["nmnist"]


def nmnist(variant, seed, last, **changes):
    return fake_record("nmnist", variant, seed, NMNIST.source, last=last, **{**NMNIST.changes, **changes})


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    for seed in range(3):
        for i, variant in enumerate(TABLE6_VARIANTS):
            store.write(fake_record("mnist", variant, seed, "official", last=0.9 + 0.01 * i + 0.001 * seed))
            store.write(nmnist(variant, seed, 0.9 - 0.01 * i))
    store.write(nmnist("baseline", 7, 0.1, hidden=8))
    store.write(fake_record("nmnist", "baseline", 8, "saccades-5k", **NMNIST.changes))
    store.write(fake_record("mnist", "baseline", 9, "official", status="failed"))
    return store


def test_only_completed_runs_of_the_profiles_scale_and_source_are_evidence(store):
    archive = Archive(store=store)
    assert [run.seed for run in archive.runs("nmnist", "baseline")] == [0, 1, 2]
    assert [run.seed for run in archive.runs("mnist", "baseline")] == [0, 1, 2]
    assert archive.runs("shd", "baseline") == []
    assert Archive("smoke", store).runs("nmnist", "baseline") == []


def test_a_probe_with_its_own_values_comes_before_one_that_was_asked_otherwise(store):
    (run, *_) = Archive(store=store).runs("nmnist", "baseline")
    assert run.path is not None
    for value, changes in ((0.1, {"dts": [3.0]}), (0.2, {}), (0.3, {"dts": [10.0], "source": "subset"})):
        write(run.path, ProbeSpec.of(RESOLUTION, run.spec, **changes), Findings({("accuracy", "a"): value}), {})
    archive = Archive(store=store)
    assert archive.numbers(run, "resolution", {}) == {("accuracy", "a"): 0.2}
    assert archive.numbers(run, "resolution", {"source": "subset"}) == {("accuracy", "a"): 0.3}
    assert archive.numbers(run, "features", {}) == {}


def test_the_tally_adds_up_and_is_said(store, monkeypatch):
    monkeypatch.setattr(page, "Archive", lambda profile: Archive(profile, store))
    found = page.outcomes()
    counts = Counter(outcome.verdict for outcome in found)
    *rows, total = page.tally(found).rows
    assert total == ("All", *(str(counts[v]) for v in page.ORDER), str(len(CLAIMS)))
    for column in range(1, 6):
        assert sum(int(row[column]) for row in rows) == int(total[column])
    said = page.tally_in_words(found)
    assert f"{counts[Verdict.REPRODUCED]} reproduced" in said
    assert f"For {counts[Verdict.NOT_TESTABLE]} claims there are no runs" in said
    assert 'href="#claim-mnist-recurrence">Recurrence raises' in str(page.conclusion(found).data)
    short = str(page.in_short([one for one in found if "Fig. 4" in one.claim.place]).data)
    assert short.startswith("Of 1 claim that the paper makes here, 1 can be tested")
    assert '- *Not reproduced: contradicted*: <a href="6_conclusion.html#claim-reset-rate">' in short


def test_the_ledger_shows_every_claim_with_what_was_needed_and_what_was_measured(store, monkeypatch):
    monkeypatch.setattr(page, "Archive", lambda profile: Archive(profile, store))
    html = page.Ledger(page.outcomes())._repr_html_()
    assert html.count('<div class="lifroles-item"') == len(CLAIMS)
    for claim in CLAIMS:
        assert f'id="claim-{claim.name}" data-verdict=' in html
    text = html.replace("\N{NO-BREAK SPACE}", " ")
    # Recurrence on MNIST: 0.94 against 0.90 with every seed.
    measured = "<td>+4.00 points (+4.00 to +4.00), n = 3</td><td>reproduced</td>"
    assert f"<td>+1.76 points</td><td>above 0 points</td>{measured}" in text
    assert "<td>50.50 %</td><td>below 53.00 %</td><td>no runs</td><td>not testable here</td>" in text
    assert "<td>within ±2.00 points</td>" in text


def printed_drop(model, other):
    (a, b), (c, d) = ([paper.TABLE7[name][dt].value for dt in (3, 1)] for name in (model, other))
    return f"{100 * (a - b - (c - d)):+.2f} points".replace("-", "−")


def test_the_front_page_has_the_main_claims_and_says_on_which_data_they_stand(store, monkeypatch):
    for module in (page, front):
        monkeypatch.setattr(module, "Archive", lambda profile: Archive(profile, store))
    found = page.outcomes()
    table = front.headlines(found)
    verdicts = {one.claim.statement: str(one) for one in found}
    assert len(table.rows) == len(front.HEADLINES)
    assert all(verdicts[statement] == verdict for statement, _, verdict, *_ in table.rows)
    printed = {
        name: row[3].replace("\N{NO-BREAK SPACE}", " ") for name, row in zip(front.HEADLINES, table.rows, strict=True)
    }
    # Table 6, Table 7, and what the paper draws only
    assert printed["xor-complete-leakage"] == "50.50 %" and printed["xor-reset"] == "+18.60 points"
    assert printed[f"complete-leakage-generalises-better{DURATION}"] == printed_drop("baseline", "complete_leakage")
    assert printed["robust-recurrence"] == "–"
    notes = dict(zip(front.HEADLINES, table.notes, strict=True))
    assert notes["xor-reset"].endswith("Data: Delayed spiking XOR (length fitted to Table 6).")
    assert notes["robust-recurrence"].endswith("Data: N-MNIST (stand-in, 30 of 100 epochs).")
    assert notes[f"recurrence-generalises-worse{DURATION}"].endswith("under the other: not testable here.")
    assert "MNIST (published)" in notes["temporal-most"]
    said = str(front.coverage().data)
    assert "MNIST (published data; 3 seeds)" in said
    run, _, missing = said.partition("Not run:")
    assert "SHD" not in run
    assert "SHD" in missing


def test_the_front_page_answers_first_and_every_main_claim_leads_to_its_place_in_the_ledger(store, monkeypatch):
    monkeypatch.setattr(page, "Archive", lambda profile: Archive(profile, store))
    found = page.outcomes()
    # Of the claims with a test for each reading of Table 7 one counts.
    once = [one for one in found if f"{one.claim.name}{DURATION}" not in {other.claim.name for other in found}]
    assert len(once) == len(found) - 7
    counts = Counter(outcome.verdict for outcome in once)
    said = str(front.answer(found).data)
    tested = len(once) - counts[Verdict.NOT_TESTABLE]
    assert f"Of {len(once)} claims" in said
    assert f"{tested} can be decided by the runs there are, and {counts[Verdict.REPRODUCED]} of these hold:" in said
    assert f"{counts[Verdict.NOT_REPRODUCED]} are not reproduced (4 contradicted, 0 open)" in said
    assert f"For {counts[Verdict.NOT_TESTABLE]} claims there are no runs, or too few." in said
    assert "Nothing is trained yet." in str(front.answer(page.outcomes(claims=[CLAIMS[0]])).data)
    cards, _, folded = front.main(found)._repr_html_().partition("<details>")
    assert cards.count("<li>") == len(front.HEADLINES)
    for name in front.HEADLINES:
        assert f'<a href="notebooks/6_conclusion.html#claim-{name}">' in cards
    assert cards.index("<strong>Leakage</strong>") < cards.index("<strong>Reset</strong>")
    assert "<caption>" in folded


def test_every_claim_has_one_topic():
    names = [claim.name for claims in front.TOPICS.values() for claim in claims]
    assert sorted(names) == sorted(claim.name for claim in CLAIMS)


def test_what_stands_beside_a_verdict_is_shown_and_decides_nothing(store):
    evidence = Archive(store=store)
    tested = more_accurate("mnist", "recurrent", "baseline")
    beside = accuracy("mnist", "baseline")
    plain = decide(Claim("a", "Table 6", "recurrence", "More accurate.", [tested]), evidence)
    with_beside = decide(Claim("a", "Table 6", "recurrence", "More accurate.", [tested], beside=[beside]), evidence)
    assert with_beside.verdict is plain.verdict is Verdict.REPRODUCED
    html = page.Ledger([with_beside])._repr_html_().replace("\N{NO-BREAK SPACE}", " ")
    assert "1 test of a" in html
    assert "<td>–</td><td>90.10 % (89.85 to 90.35), n = 3</td><td>beside it</td>" in html


def test_an_advice_says_how_many_of_its_claims_hold(store, monkeypatch):
    monkeypatch.setattr(page, "Archive", lambda profile: Archive(profile, store))
    advisor = suggestions.Advisor(page.outcomes())
    by_need = {(one.need, one.part): advisor.evidence(one) for one in suggestions.SUGGESTIONS}
    assert by_need["few spikes", "reset"] == "1 not reproduced; 1 claim not testable here."
    assert by_need["noisy input", "leakage"] == "Not tested here."
    html = advisor._repr_html_()
    assert html.count('<div class="lifroles-item"') == len(suggestions.SUGGESTIONS)
    assert html.count('type="checkbox"') == len(suggestions.NEEDS)
    # Each claim comes with its number, and with what stands beside it.
    text = html.replace("\N{NO-BREAK SPACE}", " ")
    assert (
        "Spikes per neuron and step, without reset (N-MNIST) − spikes per neuron and step, baseline (N-MNIST): " in text
    )
    assert "spikes per step" in text
    short = advisor.in_short()
    assert [row[3] for row in short.rows] == [advisor.evidence(one) for one in suggestions.SUGGESTIONS]
    assert {name for one in suggestions.SUGGESTIONS for name in one.claims} <= {claim.name for claim in CLAIMS}


def test_the_map_of_roles_is_paired_by_seed_and_relative_where_it_says_so(store):
    lines = {measure.name: measure for measure in measures(Archive(store=store))}
    assert len(lines) >= len(TITLES) + 4
    mnist = lines["accuracy: MNIST"]
    assert mnist.share
    assert mnist.effects["recurrent"].mean == pytest.approx(0.04)
    assert mnist.effects["recurrent"].low == pytest.approx(0.04)
    assert not lines["accuracy: SHD"].effects
    spikes = lines["spike rate: N-MNIST"]
    assert not spikes.share
    assert spikes.effects["no_reset"].mean == pytest.approx(0)
    drawn = figures.roles(list(lines.values()))
    assert drawn.axes[0].get_yticklabels()[0].get_text() == "accuracy: XOR"
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()] == list(CHANGES.values())


def test_the_errata_compute_what_they_say_from_the_papers_tables():
    texts = {one.said: one.arithmetic().replace("\N{NO-BREAK SPACE}", " ") for one in errata.ERRATA}
    assert "86.81 % = 250/288" in texts["DVS128 Gesture has 1,342 samples."]
    assert "2 batches of 1,024" in texts["Batches of 1,024 for spatio-temporal data."]
    by_leak = texts["A smaller k_tau generalises better."]
    assert "at 1 ms the accuracy changes by −4.05 points with complete leakage and by −3.94" in by_leak
    assert "at 10 ms the accuracy changes by +0.11 points with complete leakage and by −0.13" in by_leak
    order = texts["The parts matter least on spatial benchmarks."]
    assert "21.75 points (temporal), 1.14 points (spatio-temporal) and 0.76 points (spatial)" in order
    assert "without it they are 0.76 points and 0.64 points (MNIST alone 0.77 points)" in order
    gestures = texts["DVS128 Gesture has 1,342 samples."]
    assert "4 are whole numbers of 288" in gestures
    assert "87.84 % would be 253/288 (87.847 %) cut off instead of rounded" in gestures
    assert "accuracy is 18.6 points higher" in texts["The reset is essential for uninterrupted temporal processing."]
    beaten = texts["Spiking networks generalise better than all RNN models."]
    assert "the LSTM has 90.52 %, more than" in beaten
    assert "89.16 %" in beaten
    assert paper.TABLE6["recurrent"]["cifar10"] is None
    assert errata.influence("cifar10") == pytest.approx((0.42 + 0.03 + 1.04) / 300)
    assert errata.standard_error(0.5, 100) == pytest.approx(0.05)
    assert len(errata.table().rows) == len(errata.ERRATA)
