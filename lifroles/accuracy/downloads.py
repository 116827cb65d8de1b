"""The numbers behind the figures of section 4.1, as CSV files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lifroles.accuracy.study import Study
from lifroles.store import Record
from lifroles.tables import Download


def runs(name: str, records: Sequence[Record]) -> Download:
    """Return one row a run: accuracies and spike rates."""
    layers = sorted({layer for r in records for layer in r.final["spike_rate"]})
    columns = ("benchmark", "variant", "seed", "source", "epochs", "last_accuracy", "best_accuracy", "best_epoch")
    rows = [
        (
            r.spec.benchmark,
            r.variant_name,
            r.seed,
            r.spec.source,
            r.epochs,
            *(r.final[key] for key in columns[5:]),
            *(r.final["spike_rate"].get(layer) for layer in layers),
            r.spec.digest,
        )
        for r in records
    ]
    return Download(name, (*columns, *(f"spike_rate_{layer}" for layer in layers), "run"), rows)


def curves(study: Study, benchmark: str) -> Download:
    """Return one row an epoch and variant: training loss and test accuracy over seeds, as drawn."""
    keys = ("train_loss", "test_accuracy")
    columns = ("variant", "epoch", "seeds", *(f"{key}_{of}" for key in keys for of in ("mean", "lowest", "highest")))
    rows = []
    for cell in study.row(benchmark):
        if not cell.records:
            continue
        length = min(r.epochs for r in cell.records)
        by_key = [np.array([r.history[key][:length] for r in cell.records]) for key in keys]
        for epoch in range(length):
            ends = (f"{end:.5g}" for of in by_key for end in (f(of[:, epoch]) for f in (np.mean, np.min, np.max)))
            rows.append((cell.variant, epoch + 1, len(cell.records), *ends))
    return Download(f"curves_{benchmark}", columns, rows)


def effects(study: Study, part: str, variants: Sequence[str]) -> Download:
    """Return one row a seed: how far a variant's accuracy lies from the baseline's."""
    rows = []
    for name in study.parameters.benchmarks:
        base = study.accuracies(name, "baseline")
        for variant in variants:
            own = study.accuracies(name, variant)
            rows += [(name, variant, seed, own[seed] - base[seed]) for seed in sorted(own.keys() & base.keys())]
    return Download(f"effects_{part}", ("benchmark", "variant", "seed", "difference_to_baseline"), rows)


def groups(records: Sequence[Record]) -> Download:
    """Return one row a run and pattern pair."""
    rows = [(r.variant_name, r.seed, group, a) for r in records for group, a in r.final["group_accuracy"].items()]
    return Download("pattern_pairs_xor", ("variant", "seed", "pair", "accuracy"), rows)


def delays(study: Study) -> Download:
    """Return one row a run of the longer delays."""
    rows = [
        (d.label, r.seed, accuracy, rate, r.spec.digest)
        for d in study.delays
        for r, accuracy, rate in zip(d.records, d.accuracies(), d.rates(), strict=True)
    ]
    return Download("delays_xor", ("setting", "seed", "accuracy", "spike_rate_hidden1", "run"), rows)


def leaks(records: Sequence[Record]) -> Download:
    """Return one row a neuron: its learned leakage coefficient."""
    rows = [
        (r.variant_name, r.seed, layer, neuron, f"{k:.5f}")
        for r in records
        for layer, learned in r.final["learned_leaks"].items()
        for neuron, k in enumerate(learned)
    ]
    return Download("learned_leaks", ("variant", "seed", "layer", "neuron", "k_tau"), rows)
