"""Figures as they stand in the book: their structure, not their pixels."""

import re
import shlex
from itertools import combinations, pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from bs4 import BeautifulSoup
from fake_runs import fake_record, fake_study_store

from lifroles import cli, libraries, probes, traces
from lifroles.accuracy import collect, mechanism
from lifroles.cli_train import parse_settings
from lifroles.figures import accuracy as study_figures
from lifroles.figures import card, command, show, svg
from lifroles.figures import libraries as library_figures
from lifroles.figures import traces as trace_figures
from lifroles.figures.display import probe_commands, train_commands
from lifroles.figures.style import COLOURS, INK, MARKERS, PAPER, SHORT, spread
from lifroles.parameters import AccuracyParameters, LifNeuronParameters
from lifroles.store import Store, read
from lifroles.study import DELAYS
from lifroles.variant import PAPER_VARIANTS, VARIANT_LABELS


def every_variant():
    return traces.all_variants(20, 0.3, 0.3, 4, seed=0)


def library_nodes():
    recorded = libraries.read()["traces"]
    rows = [row for row in libraries.ROWS if row.name in recorded["nodes"]]
    ours = {row.name: traces.drive(0.3, 0.3)["hard"] for row in rows}
    return library_figures.nodes(rows, recorded, ours)


TRACE_FIGURES = {
    "integration": lambda: trace_figures.integration(traces.integration(20, 0.3, 0.3, seed=0)),
    "leak": lambda: trace_figures.leak(traces.pulse([0.0, 0.3, 1.0], 0.3)),
    "reset": lambda: trace_figures.reset(traces.drive(0.3, 0.3)),
    "recurrence": lambda: trace_figures.recurrence(traces.ring(0.3, 0.3)),
    "variants": lambda: trace_figures.variants(every_variant()),
    "libraries": library_nodes,
    "surrogates": lambda: library_figures.surrogates(range(81), libraries.read()["surrogates"]),
}
STUDY_FIGURES = {
    "table6": lambda study: study_figures.table6(study, "xor"),
    "curves": lambda study: study_figures.curves(study, "mnist"),
    "groups": study_figures.groups,
    "rates": lambda study: study_figures.rates(study, "mnist"),
    "delays": study_figures.delays,
    "leaks": lambda study: study_figures.leaks(study, mechanism.initial_leaks(study)),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    store = fake_study_store(tmp_path_factory.mktemp("results"), seeds=(0, 1), delays=DELAYS[:4])
    return collect(AccuracyParameters(), store=store)


@pytest.fixture(scope="module", params=[*TRACE_FIGURES, *STUDY_FIGURES])
def drawing(request, study):
    name = request.param
    return svg(TRACE_FIGURES[name]() if name in TRACE_FIGURES else STUDY_FIGURES[name](study))


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_variant_has_a_colour_and_a_name_of_its_own():
    assert COLOURS.keys() == SHORT.keys() == PAPER_VARIANTS.keys()
    assert len(set(COLOURS.values())) == len(set(SHORT.values())) == len(PAPER_VARIANTS)
    for one, other in combinations(COLOURS.values(), 2):
        apart = [abs(int(one[i : i + 2], 16) - int(other[i : i + 2], 16)) for i in (1, 3, 5)]
        assert max(apart) > 40
    assert len(set(MARKERS.values())) == len(MARKERS)


@pytest.mark.parametrize("background", ["#ffffff", "#14181e", "#121212"])
def test_colours_can_be_seen_on_both_themes(background):
    assert min(contrast(colour, background) for colour in COLOURS.values()) > 2.1


def test_text_and_axes_have_the_colour_of_the_page(drawing):
    root = ElementTree.fromstring(drawing)
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    assert texts, "letters are drawn as shapes"
    assert all("currentColor" in text.get("style", "") for text in texts)
    assert not re.search(r"font-family|#000000|#ffffff|black|white", drawing)
    assert INK not in drawing
    assert PAPER not in drawing
    allowed = {colour.lower() for colour in COLOURS.values()}
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) <= allowed


def test_the_drawing_is_named_and_leaves_the_rest_of_the_page_alone(drawing):
    root = ElementTree.fromstring(drawing)
    assert root.get("role") == "img"
    assert root[0].tag.endswith("title")
    assert root.get("aria-label") == root[0].text
    assert len(root[0].text or "") > 30
    assert "<style" not in drawing
    assert "metadata" not in drawing
    ids = re.findall(r'\bid="([^"]+)"', drawing)
    assert len(set(ids)) == len(ids)
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawing)
    assert {a or b for a, b in used} == set(ids)


@pytest.mark.parametrize("name", ["leak", "integration"])
def test_the_same_figure_gives_the_same_bytes(name):
    assert svg(TRACE_FIGURES[name]()) == svg(TRACE_FIGURES[name]())


def test_ids_of_two_figures_on_one_page_do_not_clash(study):
    one, other = (set(re.findall(r'\bid="([^"]+)"', svg(TRACE_FIGURES[n]()))) for n in ("leak", "reset"))
    assert one
    assert not one & other


def test_drawing_leaves_matplotlibs_settings_alone():
    before = dict(mpl.rcParams)
    svg(TRACE_FIGURES["leak"]())
    assert dict(mpl.rcParams) == before


def test_every_variant_is_drawn_under_its_name(study):
    drawn = svg(TRACE_FIGURES["variants"]())
    assert all(label in drawn for label in VARIANT_LABELS.values())
    assert all(colour.lower() in drawn for colour in COLOURS.values())
    rows = svg(study_figures.table6(study, "xor"))
    assert all(line in rows for name in SHORT.values() for line in name.split("\n"))
    assert "not run" not in rows


def test_a_variant_without_a_run_is_drawn_as_not_run(tmp_path):
    Store(tmp_path).write(fake_record("mnist", "baseline", 0, "official"))
    parameters = AccuracyParameters(benchmarks=("mnist",))
    drawn = svg(study_figures.table6(collect(parameters, store=Store(tmp_path)), "mnist"))
    assert drawn.count("not run") == 4  # the other four of Table 6


def test_the_papers_value_is_the_same_open_symbol_for_every_benchmark(study):
    for benchmark in ("xor", "mnist"):
        drawn = svg(study_figures.table6(study, benchmark))
        assert drawn.count("fill: var(--pst-color-background, Canvas)") >= 1


def test_a_figure_stands_with_caption_command_and_runs():
    record = fake_record("xor", "baseline", 3)
    figure = TRACE_FIGURES["leak"]()
    page = BeautifulSoup(
        show(figure, "A <b> & found", command="papermill a.ipynb -p x '<y>'", records=[record])._repr_html_(),
        "html.parser",
    )
    assert page.find("figure", class_="lifroles") is not None
    caption = page.find("figcaption")
    assert caption is not None
    assert caption.p is not None
    assert caption.p.get_text() == "A <b> & found"
    assert [code.get_text() for code in page.find_all("code")] == [
        "papermill a.ipynb -p x '<y>'",
        "lifroles train xor --variant baseline --seeds 3 --weights",
        record.spec.path,
    ]
    run = page.find("li")
    assert run is not None
    for fact in (
        "seed 3",
        "source generated",
        "commit 0123456",
        "data ffffffffffff",
        "480 s",
        "<R> & more",
        "1 thread",
    ):
        assert fact in run.get_text()
    assert "with local changes" not in run.get_text()
    assert page.find("b") is None


def test_what_provenance_lacks_is_said_and_does_not_fail():
    bare = fake_record("xor", "baseline")
    bare.provenance.clear()
    bare.provenance["dirty"] = True
    html = show(TRACE_FIGURES["leak"](), "Caption", command="x", records=[bare])._repr_html_()
    for fact in ("commit unknown with local changes", "data unknown", "time unknown", "threads unknown"):
        assert fact in html


def test_without_runs_the_card_says_that_everything_was_computed_here():
    assert "Computed on this page" in show(TRACE_FIGURES["leak"](), "Caption", command="x")._repr_html_()


def test_the_command_makes_the_same_page_again():
    assert command("2_lif_neuron", LifNeuronParameters()) == "papermill notebooks/2_lif_neuron.ipynb 2_lif_neuron.ipynb"
    asked = AccuracyParameters(profile="smoke", seeds=(0, 1), benchmarks=("xor",))
    text = command("4_1_accuracy", asked)
    assert text.startswith("papermill notebooks/4_1_accuracy.ipynb 4_1_accuracy.ipynb -p profile smoke")
    assert "-p seeds '[0, 1]'" in text
    assert """-p benchmarks '['"'"'xor'"'"']'""" in text


@pytest.mark.parametrize(
    ("wanted", "gap"),
    [([0.5, 0.5, 0.5], 0.1), ([0.0, 0.01, 0.02, 1.0], 0.2), ([1.0, 0.99], 0.3), ([0.5] * 20, 0.2), ([], 0.1)],
)
def test_labels_are_moved_apart_in_their_order(wanted, gap):
    places = spread(wanted, gap, 0.0, 1.0)
    assert len(places) == len(wanted)
    ordered = [places[i] for i in sorted(range(len(wanted)), key=wanted.__getitem__)]
    room = min(gap, 1 / max(len(wanted) - 1, 1))
    assert all(b - a > 0.999 * room for a, b in pairwise(ordered))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)


def test_the_runs_behind_a_figure_come_with_the_commands_that_train_them(monkeypatch):
    records = [
        *(fake_record("xor", name, seed) for name in ("baseline", "no_reset") for seed in (0, 1)),
        fake_record("xor", "recurrent", 4),
        fake_record("xor", "baseline", 0, T=150, epochs=20),
        fake_record("mnist", "baseline", 0, "official"),
    ]
    lines = train_commands(records)
    assert lines == [
        "lifroles train xor --variant baseline --variant no_reset --seeds 0,1 --weights",
        "lifroles train xor --variant recurrent --seeds 4 --weights",
        "lifroles train xor --variant baseline --seeds 0 --set T=150 --set epochs=20 --weights",
        "lifroles train mnist --variant baseline --seeds 0 --source official --weights",
    ]
    # and the command line reads them as the very same runs
    asked = []
    monkeypatch.setattr(
        "lifroles.store.Store.get", lambda self, spec, **options: asked.append(spec) or fake_record("xor", "baseline")
    )
    for line in lines:
        monkeypatch.setattr("sys.argv", line.split())
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    assert {spec.digest for spec in asked} == {record.spec.digest for record in records}


def test_what_was_asked_of_the_runs_comes_with_the_commands_that_ask_it(tmp_path):
    runs = [read(Store(tmp_path).write(fake_record("nmnist", "baseline", seed))) for seed in (0, 1)]
    questions = (
        (runs[0], "attack", {}),
        (runs[1], "attack", {}),
        (runs[1], "attack", {"attack": "gradient", "smooth": 2.0, "seed": 1}),
        (runs[1], "landscape", {"seeds": [0, 3]}),
        (runs[1], "corruption", {}),
    )
    asked = []
    for run, name, changes in questions:
        spec = probes.ProbeSpec.of(probes.get(name), run.spec, **changes)
        assert run.path is not None
        probes.write(run.path, spec, probes.Findings({("a", "b"): 1.0}), {})
        asked.append((name, spec.parameters))
    lines = probe_commands(runs, ["attack", "landscape"])
    assert lines[:2] == [
        "lifroles probe attack",
        "lifroles probe attack --set attack=gradient --set seed=1 --set smooth=2.0",
    ]
    found = []
    for line in lines:
        _, _, name, *settings = shlex.split(line)
        changes = parse_settings([s for s in settings if s != "--set"], "--set")
        found.append((name, probes.choose(probes.get(name), changes).model_dump(mode="json")))
    assert found == [asked[0], *asked[2:4]]
    html = card("papermill a.ipynb", runs, "caption", probes=["attack"])._repr_html_()
    assert "2 runs behind it, and how to train and ask them" in html
    assert "<code>lifroles probe attack</code>" in html and "landscape" not in html
    assert "how to train them" in card("papermill a.ipynb", runs, "caption")._repr_html_()
