"""Run every row beside ours, and keep the outcome as JSON for readers who have none of the libraries."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lifroles import backends, records
from lifroles.backends import reference
from lifroles.errors import LifrolesError
from lifroles.libraries import demonstration
from lifroles.libraries.peers import RUNNERS, Answer, Case
from lifroles.libraries.rows import K_TAU, LIBRARIES, ROWS, U_TH, Row, Verdict
from lifroles.paths import results_dir

STEPS, BATCH, NEURONS, SEED = 60, 8, 16, 0
"""Size and seed of the input that every row is run on."""
TOLERANCE = 1e-4
"""Two potentials (over the threshold) or gradients (over their largest entry) that differ by less are the same: float32
rounds to 1e-7, and the libraries multiply and add in different orders over the steps."""

COMMAND = "python -m lifroles.libraries"
"""Makes the record again."""


class LibraryError(LifrolesError):
    """A row of the table is wrong about a library."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out when a node was run beside ours.

    Arguments:
        verdict: in the terms of the row; ``None``: the node refused.
        refusal: with which error.
        spikes: how many spikes ours fired.
        differing: at how many neuron steps one fires and the other does not.
        potential_error: largest difference of the potentials, in thresholds, on the side of the reset where it is less.
        gradient_error: largest difference of a gradient, over the gradient's largest entry, by what it is taken to.
    """

    verdict: Verdict | None
    refusal: str | None = None
    spikes: int = 0
    differing: int = 0
    potential_error: float | None = None
    gradient_error: dict[str, float] | None = None


def _input(row: Row, k: float, mended: bool) -> Tensor:
    """Return the input current ``[T, B, N]``: noise around half a threshold, so that u passes 2 u_th now and then."""
    generator = torch.Generator().manual_seed(SEED)
    x = U_TH * (0.5 + 0.8 * torch.randn((STEPS, BATCH, NEURONS), generator=generator))
    if mended and row.mended_input == "low":
        x = x.clamp(max=(2 - k) * U_TH)
    return x.abs() if mended and row.mended_input == "positive" else x


def _leak(row: Row) -> float:
    return K_TAU if row.variant.leak == "learnable" else row.variant.leak


def _ours(row: Row, case: Case, fire: Any) -> tuple[Tensor, Tensor]:
    """Return our spikes and potentials, with the surrogate of the node beside."""
    zeros = torch.zeros_like(case.x[0])
    learnt = row.variant.leak == "learnable"
    _, backend = backends.select("auto")
    o, u, *_ = backend.run(
        case.x,
        zeros,
        zeros,
        k_tau=case.w.sigmoid().expand(case.x.shape[-1]) if learnt else case.k,
        reset=row.variant.reset,
        u_th=case.u_th,
        fire=fire,
        detach_reset=row.mended_detach if case.mended else row.detach_reset,
        recurrent_weight=case.across if row.variant.recurrent else None,
        keep_u=True,
    )
    assert u is not None
    return o, u


def compare(row: Row, *, mended: bool = False) -> Comparison:
    """Run a row's node beside ours, as it is or mended, on the same input.

    Raises:
        MissingLibrary: the node's library is not installed.
    """
    k = _leak(row)
    generator = torch.Generator().manual_seed(SEED + 1)
    across = 0.3 * U_TH * torch.randn((NEURONS, NEURONS), generator=generator)
    case = Case(
        x=_input(row, k, mended).requires_grad_(),
        k=k,
        u_th=U_TH,
        across=across.requires_grad_(),
        w=torch.logit(torch.tensor(k)).requires_grad_() if row.variant.leak == "learnable" else torch.zeros(()),
        mended=mended,
    )
    try:
        theirs = RUNNERS[row.name](case)
    except (AssertionError, ValueError) as error:
        return Comparison(None, refusal=type(error).__name__)
    o, u = _ours(row, case, theirs.fire)
    leaves = {"input": case.x}
    if row.variant.recurrent:
        leaves["recurrent weights"] = case.across
    if row.variant.leak == "learnable":
        leaves["leak"] = case.w
    weight = torch.randn(o.shape, generator=generator)
    gradients = [torch.autograd.grad((spikes * weight).sum(), list(leaves.values())) for spikes in (o, theirs.o)]
    errors = {name: _distance(a, b) for name, a, b in zip(leaves, *gradients, strict=True)}
    differing = int((o != theirs.o).sum())
    shown, distance = _potential(row, o, u, theirs)
    verdict = Verdict(differing == 0, shown, all(error < TOLERANCE for error in errors.values()))
    return Comparison(verdict, None, int(o.sum()), differing, distance, errors)


def _distance(a: Tensor, b: Tensor) -> float:
    return _short(float((a - b).detach().abs().max() / a.abs().max()))


def _short(value: float) -> float:
    """Return two digits: more would differ from one processor to the next."""
    return float(f"{value:.1e}")


def _potential(row: Row, o: Tensor, u: Tensor, theirs: Answer) -> tuple[Any, float | None]:
    """Return from which side of the reset the node's potential is ours, and how far from it."""
    if theirs.u is None:
        return "hidden", None
    sides = {"before": u, "after": reference.keep(u, o, row.variant.reset, U_TH)}
    distances = {name: _short(float((side - theirs.u).detach().abs().max()) / U_TH) for name, side in sides.items()}
    # Without reset the two sides are one.
    side = min(distances, key=distances.__getitem__)
    return (side if distances[side] < TOLERANCE else None), distances[side]


def fires_at_threshold(row: Row) -> bool | None:
    """Return whether the node fires where u = u_th to the last bit; ``None`` where it cannot be brought there."""
    # Powers of two: no library rounds them, whatever it multiplies and adds. One step from rest, so that no leak acts.
    k = 0.5 if row.variant.leak in (K_TAU, "learnable") else _leak(row)
    u_th = 0.5
    case = Case(
        x=torch.full((1, 1, 1), u_th),
        k=k,
        u_th=u_th,
        across=torch.zeros(1, 1),
        w=torch.zeros(()),
        mended=row.mended is not None,
    )
    try:
        with torch.no_grad():
            answer = RUNNERS[row.name](case)
    except (AssertionError, ValueError):
        return None
    fires = bool(answer.o[0, 0, 0])
    reaches = fires or answer.u is None or float(answer.u[0, 0, 0]) == u_th
    return fires if reaches else None


def make() -> dict[str, Any]:
    """Return the record: every row as it is and mended, the firing rules, the surrogates and the traces, and versions.

    Raises:
        MissingLibrary: one of the libraries is not installed.
        LibraryError: a row does not say what came out.
    """
    rows: dict[str, Any] = {}
    for row in ROWS:
        found, mended = compare(row), compare(row, mended=True) if row.mended is not None else None
        fires = fires_at_threshold(row)
        if (found.verdict, mended and mended.verdict, fires) != (row.verdict, row.mended, row.at_threshold):
            raise LibraryError(
                f"The row {row.name!r} does not say what {row.node} of {LIBRARIES[row.library]} "
                f"{version(row.library)} does: it is {found.verdict}, mended {mended and mended.verdict}, and fires at "
                f"the threshold: {fires}; mend the row."
            )
        rows[row.name] = {
            "as it is": asdict(found),
            "mended": asdict(mended) if mended is not None else None,
            "fires at threshold": fires,
        }
    return {
        "versions": {"python": platform.python_version(), **{p: version(p) for p in ("torch", *LIBRARIES)}},
        "input": {"T": STEPS, "B": BATCH, "N": NEURONS, "seed": SEED, "k_tau": K_TAU, "u_th": U_TH},
        "rows": rows,
        "surrogates": demonstration.surrogates(),
        "traces": demonstration.traces(),
    }


def read() -> dict[str, Any]:
    """Return the record of the archive.

    Raises:
        StoreError: it is not there, or damaged.
    """
    return records.read(path(), COMMAND)


def path() -> Path:
    """Return where the record lies."""
    return results_dir() / "libraries.json"
