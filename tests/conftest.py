"""What any test may need from outside the repository, and what happens where it is absent.

A test that needs something absent skips and says what is missing. Under continuous integration (`CI=true`) it fails
instead, because a suite that silently skips its main checks is green for the wrong reason. A runner that is known to
lack something says so by name, in `LIFROLES_CI_LACKS`, a comma-separated list of `browser`, `data`, `gpu` and `slurm`:
a GPU, above all, which few runners have.
"""

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from lifroles.pdf import BROWSERS

# A figure that is tested is never shown.
os.environ.setdefault("MPLBACKEND", "agg")

UNDER_CI = os.environ.get("CI", "").lower() in {"1", "true"}

# Examples are not timed, since the machine is shared; under CI they are the same in every run.
settings.register_profile("lifroles", deadline=None, derandomize=UNDER_CI)
settings.load_profile("lifroles")

_MARKERS = {"chromium": "browser", "gpu": "gpu"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a test that uses a browser or a GPU, so that `-m "not browser"` finds it without a second declaration."""
    for item in items:
        for fixture, marker in _MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


def _need(condition: object, reason: str, kind: str = "") -> None:
    if condition:
        return
    lacks = {name.strip() for name in os.environ.get("LIFROLES_CI_LACKS", "").split(",")}
    if UNDER_CI and kind not in lacks - {""}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def prepared_data(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what tests prepare out of the user's own cache folder."""
    os.environ["LIFROLES_CACHE"] = str(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="session")
def require() -> Callable[[object, str], None]:
    """`require(condition, reason)`: skip with the reason unless the condition holds; fail under CI."""
    return _need


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of an installed Chromium or Chrome, for Playwright's `executable_path`."""
    path = next((found for found in map(shutil.which, BROWSERS) if found), None)
    _need(path, "no Chromium or Chrome is installed (tools/install-browser.sh installs one on Debian)", "browser")
    assert path is not None
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real data sets, in their publishers' layout (`LIFROLES_DATA`)."""
    folder = os.environ.get("LIFROLES_DATA", "")
    _need(folder, "LIFROLES_DATA does not name a folder with the real data sets", "data")
    if not Path(folder).is_dir():
        pytest.fail(f"LIFROLES_DATA names {folder}, which is not a folder", pytrace=False)
    return Path(folder)


@pytest.fixture(scope="session")
def gpu() -> None:
    """Skip where there is no CUDA device that both torch and CuPy can use."""
    import torch

    _need(torch.cuda.is_available(), "torch finds no CUDA device", "gpu")
    pytest.importorskip("cupy", reason="CuPy is not installed: pip install -c requirements.lock -e '.[cuda]'")


KERNELS = ("reference", "cpu", "cuda-source")
"""The backends that every test of the neuron's equations runs on; the last is `kernels.cu` on the processor."""


@pytest.fixture(scope="session", params=KERNELS)
def kernels(request: pytest.FixtureRequest, require: Callable[[object, str], None]) -> Any:
    """Return a backend, each of `KERNELS` in turn: an object with `run`, `step` and `integrate`."""
    if request.param == "cuda-source":
        # Threads take turns in an order that is drawn, so that one that should wait and does not shows.
        return importlib.import_module("cuda_shim").backend(require, seed=1)
    return importlib.import_module(f"lifroles.backends.{request.param}")
