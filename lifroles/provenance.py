"""Where a number comes from: code, versions, processor and time. Never the host's name or a path."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lifroles import __version__
from lifroles.paths import project_root

PACKAGES = ("torch", "spikingjelly", "numpy")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=project_root(), capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Return the processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def code() -> tuple[str | None, bool | None]:
    """Return the commit, and whether the package has changed since; ``None`` where git does not tell."""
    # Records are written into the checkout while other runs go on: only the code decides a number.
    dirty = _git("status", "--porcelain", "--", "lifroles")
    return _git("rev-parse", "HEAD"), None if dirty is None else bool(dirty)


def describe(*, threads: int, device: str, backend: str) -> dict[str, Any]:
    """Return what is known before a run starts: code, versions, machine and start time."""
    commit, dirty = code()
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": {
            "python": platform.python_version(),
            "lifroles": __version__,
            **{p: _version(p) for p in PACKAGES},
        },
        "processor": processor(),
        "platform": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        "device": device,
        "backend": backend,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def resumed(first: dict[str, Any], now: dict[str, Any], epoch: int) -> dict[str, Any]:
    """Return the provenance of a run that was begun as ``first`` says and goes on after ``epoch`` as ``now`` says.

    Each continuation is an entry of ``resumed`` with what is not as it was at the beginning.
    """
    entry = {"after_epoch": epoch, **{key: value for key, value in now.items() if value != first.get(key)}}
    return {**first, "resumed": [*first.get("resumed", []), entry]}
