"""What a user adds beside the package's own, and the page that shows how, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch

from lifroles import benchmarks, probes, resets
from lifroles.additions import Named
from lifroles.benchmarks.mnist import Mnist
from lifroles.errors import SpecError
from lifroles.neuron import VariantLIF
from lifroles.paths import project_root
from lifroles.sparse import SparseSequence
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.training import run
from lifroles.variant import Variant

PAGE = project_root() / "notebooks" / "bring_your_own.ipynb"


@pytest.fixture
def half() -> Iterator[str]:
    """A reset that keeps half of the potential, for one test."""
    resets.register("half", lambda u, o, u_th: u * (1 - 0.5 * o))
    yield "half"
    resets.RESETS.forget("half")


def test_the_packages_own_cannot_be_replaced_and_an_addition_can() -> None:
    found = Named("thing", {"own": 1})
    found.add("mine", 2)
    found.add("mine", 3)
    assert dict(found) == {"own": 1, "mine": 3} and found.find("mine") == 3
    with pytest.raises(SpecError, match="thing 'own' is the package's own: give yours another name"):
        found.add("own", 4)
    with pytest.raises(SpecError, match="thing is 'a/b': name it by small letters"):
        found.add("a/b", 4)
    with pytest.raises(SpecError, match="thing is 'min': give one of own, mine"):
        found.find("min")
    found.forget("mine")
    for name in ("mine", "own"):
        with pytest.raises(SpecError, match=f"No thing '{name}' was added"):
            found.forget(name)
    assert dict(found) == {"own": 1}


def test_the_papers_benchmarks_probes_and_resets_are_safe() -> None:
    with pytest.raises(SpecError, match="benchmark 'mnist' is the package's own"):
        benchmarks.register(Mnist())
    with pytest.raises(SpecError, match="probe 'rates' is the package's own"):
        probes.register(probes.get("rates"))
    with pytest.raises(SpecError, match="reset 'hard' is the package's own"):
        resets.register("hard", lambda u, o, u_th: u)


def test_a_variant_with_an_added_reset_is_trained_and_found_again(half: str, tmp_path: Path) -> None:
    small: dict[str, Any] = {"epochs": 1, "iterations": 2, "batch_size": 4, "test_samples": 8}
    spec = RunSpec.of("xor", Variant(reset=half, recurrent=True), **small)
    record = run(spec, Store(tmp_path))
    assert record.status == "completed" and record.variant_name == "leak-0.3_half_recurrent"
    assert RunSpec.of("xor", record.variant_name, **small) == spec
    (again,) = Store(tmp_path).all()
    assert again.spec == spec and again.spec.digest != RunSpec.of("xor", Variant(recurrent=True), **small).digest


def test_an_added_reset_works_with_events_and_passes_its_gradient_on(half: str) -> None:
    torch.manual_seed(0)
    x = (torch.rand(6, 3, 4) < 0.5).float()
    linear = torch.nn.Linear(4, 5)
    with torch.no_grad():
        linear.weight.mul_(4)
    node = VariantLIF(5, Variant(reset=half))
    dense = node(linear(x))
    assert dense.sum() > 0
    dense.sum().backward()
    grad, linear.weight.grad = linear.weight.grad, None
    node.reset()
    events = node.drive(linear, SparseSequence.from_dense(x))
    events.sum().backward()
    assert torch.equal(dense, events)
    assert grad is not None and grad.abs().sum() > 0
    torch.testing.assert_close(grad, linear.weight.grad)


def test_an_unknown_reset_is_still_refused_by_name() -> None:
    with pytest.raises(SpecError, match="reset is 'half': give one of hard, none, soft"):
        Variant(reset="half")
    with pytest.raises(SpecError, match="reset is 'half'"):
        RunSpec.of("xor", "leak-0.3_half")


def test_each_addition_of_the_page_has_fewer_than_forty_lines_of_code() -> None:
    cells = [cell for cell in nbformat.read(PAGE, as_version=4).cells if "own" in cell.metadata.get("tags", ())]
    assert len(cells) == 3
    for cell, registers in zip(cells, ("resets", "benchmarks", "probes"), strict=True):
        assert f"{registers}.register(" in cell.source
        assert len([line for line in cell.source.splitlines() if line.strip()]) < 40
