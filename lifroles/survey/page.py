"""What the page on data shows, part by part: the benchmarks' own objects, and the record."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import wraps
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
from IPython.display import Markdown

from lifroles import overview
from lifroles.benchmarks import BENCHMARKS, words
from lifroles.benchmarks.base import Kind
from lifroles.benchmarks.mnist import Mnist, MnistProtocol
from lifroles.benchmarks.nmnist import SIDE, NmnistProtocol
from lifroles.benchmarks.xor import XorProtocol, draw
from lifroles.figures import Display, camera, command, show, speech
from lifroles.figures import data as figures
from lifroles.parameters import NotebookParameters
from lifroles.prose import NBSP, listed, percent
from lifroles.standins import shapes
from lifroles.survey import likeness, samples
from lifroles.survey.record import COMMAND, Record
from lifroles.survey.text import around, behind, minutes
from lifroles.tables import Table

NOTEBOOK = "4_1_1_data"
LENGTHS = (1.0, 2.0, 3.0, 5.0, 10.0)
"""Integration lengths of section 4.2.1, ms."""
STEPS = (1, 4, 8, 12, 15)
SACCADES = ((0, 45), (40, 60), (150, 170), (250, 270))
"""Stretches of the N-MNIST recording that are shown, ms: what the benchmark uses, and 20 ms of each saccade."""

AIM = 0.05
"""Share of a training's time that it may wait for data."""
TRIVIAL = 0.95
"""Share of right answers from which on a simple classifier is said to solve a stand-in."""

Array = np.ndarray[Any, Any]


def measured(part: str) -> Callable[[Callable[..., list[object]]], Callable[..., list[object]]]:
    """Let a function return one sentence instead where its part of the record is not there."""

    def wrap(function: Callable[..., list[object]]) -> Callable[..., list[object]]:
        @wraps(function)
        def shown(record: Record, *arguments: Any) -> list[object]:
            if part not in record:
                return [Markdown(f"This has not been measured yet; `{COMMAND} {part}` measures it.")]
            return function(record, *arguments)

        return shown

    return wrap


def data_sets(kind: Kind) -> Table:
    """Return Table 1, 2 or 3."""
    return overview.data_table(kind)


def temporal(record: Record, arrays: Mapping[str, Array], parameters: NotebookParameters) -> Display:
    """Return one sample of every temporal benchmark."""
    protocol = XorProtocol()
    batch = draw(protocol, 16, np.random.default_rng(0))
    one = int(np.flatnonzero(batch.groups.numpy() == 1)[0])
    spoken = {
        f"SHD: {record['samples']['found']['shd']['what']}": (arrays["shd_t"], arrays["shd_unit"].astype(np.int64)),
        f"SSC, stand-in: {record['samples']['found']['ssc']['what']}": (
            arrays["ssc_t"],
            arrays["ssc_unit"].astype(np.int64),
        ),
    }
    found = record["samples"]["found"]
    return show(
        figures.rasters(batch.inputs[:, one].numpy(), spoken, words.CHANNELS),
        "One sample of each temporal benchmark. XOR asks at its end whether just one of the two patterns was dense; "
        f"here the second one was. The words are {found['shd']['events']:,} and {found['ssc']['events']:,} spikes of "
        f"{words.CHANNELS} channels, high tones on top: what is said is in when which channel fires. "
        f"SHD ({found['shd']['source']}) is {found['shd']['licence']}.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "samples"),
    )


def moving(record: Record, arrays: Mapping[str, Array], parameters: NotebookParameters) -> Display:
    """Return one sample of every event camera benchmark."""
    found = record["samples"]["found"]
    digit = samples.events(arrays, "nmnist")
    limits = arrays["poker_limits"].tolist()
    rows = {
        "N-MNIST": (np.stack([camera.net(digit, *window, SIDE) for window in SACCADES]), SACCADES),
        "DVS128 Gesture, stand-in": (arrays["dvs_gesture_pictures"], samples.GESTURE_WINDOWS),
        "POKER-DVS": (arrays["poker_pictures"], list(pairwise(limits))),
    }
    return show(
        figures.moving(rows),
        f"Events of one recording each; vermilion: brighter, blue: darker. N-MNIST: {found['nmnist']['what']} "
        f"({found['nmnist']['events']:,} events, {found['nmnist']['licence']}), first the {SACCADES[0][1]} ms that the "
        f"benchmark uses, then 20 ms of each of its three saccades. The gesture is {found['dvs_gesture']['what']} "
        f"({found['dvs_gesture']['events']:,} events), the card {found['poker']['what']} "
        f"({found['poker']['events']:,} events).",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "samples"),
    )


def still(parameters: NotebookParameters) -> Display:
    """Return some images of the spatial benchmarks."""
    digits = Mnist().load(MnistProtocol(train_samples=10, test_samples=1), "mnist-5k").train[0].numpy()
    drawn, _ = shapes.draw(10, seed=0)
    rows = {
        "MNIST": digits[:5].reshape(-1, 28, 28) / 255,
        "CIFAR10, stand-in": drawn[::2].reshape(-1, 3, shapes.SIDE, shapes.SIDE).transpose(0, 2, 3, 1),
    }
    return show(
        figures.images(rows),
        "Five images of each spatial benchmark; every step of a sequence is the same image. CIFAR10's licence is not "
        "stated, so the book shows the shapes that the pipeline is tried with. They look like nothing in CIFAR10, and "
        "no accuracy on them says anything about it.",
        command=command(NOTEBOOK, parameters),
    )


def integrated(record: Record, arrays: Mapping[str, Array], parameters: NotebookParameters) -> Display:
    """Return Fig. 5: one recording at several integration lengths."""
    one = samples.events(arrays, "nmnist")
    T = NmnistProtocol().steps
    ones = {dt: share(one, dt, T) for dt in LENGTHS}
    return show(
        figures.integrated(one, LENGTHS, T, STEPS, SIDE),
        f"Fig. 5: one recording of N-MNIST in {T} steps. With {LENGTHS[0]:g} ms a step the network sees the first "
        f"{T * LENGTHS[0]:g} ms, in which {percent(ones[LENGTHS[0]], 2)} of the entries are 1; with {LENGTHS[-1]:g} ms "
        f"it sees {T * LENGTHS[-1]:g} ms and {percent(ones[LENGTHS[-1]], 1)}. Length of a step, time that is seen and "
        f"density change together. n = 1 recording.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "samples"),
    )


def share(events: Any, dt: float, T: int) -> float:
    """Return the share of ones in binary frames of a recording's beginning."""
    step = (events.t / 1000 // dt).astype(np.int64)
    kept = step < T
    places = ((step * 2 + events.p) * SIDE + events.y) * SIDE + events.x
    return len(np.unique(places[kept])) / (T * 2 * SIDE**2)


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
        "which were picked by trying a few on the test set. This says whether there is something to learn, not how "
        "well the paper's training learns it.",
        command=command(NOTEBOOK, parameters),
        behind=behind(record, "learnable"),
    )
    columns = ("Stand-in", "Chance", "Nearest centroid", "Linear", "Baseline SNN")
    return [fig, Table("Right answers on the stand-ins' test sets", columns, rows, notes)]


def _prepared_table(record: Record) -> Table:
    """Return what it takes to make and to bin data."""
    found = record["times"]["found"]
    rows = []
    for name, one in found["prepared"].items():
        each = one["processor seconds"] / one["samples"]
        rows.append(
            (
                f"{BENCHMARKS[name].title}: {one['source']}",
                f"{one['samples']:,}",
                f"{one['processor seconds']:.1f}{NBSP}s",
                f"{1000 * each:.3g}{NBSP}ms",
                f"{one['of']:,}: {minutes(each * one['of'])}",
            )
        )
    one = found["binned"]
    each = one["processor seconds"] / one["samples"]
    rows.append(
        (
            f"SHD: {one['source']}, binned at {one['dt']:g} ms",
            f"{one['samples']:,}",
            f"{one['processor seconds']:.1f}{NBSP}s",
            f"{1000 * each:.3g}{NBSP}ms",
            "–",
        )
    )
    title = "Making and binning data, in seconds of processor time; processors share the work"
    return Table(title, ("Data", "Samples", "Takes", "Each", "The whole set at this rate"), rows)


def _prepared_words(record: Record) -> Markdown:
    """Return the time of all stand-ins at smoke scale."""
    one = record["times"]["found"]
    total = sum(found["processor seconds"] for found in one["prepared"].values())
    clock = sum(found["seconds"] for found in one["prepared"].values())
    spoken = one["prepared"]["shd"]
    return Markdown(
        f"All stand-ins at smoke scale take {clock:.0f}{NBSP}s by the clock and {total:.0f}{NBSP}s of processor time, a spoken digit "
        f"{spoken['processor seconds'] / spoken['samples']:.2f}{NBSP}s, and all of SHD's words are binned in "
        f"{one['binned']['processor seconds']:.0f}{NBSP}s. It is done once: what is prepared stays in the cache folder."
    )


def _loader_table(record: Record) -> Table:
    """Return which share of training is spent on waiting for data."""
    rows = []
    for name, one in record["times"]["found"]["loader"].items():
        shown = {k: v for k, v in one["changes"].items() if k != "epochs"}
        changes = ", ".join(f"{field} {value:,}" for field, value in shown.items())
        rows.append(
            (
                f"{BENCHMARKS[name].title}: {one['source']}",
                changes or "–",
                f"{one['seconds'] / one['epochs']:.1f}{NBSP}s",
                percent(one["share"]),
            )
        )
    return Table(
        "Waiting for batches, as a share of a training run",
        ("Data", "Changed protocol", "An epoch", "Share of the loader"),
        rows,
    )


def _loader_words(record: Record) -> Markdown:
    """Return how many runs wait for data longer than is aimed at."""
    found = record["times"]["found"]["loader"]
    slow = [f"{BENCHMARKS[name].title} ({percent(one['share'])})" for name, one in found.items() if one["share"] > AIM]
    said = f"The aim is that no training waits for data for more than {percent(AIM, 0)} of its time. "
    return Markdown(said + (f"Above that: {listed(slow)}." if slow else "None of these does."))


@measured("times")
def times(record: Record) -> list[object]:
    """Return what data cost."""
    return [_prepared_words(record), _prepared_table(record), _loader_words(record), _loader_table(record)]


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


def terms(record: Record) -> Markdown:
    """Return whose data the page shows, and how to cite them."""
    lines = [
        f"- {BENCHMARKS[name].title}: {one['citation']} ({one['licence']})."
        for name, one in record["samples"]["found"].items()
        if isinstance(one, dict) and one.get("citation")
    ]
    return Markdown("\n".join(lines))
