"""What section 4.3 shows, part by part: each function returns what a notebook cell displays."""

from __future__ import annotations

from collections.abc import Sequence

from IPython.display import Markdown
from matplotlib.figure import Figure

from lifroles import prose
from lifroles.claims import Outcome
from lifroles.claims import page as ledger
from lifroles.figures import Display, card, command, show
from lifroles.figures import robustness as figures
from lifroles.generalisation import networks, verdicts
from lifroles.probes.attack import TRANSFERRED
from lifroles.probes.record import find
from lifroles.robustness import order as orders
from lifroles.robustness import words
from lifroles.robustness.study import Study
from lifroles.robustness.sweep import caption
from lifroles.store import Record
from lifroles.tables import Download, Table

NOTEBOOK = "4_3_robustness"

TITLES = {
    "liang": "the paper's attack",
    "gradient": "along the gradient",
    "smooth": "along a smooth gradient",
    "chance": "by chance",
}


def _shown(study: Study, fig: Figure, caption: str, probes: Sequence[str], download: Download | None = None) -> Display:
    again, records = command(NOTEBOOK, study.parameters), _asked(study, *probes)
    return show(fig, caption, command=again, records=records, download=download, probes=probes)


def _asked(study: Study, *probes: str) -> list[Record]:
    return [r for row in study.rows for r in row.records if any(find(r, probe) for probe in probes)]


def _card(study: Study, caption: str, *probes: str) -> Display:
    return card(command(NOTEBOOK, study.parameters), _asked(study, *probes), caption, probes=probes)


def scale(study: Study) -> Markdown:
    """Return which runs and answers the page shows."""
    return Markdown(words.scale_note(study))


def workflow(study: Study) -> list[object]:
    """Return Fig. 8: the attack as a drawing, and on one recording."""
    caption = (
        "The attack of Liang et al. (2021) as the paper uses it. No weight changes, and a tie between classes is no "
        "success."
    )
    shown: list[object] = [_shown(study, figures.workflow(), caption, [])]
    found = [
        (r, probe) for r in study.records for probe in find(r, "attack_steps") if ("success", "all") in probe.numbers
    ]
    if not found:
        return [*shown, Markdown(f"One recording under attack: {words.NOT_ASKED}.")]
    run, probe = found[0]
    arrays = {name: probe.array(name) for name in ("events", "gradient", "inserted", "deleted", "scores")}
    last = len(arrays["events"]) - 1
    flips = [probe.numbers["flips", f"iteration={i}"] for i in range(1, last + 1)]
    said = words.steps_caption(probe.numbers, last, run.variant_name)
    fig, again = figures.steps(arrays, flips), command(NOTEBOOK, study.parameters)
    return [*shown, show(fig, said, command=again, records=[run], probes=["attack_steps"])]


def results(study: Study) -> list[object]:
    """Return Fig. 9 and the numbers behind it."""
    fig = figures.fig9(study, TITLES)
    if fig is None:
        return [Markdown(words.fig9_caption(study))]
    tables = [words.fig9_table(study, attack) for attack in study.parameters.attacks]
    return [_shown(study, fig, words.fig9_caption(study), ["attack"], words.attacks(study)), *tables]


def order(study: Study) -> list[object]:
    """Return whether the paper's order holds under every attack."""
    table = orders.order_table(study)
    said = Markdown(orders.reversals(study) + "\n\n" + words.vanishing(study))
    return [table, said, _card(study, table.caption, "attack")]


def variations(study: Study) -> list[object]:
    """Return stronger and other attacks, what transfers to other models, and where in time the flips fall."""
    table = words.variations_table(study)
    transfers = figures.transfers(study, TITLES)
    transferred = [words.transferred(study, attack) for attack in TRANSFERRED]
    texts = [words.same_number(study), *transferred, words.masked(study)]
    said = "\n\n".join(filter(None, texts))
    shown: list[object] = [table, _card(study, table.caption, "attack")] if table else []
    shown += [Markdown(said)] if said else []
    if transfers is not None:
        download = words.transfer_download(study)
        shown.append(_shown(study, transfers, words.transfer_caption(study), ["transfer"], download))
    missing = [what for what, found in (("variations of the attacks", table), ("transfer", transfers)) if not found]
    if missing:
        text = f"{prose.listed(missing)}: {words.NOT_ASKED}."
        shown.append(Markdown(text[0].upper() + text[1:]))
    fig = figures.in_time(study, TITLES)
    said = words.in_time_caption(study)
    if fig is not None:
        return [*shown, _shown(study, fig, said, ["attack"])]
    return [*shown, Markdown(said)]


def corruptions(study: Study) -> list[object]:
    """Return what noise, losses, jitter and shifts cost."""
    fig = figures.corruptions(study)
    if fig is None:
        return [Markdown(words.corruption_caption(study))]
    return [
        _shown(
            study,
            fig,
            words.corruption_caption(study),
            ["corruption"],
            networks.download(study, "corruption", ("accuracy",)),
        ),
        words.corruption_table(study),
    ]


def sweep(study: Study) -> object:
    """Return the sweep of k_tau."""
    fig = figures.sweep(study.sweep)
    if fig is None:
        return Markdown(caption(study.sweep))
    again, records = command(NOTEBOOK, study.parameters), study.sweep.records
    return show(fig, caption(study.sweep), command=again, records=records, probes=["attack", "corruption"])


def in_short(study: Study) -> Markdown:
    """Return the page's answer: what becomes of the paper's claims, and whether another attack says otherwise."""
    turned = orders.turned(study)
    said = (
        ledger.in_short(_outcomes(study)).data,
        words.hidden(study),
        turned,
        orders.strongest(study) if turned else "",
    )
    return Markdown("\n\n".join(filter(None, said)))


def _outcomes(study: Study) -> list[Outcome]:
    return verdicts.outcomes(verdicts.of_section("section 4.3", "sections 5 and 6"), study)


def claims(study: Study) -> list[object]:
    """Return what becomes of the paper's claims."""
    found = _outcomes(study)
    table = verdicts.table(found)
    return [Markdown(verdicts.summary(found)), table, _card(study, table.caption, "attack")]


def protocol() -> Table:
    """Return every choice of the attack."""
    return words.protocol()
