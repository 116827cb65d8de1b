"""What the page on data shows of the stand-ins: how like the real data they are, and what can be learnt from them."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
from IPython.display import Markdown

from lifroles.benchmarks import BENCHMARKS
from lifroles.figures import Display, camera, command, show, speech
from lifroles.figures import data as figures
from lifroles.parameters import NotebookParameters
from lifroles.prose import listed, percent
from lifroles.survey import likeness, samples
from lifroles.survey.page import NOTEBOOK
from lifroles.survey.record import Record
from lifroles.survey.text import around, behind, measured
from lifroles.tables import Table

TRIVIAL = 0.95
"""Share of right answers from which on a simple classifier is said to solve a stand-in."""


def _saccades_table(record: Record) -> Table:
    """Return the stand-in for N-MNIST beside the recordings, digit by digit the same."""
    found = record["saccades"]["found"]
    splits = {split: found[split] for split in ("Train", "Test")}
    rows = [
        (name, *(around(*one[which]["rows"][name]) for one in splits.values() for which in ("recorded", "stand-in")))
        for name in found["Test"]["recorded"]["rows"]
    ]
    head = [f"{which}, {one['recordings']} {split.lower()}" for split, one in splits.items() for which in
            ("Recorded", "Stand-in")]  # fmt: skip
    return Table("N-MNIST and its stand-in, of the same digits: mean ± deviation over recordings", ("", *head), rows)


def _saccades_figure(record: Record, parameters: NotebookParameters) -> Display:
    """Return four histograms of N-MNIST and its stand-in."""
    one = record["saccades"]["found"]["Test"]
    real, standin = (likeness.unplain(one[which]) for which in ("recorded", "stand-in"))
    alike = one["correlation"]
    return show(
        camera.comparison(real, standin),
        f"The test recordings (n = {one['recordings']}), which nothing was fitted to, and the stand-in of the same "
        f"digits. Its events, added up over time, correlate by {alike['same digit' + chr(39) + 's image']:.2f} with "
        f"the recording of the same image and by {alike['another image']:.2f} with those of others; in "
        f"{percent(one['found again'], 0)} of the cases the recording that it is most like is its own.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "saccades"),
    )


@measured("saccades")
def saccades(record: Record, parameters: NotebookParameters) -> list[object]:
    """Return the stand-in for N-MNIST beside the recordings."""
    return [_saccades_table(record), _saccades_figure(record, parameters)]


def ear(parameters: NotebookParameters) -> Display | Markdown:
    """Return one spoken word on its way through the ear, made while the page is."""
    if importlib.util.find_spec("espeakng_loader") is None:
        return Markdown("eSpeak NG is not installed here (the package espeakng-loader brings it): no word is spoken.")
    from lifroles.standins.likeness import picture

    one = picture(index=samples.DIGIT)
    return show(
        speech.word(one),
        f"From sound to spikes: {len(one.audio) / one.rate:.2f} s of a synthetic voice become "
        f"{len(one.heard.times):,} spikes. n = 1 word.",
        command=command(NOTEBOOK, parameters),
    )


def _lauscher(record: Record) -> Markdown:
    """Return how ours compares with lauscher."""
    one = record["speech"]["found"]["lauscher"]
    mean, deviation = one["ours"]
    return Markdown(
        "The ear is the model behind SHD (Cramer et al. 2022), written anew because its own program, lauscher, takes "
        f"minutes for a word. Of one recorded word lauscher makes {one['lauscher']:,} spikes; ours makes "
        f"{mean:,.0f} ± {deviation:,.0f} in {one['draws']} draws. Counted by 100 ms and 50 channels, lauscher's "
        f"spikes correlate by {one['correlation']:.4f} with ours, and two draws of ours by "
        f"{one['correlation of two of ours']:.4f} with each other."
    )


def _speech_table(record: Record) -> Table:
    """Return the stand-in for SHD beside SHD as it is here."""
    found = record["speech"]["found"]
    rows = [(name, value, found["stand-in"]["rows"][name]) for name, value in found["real"]["rows"].items()]
    return Table(
        "The test words of SHD and of its stand-in: mean ± deviation over words",
        ("", f"SHD ({found['real']['source']})", "Stand-in"),
        rows,
    )


def _speech_channels(record: Record, parameters: NotebookParameters) -> Display:
    """Return where and when words have their spikes."""
    found = record["speech"]["found"]
    sets = {
        "real": f"SHD ({found['real']['source']})",
        "stand-in": "stand-in",
    }
    shown: dict[str, Any] = {
        title: SimpleNamespace(channel=np.array(found[name]["channel"]), profile=np.array(found[name]["profile"]))
        for name, title in sets.items()
    }
    real, made = shown.values()
    across, along = (np.corrcoef(getattr(real, what), getattr(made, what))[0, 1] for what in ("channel", "profile"))
    simple = found["simple"]
    return show(
        speech.channels(shown),
        "Where and when real words and synthetic ones have their spikes. The mean counts of real and synthetic words "
        f"correlate by {across:.2f} over channels and by {along:.2f} over time; high tones are the low channels. "
        f"n = {found['real']['rows']['samples']} and {found['stand-in']['rows']['samples']} test words. On SHD "
        f"({found['real']['source']}) a linear classifier gets {percent(simple['linear'])} right and the nearest "
        f"centroid {percent(simple['nearest centroid'])}.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "speech"),
    )


@measured("speech")
def spoken(record: Record, parameters: NotebookParameters) -> list[object]:
    """Return our ear beside lauscher, and the stand-in for SHD beside SHD as it is here."""
    return [_lauscher(record), _speech_table(record), _speech_channels(record, parameters)]


@measured("learnable")
def learnable(record: Record, parameters: NotebookParameters) -> list[object]:
    """Return what simple classifiers and the baseline network get right on each stand-in, as a figure and a table."""
    found = record["learnable"]["found"]
    names = [f"{BENCHMARKS[name].title}\n({one['source']})" for name, one in found.items()]
    rows, notes = [], []
    for name, one in found.items():
        rows.append(
            (
                f"{BENCHMARKS[name].title}: {one['source']}",
                percent(one["chance"]),
                percent(one["simple"]["nearest centroid"]),
                percent(one["simple"]["linear"]),
                percent(one["snn"]),
            )
        )
        changes = ", ".join(
            f"{field} {value if isinstance(value, str) else format(value, 'g')}"
            for field, value in one["changes"].items()
            if "samples" not in field
        )
        notes.append(
            f"{one['train']:,} training and {one['test']:,} test samples. The simple classifiers see {one['seen']}; "
            f"changed in the network's protocol: {changes}."
        )
    above = sum(one["snn"] > 2 * one["chance"] for one in found.values())
    best = sum(one["snn"] > max(one["simple"].values()) for one in found.values())
    easy = [
        f"{BENCHMARKS[name].title} ({one['source']})"
        for name, one in found.items()
        if max(one["simple"].values()) >= TRIVIAL
    ]
    fig = show(
        figures.learnt(list(found.values()), names),
        f"The baseline gets more than twice as many right as chance on {above} of {len(found)} stand-ins, and more "
        f"than both simple classifiers on {best}. A simple classifier gets {percent(TRIVIAL, 0)} or more on "
        f"{listed(easy) if easy else 'none'}. One seed each, short trainings with the changes that the table names, "
        "which were picked by trying a few on the test set; CIFAR10's network is the fully connected one. This says "
        "whether there is something to learn, not how well the paper's training learns it.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "learnable"),
    )
    columns = ("Stand-in", "Chance", "Nearest centroid", "Linear", "Baseline SNN")
    return [fig, Table("Right answers on the stand-ins' test sets", columns, rows, notes)]


def again(record: Record) -> Markdown:
    """Make one recording of each stand-in again, and return whether it is the recorded one."""
    then, now = record["samples"]["found"]["again"], samples.again()
    same = [name for name in now if now[name] == then[name]]
    other = [name for name in now if now[name] != then[name]]
    left = [name for name in then if name not in now]
    said = []
    if same:
        said.append(
            f"Made again here, while this page was made, one recording each of {listed(same)} came out "
            "**identical, event for event**."
        )
    if other:
        said.append(
            f"One recording each of {listed(other)} came out otherwise than where the record was made: another kind of "
            "processor rounds otherwise, or the generator has changed."
        )
    if left:
        said.append(f"eSpeak NG is not installed here, so {listed(left)} was not made again.")
    return Markdown(" ".join(said))
