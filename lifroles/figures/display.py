"""How a figure stands in the book: inline SVG in the page's own colours, caption, and where it comes from."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from xml.etree import ElementTree

from matplotlib.figure import Figure

from lifroles.figures.drawn import drawn
from lifroles.figures.style import INK, PAPER, style
from lifroles.folders import DONE
from lifroles.parameters import NotebookParameters
from lifroles.paths import results_dir
from lifroles.probes import find, get
from lifroles.store import Record
from lifroles.tables import Download

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font-family:[^;]*;?|font: *([\d.]+px)[^;]*")
_INKS = {INK: "currentColor", PAPER: "var(--pst-color-background, Canvas)"}


def svg(fig: Figure) -> str:
    """Return a figure as an SVG element to stand inside a page.

    Text stays text, in the page's font; text, axes and other ink are ``currentColor``; the background is
    transparent. The same figure always gives the same bytes, and ids do not clash with those of other
    figures on the page.
    """
    buffer = io.StringIO()
    with style():
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:8] + "-"
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            # The style sheet inside would apply to the whole page, and metadata says nothing here.
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = {m for element in root.iter() for m in _references(element)}
    for element in root.iter():
        _adapt(element, used, prefix)
    for name in ("width", "height"):
        root.attrib[name] = root.attrib[name].removesuffix("pt")
    label = str(fig.get_label())
    root.attrib.update({"role": "img", "aria-label": label, "stroke-linejoin": "round", "fill": "currentColor"})
    title = ElementTree.Element(f"{{{_SVG}}}title")
    title.text = label
    root.insert(0, title)
    return ElementTree.tostring(root, encoding="unicode")


def _references(element: ElementTree.Element) -> list[str]:
    found = [m for value in element.attrib.values() for m in _REFERENCE.findall(value)]
    link = element.get(f"{{{_XLINK}}}href", "")
    return [*found, link[1:]] if link.startswith("#") else found


def _adapt(element: ElementTree.Element, used: set[str], prefix: str) -> None:
    """Make one element of matplotlib's SVG fit to stand inside a page."""
    if (name := element.get("id")) is not None:
        if name in used:
            element.set("id", prefix + name)
        else:
            del element.attrib["id"]  # figure_1, axes_1, ...: the same in every figure
    for key, value in list(element.attrib.items()):
        for ink, css in _INKS.items():
            value = value.replace(ink, css)
        value = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
        if key == f"{{{_XLINK}}}href" and value.startswith("#"):
            value = "#" + prefix + value[1:]
        if key == "style" and element.tag in (f"{{{_SVG}}}text", f"{{{_SVG}}}tspan"):
            # Sizes stay, the typeface is the page's.
            value = _FONT.sub(lambda m: f"font-size: {m[1]};" if m[1] else "", value).strip()
        element.set(key, value)


@dataclass(frozen=True)
class Display:
    """A figure with its caption and its provenance card; shows itself in a notebook as HTML."""

    html: str
    caption: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Figure: {self.caption}"


COMPUTED = "Computed on this page; no stored run is behind it."
NOT_RUN = "No run is behind it: what it asks for was not run."


def show(
    fig: Figure,
    caption: str,
    *,
    command: str,
    records: Iterable[Record] = (),
    behind: str = COMPUTED,
    download: Download | None = None,
    probes: Sequence[str] = (),
) -> Display:
    """Return a figure as it stands in the book.

    Arguments:
        fig: the figure; its label is the text for those who cannot see it.
        caption: what was found, and on how many runs.
        command: the one command that makes the figure again.
        records: the runs behind it, if any.
        behind: what is behind it where no run is.
        download: what is drawn, as a file; where none is given, it is read from the figure.
        probes: names of the probes that the runs were asked.
    """
    offered = download or drawn(fig, _file_name(command, fig))
    html = (
        f'<figure class="lifroles">{svg(fig)}<figcaption><p>{escape(caption)}</p>'
        f"{_card(command, list(records), behind, offered, probes)}</figcaption></figure>"
    )
    return Display(html, caption)


def card(
    command: str, records: Iterable[Record], caption: str, behind: str = NOT_RUN, probes: Sequence[str] = ()
) -> Display:
    """Return where a table's numbers come from, as a figure's card says it.

    Arguments:
        command: the one command that makes the table again.
        records: the runs behind it.
        caption: of the table, for those who read the notebook as text.
        behind: what is behind it where no run is.
        probes: names of the probes that the runs were asked.
    """
    return Display(f'<div class="lifroles">{_card(command, list(records), behind, None, probes)}</div>', caption)


def _file_name(command: str, fig: Figure) -> str:
    """Return a name for a figure's file: that of its page, and something that other figures of the page have not."""
    page = re.search(r"(\w+)\.ipynb", command)
    return f"{page[1] if page else 'figure'}_{hashlib.sha256(str(fig.get_label()).encode()).hexdigest()[:6]}"


def _card(
    command: str, records: Sequence[Record], behind: str, download: Download | None, probes: Sequence[str]
) -> str:
    asked = probe_commands(records, probes)
    runs = (
        f"<details><summary>{_count(len(records))} behind it, and how to train {'and ask ' if asked else ''}them"
        "</summary>"
        + "".join(f"<p><code>{escape(line)}</code></p>" for line in [*train_commands(records), *asked])
        + "<ul>"
        + "".join(f"<li>{_run(record)}</li>" for record in records)
        + "</ul></details>"
        if records
        else f"<p>{escape(behind)}</p>"
    )
    data = f"<p>Data: {download.link()}</p>" if download else ""
    return f'<div class="lifroles-card"><p>Make it again: <code>{escape(command)}</code></p>{data}{runs}</div>'


def train_commands(records: Iterable[Record]) -> list[str]:
    """Return the commands that train these runs, archived or not, one for each protocol and set of seeds."""
    seeds: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for record in records:
        spec = record.spec
        changes = [part for name, value in spec.changes().items() for part in ("--set", f"{name}={value}")]
        source = [] if spec.source == spec.task.default_source else ["--source", spec.source]
        seeds.setdefault((spec.benchmark, *source, *changes), {}).setdefault(spec.variant_name, []).append(spec.seed)
    lines = []
    for (benchmark, *options), variants in seeds.items():
        by_seeds: dict[tuple[int, ...], list[str]] = {}
        for name, own in variants.items():
            by_seeds.setdefault(tuple(sorted(own)), []).append(name)
        for own, names in by_seeds.items():
            chosen = [part for name in names for part in ("--variant", name)]
            numbers = ",".join(map(str, own))
            lines.append(
                shlex.join(["lifroles", "train", benchmark, *chosen, "--seeds", numbers, *options, "--weights"])
            )
    return lines


def probe_commands(records: Iterable[Record], probes: Sequence[str]) -> list[str]:
    """Return the commands that ask these probes, of every run whose weights are there, as they were asked."""
    lines: list[str] = []
    runs = list(records)
    for name in probes:
        own = get(name).parameters().model_dump(mode="json")
        asked: set[tuple[str, ...]] = set()
        for record in runs:
            for found in find(record, name):
                changes = {k: v for k, v in found.spec.parameters.items() if v != own.get(k)}
                asked.add(tuple(part for k, v in changes.items() for part in ("--set", f"{k}={v}")))
        lines += [shlex.join(["lifroles", "probe", name, *p]) for p in sorted(asked, key=lambda p: (len(p), p))]
    return lines


def _count(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"


def _run(record: Record) -> str:
    """Return one run's provenance as escaped HTML."""
    origin = record.provenance
    commit = str(origin.get("commit") or "unknown")[:7] + (" with local changes" if origin.get("dirty") else "")
    wall = origin.get("wall_seconds")
    facts = (
        f"seed {record.seed}",
        f"source {record.spec.source}",
        f"commit {commit}",
        f"data {str(origin.get('data_sha256') or 'unknown')[:12]}",
        "time unknown" if wall is None else f"{float(wall):,.0f} s",
        str(origin.get("processor") or "processor unknown"),
        _threads(origin.get("threads")),
        f"backend {origin.get('backend') or 'unknown'}",
    )
    name = f"<code>{escape(record.spec.path)}</code>"
    # Only archived runs have a page of their own.
    if (results_dir() / record.spec.path / DONE).is_file():
        name = f'<a href="../runs/{escape(record.spec.digest)}.html">{name}</a>'
    return f"{name}: {escape(', '.join(facts))}"


def _threads(n: object) -> str:
    return "threads unknown" if n is None else "1 thread" if n == 1 else f"{n} threads"


def command(notebook: str, parameters: NotebookParameters) -> str:
    """Return the command that executes a notebook with these parameters."""
    defaults = type(parameters).defaults()
    given = [
        part
        for name, value in parameters.as_data().items()
        if value != defaults[name]
        for part in ("-p", name, str(value))
    ]
    return shlex.join(["papermill", f"notebooks/{notebook}.ipynb", f"{notebook}.ipynb", *given])
