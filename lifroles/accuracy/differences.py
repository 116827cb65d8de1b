"""Which differences between variants survive: every pair on every benchmark, here and in the paper."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from lifroles import benchmarks, paper, prose
from lifroles.accuracy.study import Study
from lifroles.accuracy.words import NOT_RUN, label, named, title
from lifroles.figures.style import short
from lifroles.statistics import Difference, difference_error, holm, paired_difference
from lifroles.tables import Download, Table
from lifroles.variant import TABLE6_VARIANTS

LEVEL = 0.05
"""A difference counts as surviving below this corrected p-value."""

SIGNS = 9
"""With so many seeds the test over signs can get below :data:`LEVEL`, corrected for ten pairs: 2 of 512 patterns."""

BOOTSTRAPPED = 5
"""With fewer seeds a bootstrap of them says little more than their range."""

BAND = 1.96
"""So many standard errors either side make a 95 % interval."""


@dataclass(frozen=True)
class Pair:
    """Two variants on one benchmark.

    Arguments:
        first, second: the variants; a difference is the second's accuracy less the first's.
        here: over the seeds that both have; ``None`` where there is none.
        corrected: Holm's p-value of the paired t-test among the benchmark's pairs; ``None`` where there is no test.
        signs: the same of the exact test over signs.
        paper: the difference in Table 6; ``None`` where it does not have both.
        error: half the 95 % interval that the size of the paper's test set gives it; ``None`` where that is not known.
    """

    benchmark: str
    first: str
    second: str
    here: Difference | None
    corrected: float | None
    signs: float | None
    paper: float | None
    error: float | None

    @property
    def survives(self) -> bool:
        """Whether the difference is told from zero: by the t-test, and by the test over signs where it could.

        The t-test takes differences as normally distributed, which those of a task that is solved or not are not.
        """
        if self.corrected is None or self.here is None or self.signs is None:
            return False
        return self.corrected < LEVEL and (self.signs < LEVEL or self.here.n < SIGNS)

    @property
    def beyond(self) -> bool:
        """Whether the paper's difference is larger than the error of its test set."""
        return self.paper is not None and self.error is not None and abs(self.paper) > self.error


def test_samples(benchmark: str) -> int | None:
    """Return the size of the test set that the paper used; ``None`` where it is drawn and the paper does not say."""
    task = benchmarks.get(benchmark)
    return None if "generated" in task.sources else task.facts.samples["test"]


def pairs(study: Study, benchmark: str) -> list[Pair]:
    """Return all pairs of the variants of Table 6 that the page shows, on a benchmark."""
    variants = [variant for variant in TABLE6_VARIANTS if variant in study.parameters.variants]
    samples = test_samples(benchmark)
    compared = []
    for first, second in itertools.combinations(variants, 2):
        here = paired_difference(study.accuracies(benchmark, first), study.accuracies(benchmark, second))
        a, b = paper.accuracy(benchmark, first), paper.accuracy(benchmark, second)
        theirs = b.value - a.value if a and b else None
        error = BAND * difference_error(a.value, b.value, samples) if a and b and samples else None
        compared.append((first, second, here, theirs, error))
    corrected = _corrected([here.p if here else None for _, _, here, _, _ in compared])
    signs = _corrected([here.p_exact if here and here.p is not None else None for _, _, here, _, _ in compared])
    return [
        Pair(benchmark, first, second, here, t, s, theirs, error)
        for (first, second, here, theirs, error), t, s in zip(compared, corrected, signs, strict=True)
    ]


def _corrected(p: list[float | None]) -> list[float | None]:
    """Return p-values corrected for the number of those that there are, each in its place."""
    found = iter(holm([one for one in p if one is not None]))
    return [None if one is None else next(found) for one in p]


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _paper(pair: Pair) -> str:
    if pair.paper is None:
        return "–"
    if pair.error is None:
        return prose.signed_points(pair.paper, 2)
    return f"{prose.signed_points(pair.paper, 2)} ± {100 * pair.error:.1f}"


def _here(pair: Pair) -> tuple[str, ...]:
    here = pair.here
    if here is None:
        return (NOT_RUN, "–", "–", "–")
    n = f"n{prose.NBSP}={prose.NBSP}{here.n}"
    ends = (
        ""
        if here.low is None or here.high is None or here.n < BOOTSTRAPPED
        else f"{100 * here.low:.1f} to {100 * here.high:.1f}, "
    )
    text = f"{prose.signed_points(here.mean)} ({ends}{n})".replace("-", "−")
    effect = "–" if here.effect is None else f"{here.effect:+.1f}".replace("-", "−")
    return (text, effect, _p(pair.corrected), _p(pair.signs))


def reading(pair: Pair) -> str:
    """Return in words what a comparison can say."""
    if pair.here is None:
        return NOT_RUN
    if pair.here.n < 2:
        return "one seed: undecided"
    if pair.corrected is None:
        return "no spread over seeds"
    if not pair.survives:
        return "not told apart"
    if pair.paper is None or pair.paper == 0:
        return "survives"
    return "survives, as in the paper" if pair.paper * pair.here.mean > 0 else "survives, against the paper"


def pair_table(study: Study, benchmark: str) -> Table:
    """Return every pair of variants on a benchmark, the paper's difference beside ours."""
    found = pairs(study, benchmark)
    rows = [
        (f"{short(pair.second)} − {short(pair.first)}", reading(pair), mean, _paper(pair), *rest)
        for pair in found
        for mean, *rest in [_here(pair)]
    ]
    columns = (
        "Difference",
        "Reading",
        "Here, points (95 % interval)",
        "Paper, points",
        "Effect d",
        "p (t, Holm)",
        "p (signs, Holm)",
    )
    size = test_samples(benchmark)
    tested = sum(pair.corrected is not None for pair in found)
    caption = (
        f"{named(study, benchmark)}: differences of last-epoch accuracies, seed by seed. "
        f"Interval: bootstrap over seeds, from {BOOTSTRAPPED} on, narrower than the book's other intervals; d: mean by "
        "standard deviation of the differences; p: "
        "paired t-test and exact test over signs, both corrected by Holm for "
        f"{prose.counted(tested, 'pair')}. "
        + (
            f"Paper: ± is the 95 % error of {size:,} test samples, both results taken as independent."
            if size
            else "The size of the paper's test set is not known."
        )
    )
    return Table(caption, columns, rows, download=_download(benchmark, found))


def _download(benchmark: str, found: list[Pair]) -> Download:
    columns = (
        "first",
        "second",
        "paper",
        "paper_error_95",
        "mean",
        "low_95",
        "high_95",
        "n",
        "d",
        "p_t",
        "p_holm",
        "p_signs",
    )
    rows = []
    for pair in found:
        here = pair.here
        ours = (
            (here.mean, here.low, here.high, here.n, here.effect, here.p) if here else (None, None, None, 0, None, None)
        )
        signs = here.p_exact if here else None
        rows.append((pair.first, pair.second, pair.paper, pair.error, *ours, pair.corrected, signs))
    return Download(f"differences_{benchmark}", columns, rows)


def paper_table(study: Study) -> Table:
    """Return what the paper's test sets allow to be told apart."""
    rows = []
    for name in study.parameters.benchmarks:
        base = paper.accuracy(name, "baseline")
        samples = test_samples(name)
        known = [pair for pair in pairs(study, name) if pair.paper is not None]
        if base is None or samples is None:
            rows.append((title(name), "not known", "–", "–", "–"))
            continue
        error = BAND * difference_error(base.value, base.value, samples)
        beyond = sum(pair.beyond for pair in known)
        rows.append(
            (
                title(name),
                f"{samples:,}",
                f"{100 / samples:.3g}",
                f"± {100 * error:.2g}",
                f"{beyond} of {len(known)}",
            )
        )
    columns = (
        "Benchmark",
        "Test samples",
        "One sample, points",
        "95 % error of a difference, points",
        "Pairs of Table 6 beyond it",
    )
    caption = (
        "The paper's own differences beside the binomial error of its test sets: how far two networks that are equally "
        "good come out apart by the choice of test samples alone. The spread over seeds comes on top."
    )
    return Table(caption, columns, rows)


def summary(study: Study) -> str:
    """Return, as Markdown, which differences survive, and what so few seeds can say."""
    lines = []
    counts = set()
    for name in study.parameters.benchmarks:
        found = [pair for pair in pairs(study, name) if pair.here is not None]
        if not found:
            lines.append(f"- **{title(name)}**: {NOT_RUN}.")
            continue
        tested = [pair for pair in found if pair.corrected is not None]
        sizes = [pair.here.n for pair in tested if pair.here]
        counts |= set(sizes)
        if not tested:
            single = max(pair.here.n for pair in found if pair.here) == 1
            why = "one seed" if single else "no spread over seeds"
            lines.append(f"- **{title(name)}**: {why}, so nothing is tested.")
            continue
        survive = [pair for pair in tested if pair.survives]
        against = [pair for pair in survive if pair.paper and pair.here and pair.paper * pair.here.mean < 0]
        ns = f"n = {min(sizes)}" if min(sizes) == max(sizes) else f"n = {min(sizes)} to {max(sizes)}"
        verb = "survives" if len(tested) == 1 else "survive"
        text = f"- **{title(name)}**: {len(survive)} of {prose.counted(len(tested), 'pair')} {verb} ({ns})"
        if against:
            which = prose.listed(f"{label(p.second).lower()} − {label(p.first).lower()}" for p in against)
            text += f"; of these {len(against)} against the paper's direction: {which}"
        departs = study.departure(name)
        lines.append(f"{text}.{f' Scale: {departs}.' if departs else ''}")
    few = [n for n in sorted(counts) if 2 <= n <= 5]
    if few:
        least = prose.listed(f"{2 / 2**n:.3g} with {n}" for n in few)
        lines += [
            "",
            f"With so few seeds the test over signs cannot get below {least} seeds, corrected or not: what survives "
            "there rests on the t-test, which takes the differences as normally distributed. "
            f"From {SIGNS} seeds on a difference has to survive both tests: XOR's differences "
            "are of two kinds, solved or not, and not normal.",
        ]
    return "\n".join(lines)
