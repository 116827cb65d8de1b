"""What the paper leaves open, as data: settings of the protocol, one changed at a time, and a table a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from types import MappingProxyType
from typing import Any

from lifroles import benchmarks, prose
from lifroles.accuracy import answers
from lifroles.accuracy.settings import Outcome, Setting
from lifroles.accuracy.study import Study
from lifroles.accuracy.words import NOT_RUN, label
from lifroles.statistics import mean_interval
from lifroles.store import Record
from lifroles.study import SCALES
from lifroles.tables import Download, Table
from lifroles.variant import TABLE6_VARIANTS


@dataclass(frozen=True)
class Question:
    """A choice that the paper leaves open.

    Arguments:
        caption: what the table shows.
        settings: its rows.
        answer: says what came out; it gets the settings that have runs.
    """

    caption: str
    settings: Sequence[Setting]
    answer: Callable[[Sequence[Outcome]], str] = field(repr=False)


def _shd(label: str, variant: str = "complete_leakage", epochs: int = 40, **changes: Any) -> Setting:
    own = {**SCALES["archive"]["shd"].changes, **changes}
    # the protocol's own values are no changes
    own = {k: v for k, v in own.items() if v != getattr(benchmarks.get("shd").protocol(), k)}
    return Setting(label, "shd", variant, "regenerated", own, epochs)


def _faster(benchmark: str, source: str, epochs: int) -> list[Setting]:
    return [
        Setting(f"{label(variant)}, learning rate {lr:g}", benchmark, variant, source, changes, epochs)
        for lr, changes in ((1e-4, {}), (1e-3, {"lr": 1e-3}))
        for variant in TABLE6_VARIANTS
    ]


SCRIPT = {"readout": "softmax_sum", "readout_from": 11}


QUESTIONS: Mapping[str, Question] = MappingProxyType(
    {
        "shd-leakage": Question(
            "SHD regenerated, steps of 4 ms, after 40 epochs",
            (
                _shd("complete leakage, mean of the readout's potentials"),
                _shd("the same, readout with a learnable leak", readout_leak="learnable"),
                _shd("the same, without biases", bias=False),
                _shd("the same, surrogate twice as wide", width=1.0),
                _shd("complete leakage, sum of softmax", **SCRIPT),
                _shd("complete leakage, spike rates of the class layer", readout="rate"),
                _shd("baseline, mean of the readout's potentials", "baseline"),
                _shd("baseline, sum of softmax", "baseline", **SCRIPT),
                _shd("baseline, spike rates of the class layer", "baseline", readout="rate"),
            ),
            answers.leakage,
        ),
        "shd-readout": Question(
            "SHD regenerated, steps of 4 ms, baseline, trained without two of the speakers, 100 epochs",
            (
                _shd("softmax of the potentials, summed from step 11", "baseline", 100, valid_speakers=2, **SCRIPT),
                _shd("mean of the potentials from step 11", "baseline", 100, valid_speakers=2, readout_from=11),
                _shd("mean of the potentials from step 0", "baseline", 100, valid_speakers=2),
            ),
            answers.readout,
        ),
        "shd-recurrence": Question(
            "SHD regenerated, steps of 4 ms, mean of the readout's potentials, after 40 epochs",
            (
                _shd("baseline, learning rate 0.01", "baseline"),
                _shd("with recurrence, learning rate 0.01", "recurrent"),
                _shd("baseline, gradients cut at norm 1", "baseline", clip_norm=1.0),
                _shd("with recurrence, gradients cut at norm 1", "recurrent", clip_norm=1.0),
                _shd("baseline, learning rate 0.001", "baseline", lr=1e-3, lr_leak=2e-3),
                _shd("with recurrence, learning rate 0.001", "recurrent", lr=1e-3, lr_leak=2e-3),
            ),
            answers.recurrence,
        ),
        "shd-dt": Question(
            "SHD regenerated, mean of the readout's potentials, after 40 epochs",
            tuple(
                _shd(f"{label(variant)}, steps of {dt:g} ms", variant, dt=dt)
                for dt in (1.0, 2.0, 4.0, 8.0)
                for variant in ("baseline", "no_reset")
            ),
            answers.step_length,
        ),
        "gesture-batch": Question(
            "DVS128 Gesture (stand-in), baseline, 100 epochs",
            tuple(
                Setting(
                    f"batches of {batch:,}",
                    "dvs_gesture",
                    "baseline",
                    "gestures",
                    {} if batch == 1024 else {"batch_size": batch},
                    100,
                )
                for batch in (1024, 256, 64, 16)
            ),
            answers.batch_size,
        ),
        "nmnist-rate": Question(
            "N-MNIST (stand-in), after 30 epochs", _faster("nmnist", "saccades", 30), answers.order
        ),
        "mnist-rate": Question("MNIST, after 30 epochs", _faster("mnist", "official", 30), answers.order),
    }
)
"""The open questions by name."""


def outcomes(study: Study, name: str) -> list[Outcome]:
    """Return the settings of a question with the runs that the page's store has of them."""
    return [Outcome(setting, setting.records(study.known)) for setting in QUESTIONS[name].settings]


def run(study: Study, name: str) -> list[Outcome]:
    """Return those of :func:`outcomes` that have runs."""
    return [one for one in outcomes(study, name) if one.records]


def table(study: Study, name: str) -> Table:
    """Return the settings of a question with their numbers, or that they were not run."""
    found = outcomes(study, name)
    held_out = any(_held_out(one) for one in found)
    columns = ("Setting", "Test accuracy", "Training accuracy", "Spikes per hidden neuron and step")
    if held_out:
        columns = (*columns[:2], "Held-out speakers, best epoch", *columns[2:])
    empty = (NOT_RUN, *["–"] * (len(columns) - 2))
    rows = [_row(one, held_out) if one.records else (one.setting.label, *empty) for one in found]
    caption = f"{QUESTIONS[name].caption}; mean and 95 % t-interval over seeds."
    return Table(caption, columns, rows, download=_download(name, found))


def caption(name: str) -> str:
    """Return what the figure of a question shows."""
    return (
        f"{QUESTIONS[name].caption}. Filled: test accuracy of every seed, and their mean with its 95 % t-interval; "
        "open: training accuracy."
    )


def _held_out(one: Outcome) -> list[float]:
    """Return the highest accuracy of every run on the speakers that were held out of its training, if any were."""
    return [max(r.history["valid_accuracy"]) for r in one.records if "valid_accuracy" in r.history]


def _row(one: Outcome, held_out: bool) -> tuple[str, ...]:
    held = _held_out(one)
    middle = (prose.percent(fmean(held)) if held else "–",) if held_out else ()
    test = prose.interval(mean_interval(one.test))
    return (one.setting.label, test, *middle, prose.percent(fmean(one.train)), f"{fmean(one.rate):.4f}")


def _download(name: str, found: Sequence[Outcome]) -> Download:
    columns = ("setting", "variant", "seed", "epochs", "test_accuracy", "train_accuracy", "hidden_rate", "run")
    rows = [
        (o.setting.label, o.setting.variant, r.seed, o.setting.epochs, test, train, rate, r.spec.digest)
        for o in found
        for r, test, train, rate in zip(o.records, o.test, o.train, o.rate, strict=True)
    ]
    return Download(name, columns, rows)


def answer(study: Study, name: str) -> str:
    """Return, as Markdown, what the runs of a question say, and how they are trained."""
    found = run(study, name)
    missing = [one.label for one in QUESTIONS[name].settings if one not in [o.setting for o in found]]
    if not found:
        return f"**{NOT_RUN.capitalize()}** at the scale of this page: {'; '.join(missing)}."
    seeds = [len(one.records) for one in found]
    sure = (
        "One seed a setting: this shows what can happen, not how often."
        if max(seeds) == 1
        else f"{min(seeds)} to {max(seeds)} seeds a setting."
        if min(seeds) < max(seeds)
        else f"{max(seeds)} seeds a setting."
    )
    rest = f" Not run: {'; '.join(missing)}." if missing else ""
    return f"{QUESTIONS[name].answer(found)} {sure}{rest}"


def records(study: Study, name: str) -> list[Record]:
    """Return the runs behind a question."""
    return [record for one in outcomes(study, name) for record in one.records]
