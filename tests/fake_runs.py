"""Run records made up in a moment, for tests of what is chosen and said; no test of training uses them."""

import numpy as np

from lifroles.spec import RunSpec
from lifroles.store import Record, Store
from lifroles.variant import PAPER_VARIANTS

LEVELS = {
    "baseline": 0.76,
    "no_leakage": 0.60,
    "complete_leakage": 0.505,
    "no_reset": 0.95,
    "recurrent": 0.995,
    "no_leakage_recurrent": 0.93,
    "no_leakage_no_reset_recurrent": 0.99,
}


def fake_record(benchmark, variant, seed=0, source=None, *, last=None, rate=0.1, status="completed", **changes):
    """Return a record that looks like a trained run; ``last`` is its accuracy after the last epoch."""
    spec = RunSpec.of(benchmark, variant, seed, source, **changes)
    rng = np.random.default_rng([seed, len(variant), len(benchmark)])
    level = LEVELS[variant] if last is None else last
    if benchmark == "mnist" and last is None:
        level = 0.93 + 0.04 * level
    chance = spec.task.chance
    epochs = spec.protocol.model_dump()["epochs"]
    rise = 1 - np.exp(-np.arange(epochs) / (0.15 * epochs))
    noise = 0 if last is not None else 0.01 * rng.standard_normal(epochs)
    accuracy = np.clip(chance + (level - chance) * rise / rise[-1] + noise, 0, 1) if epochs > 1 else np.array([level])
    if last is not None:
        accuracy[-1] = last
    layers = ("hidden1", "output") if benchmark == "mnist" else ("hidden1",)
    best = int(accuracy.argmax())
    groups = dict.fromkeys(spec.task.groups, level)
    if benchmark == "xor" and 0.7 < level < 0.8:
        groups = dict(zip(spec.task.groups, (0.99, 0.98, 0.97, 0.08), strict=True))
    leaks = {}
    if getattr(spec.variant, "leak", None) == "learnable":
        leaks = {"hidden1": rng.uniform(0.4, 1, 16).tolist(), "output": rng.uniform(0.6, 1, 2).tolist()}
    history = {
        "train_loss": (6 * (1 - 0.3 * accuracy)).tolist(),
        "train_accuracy": accuracy.tolist(),
        "test_loss": (6 * (1 - 0.29 * accuracy)).tolist(),
        "test_accuracy": accuracy.tolist(),
        "spike_rate": {layer: [rate * (1 + 0.1 * seed)] * epochs for layer in layers},
    }
    final = {
        "last_accuracy": float(accuracy[-1]),
        "best_accuracy": float(accuracy[best]),
        "best_epoch": best + 1,
        "selection": "best epoch by test accuracy",
        "group_accuracy": groups,
        "spike_rate": {layer: rates[-1] for layer, rates in history["spike_rate"].items()},
        "learned_leaks": leaks,
    }
    provenance = {
        "commit": "0123456789abcdef",
        "dirty": False,
        "processor": "A processor <R> & more",
        "threads": 1,
        "wall_seconds": 480.5,
        "data_sha256": "f" * 64,
        "source": spec.source,
    }
    return Record(spec, status, None if status == "completed" else "the loss became nan", history, final, provenance)


def fake_study_store(root, seeds=(0, 1), delays=()):
    """Write every variant of XOR and MNIST for these seeds, and the baseline on XOR for each of ``delays``."""
    store = Store(root)
    for variant in PAPER_VARIANTS:
        for seed in seeds:
            store.write(fake_record("xor", variant, seed, rate=0.1 + 0.02 * len(variant)))
    for variant in list(PAPER_VARIANTS)[:5]:
        store.write(fake_record("mnist", variant, 0, "official", rate=0.2))
    for setting in delays:
        dead = setting["T"] > 100 and "bias" not in setting and "u_th" not in setting
        last = 0.5 if dead else 0.7
        store.write(fake_record("xor", "baseline", 0, last=last, rate=0 if dead else 0.05, epochs=20, **setting))
    return store
