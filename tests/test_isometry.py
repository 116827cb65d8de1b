"""Isometry against dense Jacobians, and what the page says against its records."""

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fake_runs import fake_record

from lifroles.figures import isometry as draw
from lifroles.isometry import initial, page, study
from lifroles.isometry.study import Case, Trained
from lifroles.parameters import TdbnParameters
from lifroles.probes import isometry
from lifroles.probes.isometry import IsometryParameters, traces
from lifroles.probes.record import ProbeRecord, ProbeSpec
from lifroles.resnet import DEPTHS, SpikingResNet
from lifroles.spec import RunSpec
from lifroles.speed import resnet
from lifroles.study import SCALES, SHORT, get
from lifroles.tables import Table
from lifroles.variant import Variant

P = TdbnParameters()


def spec(**changes: Any) -> RunSpec:
    return RunSpec.of("cifar10", "baseline", channels=0.125, T=2, train_samples=10, test_samples=4, **changes)


def network(one: RunSpec) -> Any:
    torch.manual_seed(one.seed)
    return one.network("reference")


def test_traces_of_a_matrix_whose_singular_values_are_known():
    # three rows of singular values 3, 1 and 0
    before = torch.ones(40_000, 3, requires_grad=True)
    after = before * torch.tensor([3.0, 1.0, 0.0])
    first, second = traces(after, before, 4, torch.Generator().manual_seed(0))
    assert first == pytest.approx((9 + 1) / 3, rel=0.02)
    assert second == pytest.approx((81 + 1) / 3, rel=0.02)


def test_traces_of_a_block_are_those_of_its_whole_jacobian():
    torch.manual_seed(0)
    made: Any = SpikingResNet(Variant(leak=0.3), u_th=0.3, width=0.25, scale=0.125, backend="reference").double()
    block = made.blocks[2]  # a convolution in the shortcut, half the edge
    x = torch.rand(2, 8, 4, 4, dtype=torch.float64).round().requires_grad_()

    def run(spikes):
        for node in block.nodes:
            node.node.reset()
        return block(spikes, 2)[-1]

    whole = torch.autograd.functional.jacobian(run, x).reshape(2 * 16 * 4, -1)
    product = whole @ whole.T
    found = traces(run(x), x, 300, torch.Generator().manual_seed(0))
    assert found[0] == pytest.approx(float(product.trace()) / len(whole), rel=0.1)
    assert found[1] == pytest.approx(float((product @ product).trace()) / len(whole), rel=0.15)


def test_gradients_are_those_of_the_loss_and_explode_with_ordinary_normalisation():
    growth = {}
    for norm in ("tdbn", "bn"):
        one = spec(norm=norm)
        batch = isometry.first(one, 4)
        made = network(one)
        twin = copy.deepcopy(made)
        found = isometry.isometry(one, made, batch, IsometryParameters(samples=4, vectors=1, seed=0))
        case = Case(0, {"gradient": {k: v for (m, k), v in found.items() if m == "gradient"}})
        assert list(case.metrics["gradient"]) == [*(f"block{i}" for i in range(1, 9)), "head"]
        growth[norm] = case.whole
        # the gradient at what leaves the last block, from the rest of the network alone
        activity = twin.train()(batch.inputs)
        last = activity.spikes["block8.2"].detach().requires_grad_()
        steps, size = last.shape[:2]
        rates = twin.nodes[0](twin.linears[0](last.view(steps, size, -1, 4, 4).mean((3, 4))))
        twin.nodes[0].reset()
        rates = twin.nodes[0](twin.linears[0](last.view(steps, size, -1, 4, 4).mean((3, 4)))).mean(0)
        loss = one.task.loss(one.protocol, rates, batch.labels)
        (gradient,) = torch.autograd.grad(loss, last)
        assert found["gradient", "head"] == pytest.approx(float(gradient.norm()), rel=1e-4)
    assert growth["bn"] > 100 * growth["tdbn"]


def test_the_probe_leaves_the_network_as_it_was_and_covers_what_has_blocks():
    one = spec()
    made = network(one)
    before = copy.deepcopy(made.state_dict())
    found = isometry.measure(one, made, IsometryParameters(samples=2, vectors=1, seed=0)).numbers
    assert {metric for metric, _ in found} == {"gradient", "isometry", "spread", "rate"}
    assert found["rate", "stem"] > 0 and found["isometry", "block8"] > 0
    assert all(torch.equal(value, before[key]) for key, value in made.state_dict().items())
    assert isometry.covers(one)
    assert not isometry.covers(spec(network="mlp")) and not isometry.covers(RunSpec.of("mnist", "baseline"))


def test_a_case_grows_by_the_geometric_mean_of_its_blocks():
    rate = {"stem": 0.9, "block1.1": 0.1, "block1.2": 0.2, "block1.3": 0.5, "block2.1": 0.3, "block2.2": 0.4}
    case = Case(0, {"gradient": {"block1": 18.0, "block2": 6.0, "head": 2.0}, "rate": rate})
    assert (case.growth, case.whole) == pytest.approx((3.0, 9.0))
    ends, inside = case.rates()
    assert ends == [0.5, 0.4] and inside == pytest.approx([0.15, 0.3])


def test_a_network_that_passes_no_gradient_back_is_shown_as_such():
    (run,) = [trained("none", asked=True)]
    assert run.probe is not None
    silent = {key: 0.0 if key[0] == "gradient" else value for key, value in run.probe.numbers.items()}
    found = page.after([replace(run, probe=replace(run.probe, numbers=silent))], P)
    (table,) = [part for part in found if isinstance(part, Table)]
    assert table.rows[0][4:6] == ("no gradient", "no gradient")
    assert "no line is drawn: ResNet-18 with no normalisation." in getattr(found[0], "caption", "")
    assert "class layers have fallen silent" not in getattr(found[0], "caption", "")
    found = page.after([replace(run, probe=replace(run.probe, numbers=silent | {("rate", "output"): 0.0}))], P)
    assert "class layers have fallen silent" in getattr(found[0], "caption", "")


@pytest.mark.parametrize(("value", "text"), [(1.444, "1.4"), (234.0, "230"), (3.43e11, "3·10¹¹")])
def test_powers(value, text):
    assert page.power(value) == text


def test_the_committed_record_is_what_the_code_asks_for_and_is_shown_whole():
    record = initial.read()
    asked = {(s.variant_name, s.protocol.network, s.protocol.norm, s.seed) for s in initial.specs(record["source"])}  # pyright: ignore[reportAttributeAccessIssue]
    found = {(c["variant"], f"resnet{c['depth']}", c["norm"], c["seed"]) for c in record["cases"]}
    assert asked == found
    cases = study.initial(record)
    assert len(draw.by_block(study.rows(cases, "gradient"), "", "").axes) == 3
    assert all(rows[0][-1] == 1 for panel in study.rows(cases, "gradient").values() for rows in panel.values())
    for figure in (page.gradients, page.isometry, page.firing):
        shown = figure(record, P)
        assert "n = 3 seeds each" in shown.caption and "results/isometry/initial.json" in shown.html
    assert len(page.conditions(record).rows) == 12
    # the sentences that are not computed hold for the record
    tdbn, bn = (
        [page.mean(cases["baseline", depth, norm], lambda c: c.growth) for depth in initial.DEPTHS]
        for norm in ("tdbn", "bn")
    )
    assert max(tdbn) < 1.5 < 3 < min(bn)
    for depth in initial.DEPTHS:
        design = DEPTHS[depth]
        later = {sum(design.blocks[:stage]) for stage in range(1, 4)}
        for case in cases["baseline", depth, "tdbn"]:
            values = case.row("isometry")
            # the first block of 50 layers has a convolution in its shortcut as well
            assert all((value < 1) == (i in later) for i, value in enumerate(values) if i > 0)
    assert "The second condition does not hold" in str(page.verdict(record).data)
    assert "1.1 with tdBN" in str(page.by_hand(record).data)


def trained(norm: str, *, asked: bool, depth: int = 18, changes: Mapping[str, Any] = SHORT) -> Trained:
    scale = {**SCALES["archive"]["cifar10"].changes, **changes}
    run = fake_record("cifar10", "baseline", 0, "jpeg", **scale, network=f"resnet{depth}", norm=norm, last=0.4)
    numbers = {("gradient", "block1"): 2.0, ("gradient", "head"): 1.0, ("isometry", "block1"): 1.25}
    numbers |= {("spread", "block1"): 3.0, ("rate", "block1.1"): 0.1, ("rate", "block1.2"): 0.2}
    found = ProbeRecord(ProbeSpec.of(isometry.PROBE, run.spec), numbers, {}, run.path or initial.path())
    return Trained(run, depth, norm, found if asked else None)


def test_trained_networks_are_shown_and_what_is_missing_is_said():
    (missing,) = page.after([trained("tdbn", asked=False)], P)
    assert "ResNet-50 with no normalisation.**" in missing.data  # pyright: ignore[reportAttributeAccessIssue]
    runs = [trained("tdbn", asked=True), trained("bn", asked=True, depth=34), trained("tdbn", asked=True, changes={})]
    gradient, first, rates, table, origin, missing = page.after(runs, P)
    assert "1.2 with tdBN and 1.2 with ordinary batch" in first.caption  # pyright: ignore[reportAttributeAccessIssue]
    assert table.rows[0][0] == "ResNet-18, tdBN, 2 epochs, seed 0"  # pyright: ignore[reportAttributeAccessIssue]
    assert [row[0].split(", ")[2] for row in table.rows] == ["2 epochs", "2 epochs", "8 epochs"]  # pyright: ignore[reportAttributeAccessIssue]
    assert table.rows[0][-1].startswith("40.0") and "3 runs" in origin.html  # pyright: ignore[reportAttributeAccessIssue]
    # the figures are of what was trained alike
    assert all("2 runs" in figure.html for figure in (gradient, first, rates))  # pyright: ignore[reportAttributeAccessIssue]
    assert "ResNet-18 with tdBN" not in missing.data and "ResNet-34 with tdBN" in missing.data  # pyright: ignore[reportAttributeAccessIssue]


def test_zero_and_no_number_leave_a_gap_in_a_figure():
    fig = draw.by_block({"one": {"tdbn": [[0.0, 2.0, 4.0]], "none": [[math.nan] * 3]}, "two": {}}, "", "")
    line = np.asarray(fig.axes[0].lines[0].get_ydata())
    assert line[1:] == pytest.approx([2.0, 4.0]) and np.isnan(line)[0]
    assert [text.get_text() for text in fig.axes[0].texts] == ["tdBN"]
    assert [text.get_text() for text in fig.axes[1].texts] == ["no value"] and not fig.axes[1].lines


def test_only_runs_at_the_archives_scale_are_shown(tmp_path):
    from fake_runs import Store

    store = Store(tmp_path)
    changes = dict(SCALES["archive"]["cifar10"].changes)
    for norm in ("tdbn", "none"):
        store.write(fake_record("cifar10", "baseline", 0, "jpeg", **changes, norm=norm, last=0.4))
    short = {**changes, **SHORT}
    store.write(fake_record("cifar10", "baseline", 0, "jpeg", **short, network="resnet34", last=0.4))
    store.write(fake_record("cifar10", "baseline", 0, "jpeg", **{**changes, "epochs": 3}, last=0.4))
    store.write(fake_record("cifar10", "baseline", 0, "jpeg", **changes, network="mlp", last=0.4))
    store.write(fake_record("cifar10", "no_reset", 0, "jpeg", **changes, last=0.4))
    found = study.trained(store)
    assert [(one.epochs, one.depth, one.norm) for one in found] == [(2, 34, "tdbn"), (8, 18, "tdbn"), (8, 18, "none")]


def test_the_target_trains_every_depth_alike_and_the_paper_profile_for_as_long_as_the_protocol():
    archive, paper = (get("tdbn").specs(profile) for profile in ("archive", "paper"))
    deep = {(s.changes().get("network", "resnet18"), s.changes().get("norm", "tdbn"))
            for s in archive if s.changes()["epochs"] == SHORT["epochs"]}  # fmt: skip
    assert deep == {(f"resnet{depth}", norm) for depth in initial.DEPTHS for norm in initial.NORMS}
    assert not any("epochs" in s.changes() for s in paper)


def speed_record(ours: float, theirs: float) -> dict[str, Any]:
    times = {
        "lifroles": {"median": ours},
        "SpikingJelly": {"median": theirs},
        "SpikingJelly, channels last": {"median": theirs / 2},
    }
    size = {"batch": 10, "T": 4, "channels": 1.0}
    origin = {"threads": 2, "rounds": 5}
    inside = {"seconds": {"step": ours, "convolution": ours / 2}, "operations": 1e9, "product rate": 4e9 / ours}
    return {
        "groups": {
            "steps": {"size": size, "found": {"candidates": times}, "provenance": origin},
            "inference": {"size": size, "found": times},
            "inside": {"found": inside},
            "memory": {"found": {"lifroles": 1e9, "SpikingJelly": 2e9, "SpikingJelly, channels last": 2e9}},
        }
    }


@pytest.mark.parametrize(("theirs", "said"), [(6.0, "it is met"), (5.0, "**it is not met**")])
def test_whether_the_goal_is_met_is_computed(theirs, said):
    text = str(resnet.verdict(speed_record(2.0, theirs)).data)
    assert said in text
    # half of a step of two seconds is convolution: were all else free, a step would take one second
    assert f"would take {theirs:.1f}× as long" in text and "50\N{NO-BREAK SPACE}% of our step" in text
    assert f"does not choose itself, {theirs / 4:.1f}×" in text
    assert "other work" not in text
    record = speed_record(2.0, theirs)
    record["groups"]["steps"]["provenance"]["load"] = 5.5
    assert "The machine had other work (load 5.5 on 2 threads)" in str(resnet.verdict(record).data)


def test_the_speed_table_and_the_full_protocols_time():
    record = speed_record(2.0, 5.0)
    rows = resnet.step_table(record).rows
    assert "was not measured" in str(getattr(resnet.epoch_table(record), "data", ""))
    assert rows[1][0] == "SpikingJelly" and rows[1][1].endswith("(2.5×)") and rows[1][3].endswith("(2.0×)")
    # 100 epochs of 50,000 training and 10,000 test images at 0.2 s each
    assert f"one run takes {100 * 60_000 * 0.2 / 86_400:.0f} days" in str(resnet.full(record).data)


def test_spikingjellys_network_computes_the_same():
    from benchmarks.resnet import run
    from benchmarks.resnet.candidates import Size

    found = run.check(Size(2, 0.125))["SpikingJelly"]
    assert found["rates that differ"] == 0 and found["gradient"] < 1e-3
