"""Where things lie on disk. Every folder can be moved by an environment variable."""

from __future__ import annotations

import os
from pathlib import Path


def project_root() -> Path:
    """Return the checkout that holds ``_toc.yml``: the one around this package, else the working directory."""
    beside_package = Path(__file__).resolve().parents[1]
    return beside_package if (beside_package / "_toc.yml").is_file() else Path.cwd()


def results_dir() -> Path:
    """Return the folder of archived runs, which are part of the repository and never written by training."""
    return project_root() / "results"


def runs_dir() -> Path:
    """Return the folder that training writes to: ``LIFROLES_RUNS``, else ``runs`` in the checkout."""
    override = os.environ.get("LIFROLES_RUNS")
    return Path(override).expanduser() if override else project_root() / "runs"


def data_dir() -> Path:
    """Return the folder of real data sets: ``LIFROLES_DATA``, else the user's cache folder."""
    override = os.environ.get("LIFROLES_DATA")
    if override:
        return Path(override).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "lifroles"


def cache_dir() -> Path:
    """Return the folder of what is made from data and can be made again: ``LIFROLES_CACHE``, else the user's cache.

    It is not inside :func:`data_dir`, which may be shared and read-only.
    """
    override = os.environ.get("LIFROLES_CACHE")
    if override:
        return Path(override).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "lifroles" / "prepared"
