"""What section 4.1 shows, part by part: each function returns what a notebook cell displays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from IPython.display import Markdown
from matplotlib.figure import Figure

from lifroles.accuracy import activity, differences, downloads, matrix, mechanism, questions, roles, words
from lifroles.accuracy.study import Study, replay
from lifroles.claims import page as ledger
from lifroles.claims.verdict import Part
from lifroles.figures import Display, card, command, show
from lifroles.figures import accuracy as figures
from lifroles.figures import activity as activity_figures
from lifroles.figures import effects as effect_figures
from lifroles.figures import settings as setting_figures
from lifroles.parameters import MechanismParameters
from lifroles.store import Record
from lifroles.tables import Download

_NO_XOR = Markdown("Delayed XOR is not among the benchmarks of this page.")


def _command(study: Study) -> str:
    behind = isinstance(study.parameters, MechanismParameters)
    return command("4_1_3_mechanism" if behind else "4_1_accuracy", study.parameters)


def _shown(
    study: Study,
    fig: Figure,
    caption: str,
    records: list[Record],
    download: Download | None = None,
    probes: Sequence[str] = (),
) -> Display:
    return show(fig, caption, command=_command(study), records=records, download=download, probes=probes)


def _card(study: Study, records: list[Record], caption: str, probes: Sequence[str] = ()) -> Display:
    return card(_command(study), records, caption, probes=probes)


def _everything(study: Study) -> list[Record]:
    return [record for name in study.parameters.benchmarks for record in study.records(name)]


def _each(
    study: Study,
    draw: Callable[[Study, str], Figure],
    say: Callable[[Study, str], str],
    offer: Callable[[Study, str], Download],
) -> list[object]:
    """Return one figure a benchmark, SHD's first as in the paper, or a line where nothing was run."""
    return [
        _shown(study, draw(study, name), say(study, name), runs, offer(study, name))
        if (runs := study.records(name))
        else Markdown(f"{words.title(name)}: {words.NOT_RUN}.")
        for name in sorted(study.parameters.benchmarks, key=lambda name: name != "shd")
    ]


def _xor(study: Study) -> bool:
    return "xor" in study.parameters.benchmarks


def scale(study: Study) -> Markdown:
    """Return which runs the page shows."""
    return Markdown(words.scale_note(study))


def table6(study: Study) -> list[object]:
    """Return Table 6, and how much of it has a number here."""
    table = matrix.table6(study)
    return [table, Markdown(matrix.coverage(study)), _card(study, _everything(study), table.caption)]


def results(study: Study) -> list[object]:
    """Return table, figure and verdict of every benchmark that has runs."""
    shown: list[object] = []
    for name in study.parameters.benchmarks:
        if not (runs := study.records(name)):
            shown.append(Markdown(f"{words.title(name)}: {words.NOT_RUN}."))
            continue
        offered = downloads.runs(f"accuracy_{name}", runs)
        fig = _shown(study, figures.table6(study, name), words.caption(study, name), runs, offered)
        shown += [words.accuracy_table(study, name), fig, Markdown(words.summary(study, name))]
    return shown


def curves(study: Study) -> list[object]:
    """Return the learning curves of every benchmark: Fig. 3, and the same for the others."""
    return _each(study, figures.curves, words.curves_caption, downloads.curves)


def compare(study: Study) -> list[object]:
    """Return which differences survive: in words, for every benchmark that has runs, and in the paper."""
    shown: list[object] = [Markdown(differences.summary(study))]
    for name in study.parameters.benchmarks:
        if any(pair.corrected is not None for pair in differences.pairs(study, name)):
            shown.append(differences.pair_table(study, name))
    shown += [differences.paper_table(study), _card(study, _everything(study), "Differences between variants")]
    return shown


def in_short(study: Study) -> Markdown:
    """Return the page's answer: what becomes of the paper's claims, part by part."""
    return ledger.in_short([outcome for part in roles.CHANGED for outcome in roles.outcomes(study, part)])


def role(study: Study, part: Part) -> list[object]:
    """Return what the paper claims about a part, the evidence, and the verdict."""
    shown: list[object] = [roles.claims_table(study, part), Markdown(roles.summary(study, part))]
    if variants := [v for v in roles.CHANGED[part] if v in study.parameters.variants]:
        runs = [r for r in _everything(study) if r.variant_name in ("baseline", *variants)]
        fig = effect_figures.effects(study, variants)
        caption = roles.effects_caption(study, part)
        return [_shown(study, fig, caption, runs, downloads.effects(study, part, variants)), *shown]
    return [*shown, _card(study, _everything(study), "Claims about several parts")]


def distributions(study: Study) -> object:
    """Return Fig. 4: how the rates of N-MNIST's hidden neurons are distributed, with and without reset."""
    name, variants = "nmnist", ["baseline", "no_reset"]
    found = activity.histograms(study, name, [v for v in variants if v in study.parameters.variants])
    if not found:
        return Markdown(f"{words.title(name)}, rates of single neurons: {activity.NOT_ASKED}.")
    records = [record for variant in found for record, _ in activity.answers(study, name, variant)]
    caption = activity.distribution_caption(found, words.named(study, name))
    fig, offered = activity_figures.distribution(found), activity.histogram_download(found)
    return _shown(study, fig, caption, records, offered, ["rates"])


def costs(study: Study) -> list[object]:
    """Return rates and operations of every layer, by benchmark and variant."""
    tables = {name: activity.cost_table(study, name) for name in study.parameters.benchmarks}
    missing = [words.title(name) for name, table in tables.items() if table is None]
    shown: list[object] = [Markdown(activity.cost_words(study)), *(table for table in tables.values() if table)]
    if missing:
        shown.append(Markdown(f"Operations {activity.NOT_ASKED}: {', '.join(missing)}."))
    records = [
        record
        for name in study.parameters.benchmarks
        for cell in study.row(name)
        for record, _ in activity.answers(study, name, cell.variant)
    ]
    return [*shown, _card(study, records, "Rates and operations", ["rates"])] if records else shown


def rates(study: Study) -> list[object]:
    """Return the spike rates of every benchmark's layers, as the runs recorded them."""
    return _each(
        study, figures.rates, mechanism.rates_caption, lambda s, name: downloads.runs(f"rates_{name}", s.records(name))
    )


def question(study: Study, name: str) -> list[object]:
    """Return a question that the paper leaves open: what its runs say, as words, figure and table.

    Of fewer than two settings there are words alone, since they compare nothing.
    """
    runs = questions.records(study, name)
    table = questions.table(study, name)
    text = Markdown(questions.answer(study, name))
    if len(questions.run(study, name)) < 2:
        return [text, _card(study, runs, table.caption)]
    fig = setting_figures.settings(questions.outcomes(study, name))
    return [text, _shown(study, fig, questions.caption(name), runs), table]


def real(study: Study) -> list[object]:
    """Return how networks trained on simulated recordings do on real ones."""
    table = matrix.real(study)
    if table is None:
        return [Markdown(f"Real recordings: {activity.NOT_ASKED}.")]
    return [table, _card(study, study.records("nmnist"), table.caption)]


def groups(study: Study) -> object:
    """Return XOR's accuracy by pattern pair."""
    if not _xor(study):
        return _NO_XOR
    runs = study.records("xor")
    return _shown(study, figures.groups(study), mechanism.groups_caption(study), runs, downloads.groups(runs))


def delays(study: Study) -> list[object]:
    """Return the longer delays of XOR, as figure and in words."""
    if not study.delays:
        return [_NO_XOR]
    records = [record for delay in study.delays for record in delay.records]
    caption = mechanism.delay_caption(study)
    fig = _shown(study, figures.delays(study), caption, records, downloads.delays(study))
    return [fig, Markdown(mechanism.delay_words(study))]


def leaks(study: Study) -> object:
    """Return XOR's learned leakage coefficients."""
    if not _xor(study):
        return _NO_XOR
    learned = [r for r in study.records("xor") if r.final["learned_leaks"]]
    fig = figures.leaks(study, mechanism.initial_leaks(study))
    return _shown(study, fig, mechanism.leaks_caption(study), learned, downloads.leaks(learned))


def replayed(study: Study) -> Markdown:
    """Return whether a shown run came out the same when its first epoch was trained again here."""
    return Markdown(words.replay_words(replay(study)))
