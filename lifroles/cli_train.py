"""The command that trains runs. It parses, prints and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lifroles.errors import SpecError
from lifroles.variant import PAPER_VARIANTS

if TYPE_CHECKING:
    from lifroles.spec import RunSpec
    from lifroles.store import Record, Store

out = Console()
err = Console(stderr=True)

_REPORT_SECONDS = 30.0  # between two lines of progress where there is no terminal

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")]


def parse_seeds(text: str) -> list[int]:
    """Return the seeds in ``"0,1,5-7"``, each once, in order.

    Raises:
        SpecError: it is not such a list.
    """
    seeds: list[int] = []
    try:
        for part in text.split(","):
            low, _, high = part.partition("-")
            seeds.extend(range(int(low), int(high or low) + 1))
    except ValueError as error:
        raise SpecError(f"--seeds is {text!r}: give numbers and ranges such as 0,1 or 0-4.") from error
    if not seeds:
        raise SpecError(f"--seeds is {text!r}: a range runs from the lower to the higher number.")
    return list(dict.fromkeys(seeds))


def parse_settings(settings: list[str], option: str) -> dict[str, object]:
    """Return ``["T=100", "loss=mse"]`` as names and values, read as a notebook's parameters are.

    Raises:
        SpecError: a setting has no name or no value, or a name comes twice.
    """
    from lifroles.parameters import parse_value

    parsed: dict[str, object] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals and value):
            raise SpecError(f"{option} is {setting!r}: give NAME=VALUE, such as T=100.")
        if name in parsed:
            raise SpecError(f"{option} gives {name} twice: give it once.")
        parsed[name] = parse_value(value)
    return parsed


def train(
    benchmark: Annotated[str, typer.Argument(help="A benchmark; `lifroles benchmarks` lists them.")],
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", "-v", help="A variant's name; repeat for several; 'all' for every one."),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", "-s", help="Such as 0,1 or 0-4.")] = "0",
    source: Annotated[str | None, typer.Option(help="The data, for example official; the benchmark's default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, where not the protocol's own.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a protocol field; repeat for several."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of this process.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    store: Annotated[Path | None, typer.Option(help="Folder of runs (default: LIFROLES_RUNS, else runs/).")] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Train also what only the archive holds, which has no weights.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train variants of a benchmark; what the store already holds is not trained again.

    A run that was interrupted goes on after its last whole epoch. Of several processes that are asked for the same run
    one trains it, and the others wait.
    """
    import torch

    from lifroles import paths
    from lifroles.spec import RunSpec
    from lifroles.store import Store

    changes = parse_settings(settings or [], "--set")
    if epochs is not None:
        changes["epochs"] = epochs
    names = list(variant or ["baseline"])
    if names == ["all"]:
        names = list(PAPER_VARIANTS)
    # All specs are made before the first run starts: a mistake in the last one shows at once.
    specs = [RunSpec.of(benchmark, name, seed, source, **changes) for seed in parse_seeds(seeds) for name in names]
    torch.set_num_threads(threads)
    place = Store(store or paths.runs_dir(), paths.results_dir())
    failed = False
    for spec in specs:
        start = time.monotonic()
        record, trained = _train_one(spec, place, device, weights, quiet)
        failed |= record.status != "completed"
        took = f"{time.monotonic() - start:.0f} s" if trained else "in store"
        out.print(f"{spec.path}  {outcome(record)}  ({took})", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _train_one(spec: RunSpec, store: Store, device: str, weights: bool, quiet: bool) -> tuple[Record, bool]:
    """Return a run's record, and whether it was trained here and now."""
    from lifroles import training

    before = store.get(spec, weights=weights)
    waited = False

    def waiting() -> None:
        nonlocal waited
        waited = True
        err.print(f"{spec.path} is being trained by another process: waiting.", highlight=False, soft_wrap=True)

    total = int(getattr(spec.protocol, "epochs", 1))
    steps = 0
    with _reporting(spec.path, total, quiet or before is not None) as report:

        def tick(epoch: int, total: int, metrics: dict[str, float]) -> None:
            nonlocal steps
            steps += 1
            report(epoch, metrics)

        record = training.run(spec, store, progress=tick, device=device, weights=weights, waiting=waiting)
    return record, steps > 0 or (before is None and not waited)


@contextmanager
def _reporting(name: str, total: int, quiet: bool) -> Generator[Callable[[int, dict[str, float]], None]]:
    """Yield what is called after an epoch: it moves a bar on a terminal, and prints a line now and then elsewhere."""
    if quiet:
        yield lambda epoch, metrics: None
        return
    if not err.is_terminal:
        yield _lines(name, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda epoch, metrics: bar.update(task, completed=epoch, description=f"{name}  {_metrics(metrics)}")


def _lines(name: str, total: int) -> Callable[[int, dict[str, float]], None]:
    start = last = time.monotonic()
    first: int | None = None

    def report(epoch: int, metrics: dict[str, float]) -> None:
        nonlocal last, first
        first = epoch - 1 if first is None else first
        now = time.monotonic()
        if now - last < _REPORT_SECONDS:
            return
        last = now
        left = (now - start) / (epoch - first) * (total - epoch)
        text = f"{name}  epoch {epoch} of {total}  {_metrics(metrics)}  {left / 60:.0f} min left"
        err.print(text, highlight=False, soft_wrap=True)

    return report


def _metrics(metrics: dict[str, float]) -> str:
    text = (
        f"loss {metrics['train_loss']:.4f}  train {metrics['train_accuracy']:.2%}  test {metrics['test_accuracy']:.2%}"
    )
    return text + (f"  rate {metrics['spike_rate']:.3f}" if "spike_rate" in metrics else "")


def outcome(record: Record) -> str:
    """Return in a few words how a run ended."""
    if record.status != "completed":
        return f"{record.status}: {record.reason}"
    final = record.final
    return (
        f"last {final['last_accuracy']:.2%}, best {final['best_accuracy']:.2%} "
        f"at epoch {final['best_epoch']} of {record.epochs}"
    )
