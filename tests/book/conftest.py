"""The tiny book, built once, and copies of it to plant faults in."""

import os
import shutil
from pathlib import Path

import pytest
from tiny import write_tiny_book
from tiny_schemas import SCHEMAS

from lifroles import book
from lifroles.paths import project_root


@pytest.fixture(scope="session", autouse=True)
def _kernels_find_lifroles() -> None:
    """Let kernels and commands that start in a temporary folder import this checkout."""
    paths = [str(project_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


@pytest.fixture(scope="session")
def tiny_built(tmp_path_factory: pytest.TempPathFactory, _kernels_find_lifroles: None) -> Path:
    """The tiny book, executed and built; never to be changed."""
    root = tmp_path_factory.mktemp("tiny") / "root"
    write_tiny_book(root)
    assert book.build(root=root, schemas=SCHEMAS, quiet=True) == root / "_build" / "html" / "index.html"
    return root


@pytest.fixture
def tiny_sources(tmp_path: Path) -> Path:
    """The sources of the tiny book, neither executed nor built."""
    root = tmp_path / "root"
    write_tiny_book(root)
    return root


@pytest.fixture
def tiny_executed(tiny_built: Path, tmp_path: Path) -> Path:
    """A copy of the tiny book with executed notebooks and without built pages."""
    root = tmp_path / "root"
    shutil.copytree(tiny_built, root, ignore=shutil.ignore_patterns("_build"))
    return root


@pytest.fixture
def tiny_book(tiny_built: Path, tmp_path: Path) -> Path:
    """A copy of the tiny book with everything: executed and built."""
    root = tmp_path / "root"
    shutil.copytree(tiny_built, root)
    return root
