"""The variant says what a neuron is made of, and refuses what cannot be."""

import math

import pytest

from lifroles import benchmarks
from lifroles.errors import SpecError
from lifroles.variant import PAPER_VARIANTS, TABLE6_VARIANTS, VARIANT_LABELS, Variant


def test_the_papers_variants_change_one_part_of_the_baseline_at_a_time():
    baseline = PAPER_VARIANTS["baseline"]
    assert (baseline.leak, baseline.reset, baseline.recurrent) == (0.3, "hard", False)
    parts = ("leak", "reset", "recurrent")
    changed = {
        name: [p for p in parts if getattr(PAPER_VARIANTS[name], p) != getattr(baseline, p)] for name in PAPER_VARIANTS
    }
    assert changed == {
        "baseline": [],
        "no_leakage": ["leak"],
        "complete_leakage": ["leak"],
        "no_reset": ["reset"],
        "recurrent": ["recurrent"],
        "no_leakage_recurrent": ["leak", "recurrent"],
        "no_leakage_no_reset_recurrent": ["leak", "reset", "recurrent"],
    }
    assert (PAPER_VARIANTS["no_leakage"].leak, PAPER_VARIANTS["complete_leakage"].leak) == (1.0, 0.0)
    assert TABLE6_VARIANTS == ("baseline", "no_leakage", "complete_leakage", "no_reset", "recurrent")
    assert VARIANT_LABELS.keys() == PAPER_VARIANTS.keys()


@pytest.mark.parametrize("leak", [-0.1, 1.1, math.nan, math.inf, True, "0.3", "learned", None])
def test_an_impossible_leak_is_refused_by_name(leak):
    with pytest.raises(SpecError, match="leak is"):
        Variant(leak=leak)


def test_an_impossible_reset_or_recurrence_is_refused_by_name():
    with pytest.raises(SpecError, match="reset is 'None'"):
        Variant(reset="None")
    with pytest.raises(SpecError, match="recurrent is 1"):
        Variant(recurrent=1)  # pyright: ignore[reportArgumentType]


def test_equal_variants_are_one_key_however_the_leak_is_written():
    assert len({Variant(leak=1), Variant(leak=1.0), Variant(leak=0), Variant(leak=-0.0)}) == 2
    with pytest.raises(AttributeError):
        Variant().leak = 0.5  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(("benchmark", "leak"), [("xor", "learnable"), ("mnist", 0.3)])
def test_a_benchmark_puts_its_normal_leakage_into_named_variants(benchmark, leak):
    task = benchmarks.get(benchmark)
    resolved = {name: benchmarks.resolve_variant(task, name) for name in PAPER_VARIANTS}
    assert [resolved[n].leak for n in ("baseline", "no_reset", "recurrent")] == [leak] * 3
    assert [resolved[n].leak for n in ("no_leakage", "complete_leakage", "no_leakage_recurrent")] == [1.0, 0.0, 1.0]
    # and the name is found again
    assert {benchmarks.variant_name(task, v): n for n, v in resolved.items()} == {n: n for n in PAPER_VARIANTS}


def test_a_variant_without_a_name_in_the_paper_is_described():
    assert benchmarks.variant_name(benchmarks.get("xor"), Variant(leak=0.5, reset="soft")) == "leak-0.5_soft"
    assert Variant(leak="learnable", reset="none", recurrent=True).describe() == "learnable leak, no reset, recurrent"
