"""What section 4.1 shows, part by part: each function returns what a notebook cell displays."""

from __future__ import annotations

from collections.abc import Callable

from IPython.display import Markdown
from matplotlib.figure import Figure

from lifroles.accuracy import mechanism, words
from lifroles.accuracy.study import Study, replay
from lifroles.figures import Display, command, show
from lifroles.figures import accuracy as figures
from lifroles.store import Record

NOTEBOOK = "4_1_accuracy"

_NO_XOR = Markdown("Delayed XOR is not among the benchmarks of this page.")


def _shown(study: Study, fig: Figure, caption: str, records: list[Record]) -> Display:
    return show(fig, caption, command=command(NOTEBOOK, study.parameters), records=records)


def _each(study: Study, draw: Callable[[Study, str], Figure], say: Callable[[Study, str], str]) -> list[object]:
    """Return one figure a benchmark, or a line where nothing was run."""
    return [
        _shown(study, draw(study, name), say(study, name), runs)
        if (runs := study.records(name))
        else Markdown(f"{words.title(name)}: {words.NOT_RUN}.")
        for name in study.parameters.benchmarks
    ]


def _xor(study: Study) -> bool:
    return "xor" in study.parameters.benchmarks


def scale(study: Study) -> Markdown:
    """Return which runs the page shows."""
    return Markdown(words.scale_note(study))


def protocols(study: Study) -> list[object]:
    """Return every benchmark's protocol."""
    return list(words.protocols(study))


def results(study: Study) -> list[object]:
    """Return table, figure and verdict of every benchmark."""
    shown: list[object] = []
    for name in study.parameters.benchmarks:
        fig = _shown(study, figures.table6(study, name), words.caption(study, name), study.records(name))
        shown += [words.accuracy_table(study, name), fig, Markdown(words.verdict(study, name))]
    return shown


def curves(study: Study) -> list[object]:
    """Return the learning curves of every benchmark."""
    return _each(study, figures.curves, words.curves_caption)


def rates(study: Study) -> list[object]:
    """Return the spike rates of every benchmark."""
    return _each(study, figures.rates, mechanism.rates_caption)


def groups(study: Study) -> object:
    """Return XOR's accuracy by pattern pair."""
    if not _xor(study):
        return _NO_XOR
    return _shown(study, figures.groups(study), mechanism.groups_caption(study), study.records("xor"))


def delays(study: Study) -> list[object]:
    """Return the longer delays of XOR, as figure and in words."""
    if not study.delays:
        return [_NO_XOR]
    records = [record for delay in study.delays for record in delay.records]
    fig = _shown(study, figures.delays(study), mechanism.delay_caption(study), records)
    return [fig, Markdown(mechanism.delay_words(study))]


def leaks(study: Study) -> object:
    """Return XOR's learned leakage coefficients."""
    if not _xor(study):
        return _NO_XOR
    learned = [r for r in study.records("xor") if r.final["learned_leaks"]]
    fig = figures.leaks(study, mechanism.initial_leaks(study))
    return _shown(study, fig, mechanism.leaks_caption(study), learned)


def replayed(study: Study) -> Markdown:
    """Return whether a shown run came out the same when its first epoch was trained again here."""
    return Markdown(words.replay_words(replay(study)))
