"""Where a run stands after an epoch, on disk: tensors as safetensors, the rest as JSON, never a pickle.

A checkpoint is a folder (:mod:`lifroles.folders`) named by its epoch, so it is whole or it is not there. The one before
is removed only after the next is in its place: whenever a run is killed, a good one is left.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn, optim

from lifroles import folders
from lifroles.errors import StoreError

FORMAT = 1
"""Raised whenever what a trainer keeps changes its meaning; a checkpoint of another format is not resumed."""

TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stood: epochs done, tensors by name, and the rest as plain data."""

    epoch: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one run, in a folder of their own; one process at a time uses them.

    Arguments:
        folder: where they are kept; made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _place(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:06d}"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove those before it.

        Raises:
            StoreError: nothing can be written (read-only, full); the last one is still there.
        """
        place = self._place(checkpoint.epoch)
        contents = {
            TENSORS: safetensors.torch.save(dict(checkpoint.tensors)),
            STATE: folders.dump({"format": FORMAT, **checkpoint.state}),
        }
        try:
            folders.write(place, contents)
        except OSError as error:
            raise StoreError(
                f"The checkpoint cannot be written to {place} ({error.strerror}): free or unlock the folder and run it "
                "again; it goes on from the epoch before."
            ) from error
        for other in self._found():
            if other != place:
                shutil.rmtree(other, ignore_errors=True)
        folders.clear_partial(place)

    def load(self) -> Checkpoint | None:
        """Return the newest whole checkpoint of this format, or ``None``: then the run starts from the beginning."""
        for place in self._found():
            try:
                contents = folders.read(place, (TENSORS, STATE))
                state = json.loads(contents[STATE])
                if state.pop("format") == FORMAT:
                    epoch = int(place.name.removeprefix("epoch-"))
                    return Checkpoint(epoch, safetensors.torch.load(contents[TENSORS]), state)
            except (OSError, ValueError, KeyError, StoreError, safetensors.SafetensorError):
                continue
        return None

    def clear(self) -> None:
        """Remove all of them; what is left where that fails does no harm."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _found(self) -> Iterator[Path]:
        """Yield the checkpoints' folders, the newest first."""
        yield from sorted(self.folder.glob("epoch-[0-9]*"), reverse=True)


def pack(network: nn.Module, optimiser: optim.Optimizer, scheduler: optim.lr_scheduler.LRScheduler) -> tuple[
    dict[str, Tensor], dict[str, Any]
]:  # fmt: skip
    """Return what a network, its optimiser and its scheduler hold, as tensors by name and as plain data."""
    tensors = {f"network.{name}": value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    known = optimiser.state_dict()
    plain: dict[str, dict[str, Any]] = {}
    for i, entry in known["state"].items():
        for name, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{i}.{name}"] = value.detach().cpu().contiguous()
            else:
                plain.setdefault(str(i), {})[name] = value
    state = {
        "optimiser": {"param_groups": known["param_groups"], "plain": plain},
        "scheduler": scheduler.state_dict(),
    }
    return tensors, state


def unpack(
    checkpoint: Checkpoint,
    network: nn.Module,
    optimiser: optim.Optimizer,
    scheduler: optim.lr_scheduler.LRScheduler,
) -> None:
    """Give a network, its optimiser and its scheduler what :func:`pack` returned.

    Raises:
        KeyError, RuntimeError, ValueError: the checkpoint is another network's.
    """
    tensors = checkpoint.tensors
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    entries: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in checkpoint.state["optimiser"]["plain"].items()}
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "optimiser":
            i, _, name = rest.partition(".")
            entries.setdefault(int(i), {})[name] = value
    optimiser.load_state_dict({"state": entries, "param_groups": checkpoint.state["optimiser"]["param_groups"]})
    scheduler.load_state_dict(dict(checkpoint.state["scheduler"]))
