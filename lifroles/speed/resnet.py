"""What ``python -m benchmarks.resnet`` has measured: a spiking ResNet-18, ours and SpikingJelly's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lifroles import records
from lifroles.paths import results_dir

COMMAND = "python -m benchmarks.resnet"
"""Makes the record again; ``--only`` makes a part of it."""


def path() -> Path:
    """Return where the record lies."""
    return results_dir() / "speed" / "resnet.json"


def read() -> dict[str, Any]:
    """Return the record.

    Raises:
        StoreError: it is not there, or damaged.
    """
    return records.read(path(), COMMAND)
