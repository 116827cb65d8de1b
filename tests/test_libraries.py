"""Every row about another library is run against it: what agrees agrees, and what differs differs as it says."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import Tensor

from lifroles import libraries, records, traces
from lifroles.errors import SpecError, StoreError
from lifroles.libraries import LIBRARIES, ROWS, Row, compare, demonstration, page, peers, record
from lifroles.libraries.peers import RUNNERS, MissingLibrary, load
from lifroles.libraries.rows import K_TAU, U_TH
from lifroles.parameters import LibrariesParameters
from lifroles.variant import Variant

BY_NAME = {row.name: row for row in ROWS}
Need = Callable[[object, str], None]


@pytest.fixture(autouse=True)
def _peers(require: Need) -> None:
    for name, title in LIBRARIES.items():
        require(find_spec(name), f"{title} is not installed (the extras dev and bench bring it)")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_node_answers_as_its_row_says(row: Row) -> None:
    found = compare(row)
    assert found.verdict == row.verdict
    if found.verdict is None:
        assert found.refusal == "AssertionError"
    else:
        # An input on which ours hardly fires, or always, would tell nothing.
        assert 0.05 < found.spikes / (record.STEPS * record.BATCH * record.NEURONS) < 0.6
        # Where spikes differ they differ plainly, not by the rounding of a few.
        assert found.differing == 0 or found.differing > 0.03 * found.spikes
    if row.mended is not None:
        mended = compare(row, mended=True)
        assert (mended.verdict, mended.differing) == (row.mended, 0)
    assert record.fires_at_threshold(row) == row.at_threshold


def test_every_row_can_be_run_and_is_told_apart() -> None:
    assert set(BY_NAME) == set(RUNNERS)
    assert len({(row.library, row.node, row.variant, row.detach_reset) for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.reason.endswith((".", ".)"))
        assert bool(row.mend) == (row.mended is not None)
        assert not row.mend.endswith(".")


def test_a_comparison_notices_a_row_that_is_wrong() -> None:
    """Give ours another part than the row says: spikes, gradient or potential must tell."""
    right = BY_NAME["sj-lif-hard"]
    assert compare(replace(right, variant=Variant(reset="soft"))).verdict != right.verdict
    detached = compare(replace(right, detach_reset=True)).verdict
    assert detached is not None
    assert (detached.spikes, detached.gradient) == (True, False)


def test_a_record_is_not_made_from_a_wrong_row(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(BY_NAME["snn-none"], at_threshold=True)
    monkeypatch.setattr(record, "ROWS", (wrong,))
    with pytest.raises(record.LibraryError, match=r"'snn-none' does not say what Leaky.* of snnTorch"):
        record.make()


# The record


def test_the_record_is_what_comes_out_now() -> None:
    """A library that was updated, or a row that was changed, needs `python -m lifroles.libraries`."""
    kept, made = libraries.read(), record.make()
    assert {name: kept["versions"][name] for name in LIBRARIES} == {name: version(name) for name in LIBRARIES}
    assert kept["input"] == made["input"]
    assert list(kept["rows"]) == [row.name for row in ROWS]
    for name, outcome in made["rows"].items():
        stored = kept["rows"][name]
        assert stored["fires at threshold"] == outcome["fires at threshold"]
        for state in ("as it is", "mended"):
            now, then = outcome[state], stored[state]
            assert (now is None) == (then is None)
            if now is not None:
                assert {k: now[k] for k in ("verdict", "refusal")} == {k: then[k] for k in ("verdict", "refusal")}
                # A recurrent layer's products round differently from one processor to the next.
                assert now["spikes"] == pytest.approx(then["spikes"], rel=0.1)
                assert now["differing"] == pytest.approx(then["differing"], rel=0.2)
    for name, node in made["traces"].pop("nodes").items():
        stored = kept["traces"]["nodes"][name]
        assert node["o"] == stored["o"]
        assert node["u"] == pytest.approx(stored["u"], abs=1e-5)
    assert made["traces"].items() <= kept["traces"].items()
    for name, values in made["surrogates"].items():
        assert values == pytest.approx(kept["surrogates"][name], abs=1e-5)


def test_a_record_is_written_whole_or_not_at_all(tmp_path) -> None:
    place = tmp_path / "folder" / "record.json"
    records.write({"a": [1.5, None]}, place)
    assert records.read(place, "make") == {"a": [1.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write({"a": float("nan")}, place)
    assert records.read(place, "make") == {"a": [1.5, None]}
    assert [file.name for file in place.parent.iterdir()] == ["record.json"]
    with pytest.raises(StoreError, match=r"below cannot be written \(.*\): free or unlock"):
        records.write({}, place / "below")
    place.write_text("{")
    with pytest.raises(StoreError, match=r"record.json cannot be read .*make it again: the command"):
        records.read(place, "the command")


def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingLibrary, match=r"^Norse is not installed: pip install .*'\.\[bench\]' brings it\.$"):
        load("norse", "norse.no_such_module")


def test_the_rows_and_the_page_need_no_library() -> None:
    code = (
        "import sys; import lifroles.libraries.page as p; from lifroles.parameters import LibrariesParameters as L;"
        "from lifroles import libraries; r = libraries.read(); p.nodes(r, L()); p.counts(r);"
        "[p.table(r, name) for name in p.LIBRARIES]; p.surrogates(r, L());"
        "print([m for m in ('snntorch', 'norse', 'torchvision', 'torchaudio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_library_brings_what_fails_on_import() -> None:
    """Norse declares torchvision, which fails beside some builds of torch; nothing here may need it to run."""
    load("snntorch", "snntorch")
    load("norse", "norse.torch.functional.lif_box")
    assert not {"torchvision", "torchaudio"} & sys.modules.keys()


# What single reasons say beyond the row


def _leaky(x: Tensor, **options: object) -> tuple[Tensor, Tensor]:
    node = load("snntorch", "snntorch").Leaky(K_TAU, U_TH, **options)
    mem, o_seq, mem_seq = torch.zeros_like(x[0]), [], []
    for x_t in x.unbind(0):
        o, mem = node(x_t, mem)
        o_seq.append(o)
        mem_seq.append(mem)
    return torch.stack(o_seq), torch.stack(mem_seq)


def test_the_formula_in_leakys_docstring_is_not_its_code() -> None:
    """U(t+1) = βU(t) + I(t+1) − R(βU(t) + I(t+1)): the docstring's reset takes the new input with it."""
    leaky = load("snntorch", "snntorch").Leaky
    assert r"U[t+1] = βU[t] + I_{\\rm syn}[t+1] - R(βU[t] + I_{\\rm in}[t+1])".replace("\\\\", "\\") in leaky.__doc__
    x = U_TH * (0.5 + torch.rand(40, 1, 4, generator=torch.Generator().manual_seed(1)))
    mem, reset, documented = torch.zeros(1, 4), torch.zeros(1, 4), []
    for x_t in x:
        mem = (1 - reset) * (K_TAU * mem + x_t)
        reset = (mem > U_TH).float()
        documented.append(reset)
    o, _ = _leaky(x, reset_mechanism="zero")
    assert o.sum() > 1.3 * torch.stack(documented).sum()


def test_leaky_subtracts_after_the_leak_and_ours_before() -> None:
    """One spike, then silence: what is left of u(0) = 2 u_th one step later."""
    x = torch.zeros(2, 1, 1)
    x[0] = 2 * U_TH
    _, mem = _leaky(x)
    soft = traces.run(Variant(reset="soft"), x[:, 0].double().numpy(), U_TH)
    assert float(mem[1, 0, 0]) == pytest.approx(K_TAU * 2 * U_TH - U_TH)
    noise = U_TH * (0.5 + 0.8 * torch.randn(100, 1, 16, generator=torch.Generator().manual_seed(1)))
    ours = traces.run(Variant(reset="soft"), noise[:, 0].double().numpy(), U_TH)
    assert _leaky(noise)[0].sum() < 0.9 * ours.spikes
    assert soft.u[1, 0] == pytest.approx(K_TAU * (2 * U_TH - U_TH))


def test_leaky_without_delay_subtracts_twice_from_what_is_still_above() -> None:
    """u(0) = 3 u_th leaves 2 u_th: its reset of the next step lowers the potential before the spike is decided."""
    x = torch.full((2, 1, 1), 0.5 * U_TH)
    x[0] = 3 * U_TH
    o, _ = _leaky(x, reset_delay=False)
    soft = traces.run(Variant(reset="soft"), x[:, 0].double().numpy(), U_TH)
    assert soft.o[:, 0].tolist() == [1, 1]  # 0.3 · 2 u_th + 0.5 u_th is above u_th
    assert o.flatten().tolist() == [1, 0]


def test_a_beta_outside_its_range_is_clamped_there_and_refused_here() -> None:
    for leak in (-0.2, 1.2):
        with pytest.raises(SpecError, match=f"leak is {leak}"):
            Variant(leak=leak)


def test_norses_superspike_does_not_use_its_alpha() -> None:
    threshold = load("norse", "norse.torch.functional.threshold").threshold
    x = torch.linspace(-1, 1, 21)
    one, hundred = (demonstration.derivative(lambda v, a=a: threshold(v, "super", a), x) for a in (1.0, 100.0))
    assert torch.equal(one, hundred)


def test_the_surrogates_are_the_formulas_beside_them() -> None:
    x = demonstration.grid().double()
    s = torch.sigmoid(4 * x)
    formulas = {
        "lifroles": 2.0 * (x.abs() < 0.25),
        "spikingjelly": 4 * s * (1 - s),
        "snntorch": 1 / (1 + (torch.pi * x) ** 2),
        "norse": 1 / (1 + x.abs()) ** 2,
    }
    assert list(formulas) == list(demonstration.SURROGATES)
    for name, (_, _, make) in demonstration.SURROGATES.items():
        torch.testing.assert_close(
            demonstration.derivative(make(), demonstration.grid()).double(),
            formulas[name].double(),
            rtol=1e-4,
            atol=1e-5,
        )


def test_nodes_are_what_the_libraries_make_by_default() -> None:
    """The defaults that the page names are the libraries' own."""
    node = peers.neuron.LIFNode()
    assert (node.tau, node.decay_input, node.v_reset) == (2.0, True, 0.0)
    assert type(node.surrogate_function).__name__ == "Sigmoid"
    leaky = load("snntorch", "snntorch").Leaky(0.5)
    assert (leaky.reset_mechanism, leaky.reset_delay) == ("subtract", True)
    p = load("norse", "norse.torch.functional.lif_box").LIFBoxParameters()
    assert (p.method, float(p.alpha), p.reset_method.__name__) == ("super", 100.0, "reset_value")


# The page


def test_the_table_says_what_the_record_says() -> None:
    kept = libraries.read()
    rows = {row[0]: row for name in LIBRARIES for row in page.table(kept, name).rows}
    assert len(rows) == len({row.node for row in ROWS})
    assert rows["LIFNode(tau=1.0, decay_input=False)"][1:] == ("hard reset, k_tau 0", "it refuses", "–", "–", "–")
    scaled = rows["LIFNode(tau=1/(1−k_tau))"]
    differing = kept["rows"]["sj-lif-default"]["as it is"]["differing"]
    assert scaled[2:] == (f"{differing:,} differ → same", "another → after reset", "differs → same", "fires")
    assert rows['Leaky(beta=k_tau, reset_mechanism="zero")'][2:] == (
        "same", "before reset", "differs → same", "silent"
    )  # fmt: skip
    mend = "To mend it: give it the input divided by 1 − k_tau (or weights and biases so divided)."
    assert page.table(kept, "norse").notes[0].endswith(mend)


def test_the_page_counts_the_rows() -> None:
    text = str(page.counts(libraries.read()).data)
    same = sum(row.verdict is not None and row.verdict.spikes for row in ROWS)
    whole = sum(row.verdict is not None and row.verdict.spikes and row.verdict.gradient for row in ROWS)
    mended = sum(
        row.mended is not None and row.mended.spikes and not (row.verdict and row.verdict.spikes) for row in ROWS
    )
    strict = sum(row.at_threshold is False for row in ROWS)
    assert f"- {same} spike exactly where ours do, as they are; {whole} of them have our gradients too." in text
    assert f"- {mended} do so once" in text
    assert f"- {len(ROWS) - same - mended} cannot be made to." in text
    assert f"- {strict} do not fire at the threshold itself" in text


def test_the_figure_of_traces_says_which_nodes_spike_as_ours() -> None:
    shown = page.nodes(libraries.read(), LibrariesParameters())
    assert "2 of 5 nodes spike as ours does" in shown.caption
    assert "python -m lifroles.libraries" in shown.html
    assert "snnTorch 1." in shown.html


def test_the_page_says_whether_it_was_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "ROWS", (BY_NAME["sj-if-hard"], BY_NAME["snn-none"]))
    kept = libraries.read()
    assert page.again(kept).data == "Run again here, while this page was made, all 2 nodes did what the tables say."
    wrong = replace(BY_NAME["snn-none"], at_threshold=True)
    monkeypatch.setattr(page, "ROWS", (wrong,))
    assert "1 node did something else" in str(page.again(kept).data)
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda name: None if name == "norse" else name)
    assert "Norse is not installed here, so nothing was run again" in str(page.again(kept).data)


def test_a_trace_is_drawn_over_the_variant_that_its_words_name() -> None:
    recorded = libraries.read()["traces"]
    zero = recorded["nodes"]["snn-zero"]
    ours = traces.run(Variant(leak=recorded["k_tau"]), np.asarray(recorded["x"])[:, None], recorded["u_th"])
    assert zero["o"] == ours.o[:, 0].tolist()
    assert zero["u"] == pytest.approx(ours.u[:, 0], abs=1e-5)
