"""Claims are decided by their tests: on the paper's own numbers, on their opposite, and on too few."""

from types import SimpleNamespace
from typing import Any

import pytest

from lifroles import paper
from lifroles.claims import CLAIMS, Claim, Verdict, decide
from lifroles.claims.quantities import Quantity, accuracy, combined, drop, mean, probed, rate
from lifroles.claims.verdict import Test as Comparison
from lifroles.spec import RunSpec
from lifroles.variant import PAPER_VARIANTS

TABLES = [
    c for c in CLAIMS if "Table" in c.place or c.name in ("temporal-most", "reset-weakened", "reset-insignificant")
]


class FromThePaper:
    """Evidence that is the paper's tables with a little noise, the same for all models of a seed or not."""

    def __init__(self, seeds: int = 5, sign: float = 1.0) -> None:
        self.seeds, self.sign = seeds, sign

    def runs(self, benchmark: str, model: str) -> Any:
        if benchmark == "nmnist" and model not in paper.TABLE6:
            reported = paper.TABLE7[model][3]
        else:
            reported = paper.TABLE6[model][benchmark] if model in paper.TABLE6 else None
        if reported is None:
            return []
        return [
            SimpleNamespace(seed=seed, model=model, final={"last_accuracy": value, "best_accuracy": value})
            for seed in range(self.seeds)
            for value in [reported.value + 1e-5 * ((7 * seed) % 3)]
        ]

    def numbers(self, run: Any, probe: str, parameters: Any) -> dict[tuple[str, str], float]:
        if probe != "resolution":
            return {}
        return {
            ("accuracy", f"{kept}/binary/{dt}"): reported.value + 1e-5 * ((7 * run.seed) % 3)
            for kept in ("steps", "duration")
            for dt, reported in paper.TABLE7[run.model].items()
        }


class Given:
    """Evidence with these numbers by seed, for every run and probe."""

    def __init__(self, **values):
        self.values = values

    def runs(self, benchmark: str, model: str) -> Any:
        return [
            SimpleNamespace(seed=seed, final={"last_accuracy": v, "best_accuracy": v, "spike_rate": {"hidden1": v}})
            for seed, v in self.values.get(model, {}).items()
        ]

    def numbers(self, run: Any, probe: str, parameters: Any) -> dict[tuple[str, str], float]:
        return {("accuracy", "steps/binary/3"): 0.9, ("accuracy", "steps/binary/1"): 0.9 - run.final["last_accuracy"]}


def test_there_are_as_many_claims_as_promised_and_names_are_unique():
    assert len(CLAIMS) >= 25
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    assert {claim.part for claim in CLAIMS} == {"leakage", "reset", "recurrence", "all"}


def test_claims_about_step_lengths_are_tested_under_both_readings():
    by_name = {claim.name: claim for claim in CLAIMS}
    again = [name for name in by_name if name.endswith("-duration")]
    assert len(again) == 7
    for name in again:
        first, second = by_name[name.removesuffix("-duration")], by_name[name]
        assert len(first.tests) == len(second.tests)
        assert all("(duration kept)" in test.quantity.label for test in second.tests)
        assert not any("(duration kept)" in test.quantity.label for test in first.tests)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_names_models_and_benchmarks_that_there_are(claim):
    sources = frozenset().union(*(test.quantity.sources for test in claim.tests))
    assert sources
    for benchmark, model in sources:
        assert RunSpec.of(benchmark, model).variant_name == model
    assert claim.statement.endswith(".")
    assert not claim.why or claim.why.endswith(".")


@pytest.mark.parametrize("claim", TABLES, ids=lambda claim: claim.name)
def test_the_papers_own_numbers_bear_out_what_it_says_of_its_tables(claim):
    outcome = decide(claim, FromThePaper())
    if claim.name.startswith(
        "complete-leakage-generalises-better"
    ):  # the paper's text and table differ, as the claim says
        assert [d.verdict for d in outcome.decisions] == [Verdict.NOT_REPRODUCED, Verdict.REPRODUCED]
        return
    assert outcome.verdict == Verdict.REPRODUCED, [
        (d.test.quantity.label, d.interval) for d in outcome.decisions if d.verdict != Verdict.REPRODUCED
    ]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_without_runs_nothing_is_decided(claim):
    outcome = decide(claim, Given())
    assert outcome.verdict == Verdict.NOT_TESTABLE
    assert all(decision.interval is None for decision in outcome.decisions)


ABOVE = Claim("a", "b", "all", "c.", [Comparison(accuracy("xor", "no_reset") - accuracy("xor", "baseline"), "above")])


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [
        ([0.9, 0.91, 0.92], [0.7, 0.7, 0.73], Verdict.REPRODUCED),
        ([0.9, 0.6, 0.9], [0.7, 0.7, 0.7], Verdict.DIRECTION),
        ([0.7, 0.7, 0.7], [0.7, 0.7, 0.7], Verdict.NOT_REPRODUCED),
        ([0.7, 0.71, 0.7], [0.9, 0.6, 0.9], Verdict.NOT_REPRODUCED),
        ([0.9, 0.91], [0.7, 0.7], Verdict.NOT_TESTABLE),
    ],
)
def test_a_difference_is_decided_by_its_interval_then_by_its_mean(better, worse, verdict):
    evidence = Given(no_reset=dict(enumerate(better)), baseline=dict(enumerate(worse)))
    assert decide(ABOVE, evidence).verdict == verdict


@pytest.mark.parametrize(
    ("relation", "limit", "values", "said"),
    [
        ("above", 0.0, [-0.20, -0.21, -0.22], "not reproduced: contradicted"),
        ("above", 0.0, [-0.2, -0.1, 0.2], "not reproduced: open"),
        ("below", 0.1, [0.20, 0.21, 0.22], "not reproduced: contradicted"),
        ("below", 0.1, [0.0, 0.1, 0.9], "not reproduced: open"),
        ("within", 0.1, [-0.20, -0.21, -0.22], "not reproduced: contradicted"),
        ("within", 0.1, [-0.9, -0.1, 0.2], "not reproduced: open"),
        ("above", 0.0, [-0.1, 0.1, 0.2], "direction only"),
        ("above", 0.0, [0.20, 0.21, 0.22], "reproduced"),
    ],
)
def test_what_is_not_reproduced_is_contradicted_or_open(relation, limit, values, said):
    claim = Claim("a", "b", "all", "c.", [Comparison(accuracy("xor", "baseline"), relation, limit)])
    assert str(decide(claim, Given(baseline=dict(enumerate(values))))) == said


def test_differences_are_paired_by_seed():
    # the same differences, in an order in which unpaired means would say nothing
    evidence = Given(no_reset={0: 0.51, 1: 0.91, 2: 0.71, 9: 0.1}, baseline={0: 0.5, 1: 0.9, 2: 0.7, 8: 0.99})
    (decision,) = decide(ABOVE, evidence).decisions
    assert decision.verdict == Verdict.REPRODUCED
    assert decision.interval is not None
    assert decision.interval.n == 3
    assert decision.interval.mean == pytest.approx(0.01)


def test_a_limit_below_and_a_limit_on_both_sides():
    q = accuracy("xor", "baseline")
    evidence = Given(baseline={0: 0.010, 1: 0.012, 2: 0.011})
    assert Comparison(q, "below", 0.02).decide(evidence).verdict == Verdict.REPRODUCED
    assert Comparison(q, "below", 0.0112).decide(evidence).verdict == Verdict.DIRECTION
    assert Comparison(q, "below", 0.01).decide(evidence).verdict == Verdict.NOT_REPRODUCED
    minus = combined("-", lambda v: -v, q)
    for one in (q, minus):
        assert Comparison(one, "within", 0.02).decide(evidence).verdict == Verdict.REPRODUCED
        assert Comparison(one, "within", 0.0112).decide(evidence).verdict == Verdict.DIRECTION
        assert Comparison(one, "within", 0.01).decide(evidence).verdict == Verdict.NOT_REPRODUCED


def test_one_failure_outweighs_what_cannot_be_tested_and_that_outweighs_the_rest():
    good, bad = (Comparison(accuracy("xor", "baseline"), "below", limit) for limit in (1.0, 0.0))
    missing = Comparison(accuracy("xor", "recurrent"), "below", 1.0)
    evidence = Given(baseline={0: 0.5, 1: 0.5, 2: 0.5})

    def verdict(*tests):
        return decide(Claim("a", "b", "all", "c.", tests), evidence).verdict

    assert verdict(good) == Verdict.REPRODUCED
    assert verdict(good, missing) == Verdict.NOT_TESTABLE
    assert verdict(good, missing, bad) == Verdict.NOT_REPRODUCED


def test_quantities_by_hand():
    evidence = Given(baseline={0: 0.2, 1: 0.4}, recurrent={1: 0.5, 2: 0.9})
    a, b = accuracy("xor", "baseline"), accuracy("xor", "recurrent")
    assert (b - a).values(evidence) == {1: pytest.approx(0.1)}
    assert abs(a - b).values(evidence) == {1: pytest.approx(0.1)}
    assert mean("m", [a, b]).values(evidence) == {1: pytest.approx(0.45)}
    assert rate("xor", "baseline").values(evidence) == {0: 0.2, 1: 0.4}
    assert rate("xor", "baseline", "hidden2").values(evidence) == {}
    assert drop("baseline", 1.0).values(evidence) == {0: pytest.approx(0.2), 1: pytest.approx(0.4)}
    assert drop("baseline", 2.0).values(evidence) == {}
    both = probed("baseline", "resolution", "accuracy", ["steps/binary/3", "steps/binary/1"])
    assert both.values(evidence) == {0: pytest.approx(0.8), 1: pytest.approx(0.7)}
    assert isinstance(a - b, Quantity)
    assert (a - b).sources == {("xor", "baseline"), ("xor", "recurrent")}


def test_every_variant_of_the_paper_is_in_some_claim():
    models = {m for c in CLAIMS for t in c.tests for _, m in t.quantity.sources}
    assert set(PAPER_VARIANTS) <= models
