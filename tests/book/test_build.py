"""The build: only what changed, all or nothing, and no fault gets through it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell
from tiny import TOC, edit, tiny_notebook, write_tiny_book
from tiny_schemas import FAULTY, SCHEMAS

from lifroles import __version__, book
from lifroles.errors import BookError, ParameterError
from lifroles.gate import PublicationError
from lifroles.pool import cores


def _snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_the_book_is_whole(tiny_built: Path) -> None:
    html = tiny_built / "_build" / "html"
    for page in ("book/index", "book/notebooks/alpha", "book/notebooks/beta", "book/notes"):
        assert (html / f"{page}.html").is_file()
    assert book.check(tiny_built, SCHEMAS) == []
    assert {path.name for path in (tiny_built / "_build").iterdir()} == {"html", "lock", "logs"}


def test_the_parameters_are_a_table_and_the_equation_is_numbered(tiny_built: Path) -> None:
    page = BeautifulSoup((tiny_built / "_build/html/book/notebooks/beta.html").read_text(), "html.parser")
    cells = [[cell.get_text() for cell in row.select("td")] for row in page.select("table tr")]
    assert ["T", "5", "a whole number from 1 to 100", "time steps"] in cells
    number = page.select_one(".math .eqno")
    assert number is not None
    assert number.get_text(strip=True).startswith("(2)")  # equations are numbered through the book


def test_the_buttons_of_a_page_open_its_source_and_its_foot_has_the_version(tiny_built: Path) -> None:
    page = BeautifulSoup((tiny_built / "_build/html/book/notebooks/beta.html").read_text(), "html.parser")
    links = {str(link["href"]) for link in page.select(".bd-header-article a[href]")}
    assert {link for link in links if link.endswith(".ipynb") and "://" in link} == {
        "https://mybinder.org/v2/gh/lifroles/lifroles/main?urlpath=lab/tree/notebooks/beta.ipynb",
        "https://colab.research.google.com/github/lifroles/lifroles/blob/main/notebooks/beta.ipynb",
    }
    foot = page.select_one("footer.bd-footer-content, .bd-footer-content")
    assert foot is not None and f"lifroles {__version__}" in foot.get_text()


def test_no_path_of_this_machine_is_published(tiny_built: Path) -> None:
    published = [*(tiny_built / "book/notebooks").iterdir(), *(tiny_built / "_build/html").rglob("*")]
    for path in published:
        if path.is_file():
            assert str(tiny_built).encode() not in path.read_bytes(), path


def test_the_copy_records_what_made_it(tiny_built: Path) -> None:
    copy = nbformat.read(tiny_built / "book/notebooks/alpha.ipynb", as_version=4)
    record = copy.metadata.lifroles
    assert record.profile == "archive"
    assert record.given == {}
    assert record.parameters == {"profile": "archive", "seeds": [0, 1], "epochs": None}


def test_a_second_build_does_nothing(tiny_book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _snapshot(tiny_book)
    page = book.build(root=tiny_book, schemas=SCHEMAS)
    assert page == tiny_book / "_build/html/index.html"
    assert capsys.readouterr().out.splitlines() == ["alpha: unchanged", "beta: unchanged", "pages: unchanged"]
    assert _snapshot(tiny_book) == before


@pytest.mark.slow
def test_only_the_changed_notebook_is_executed_again(tiny_book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(tiny_book / "notebooks/beta.ipynb", lambda nb: nb.cells[-1].update(source="print('changed')"))
    before = _snapshot(tiny_book / "book/notebooks")
    environment, folder = dict(os.environ), Path.cwd()
    book.build(root=tiny_book, schemas=SCHEMAS)
    assert (dict(os.environ), Path.cwd()) == (environment, folder), "the kernel's settings are not the caller's"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "alpha: unchanged"
    assert lines[1].startswith("beta: executed in ")
    assert lines[2].startswith("pages: built in ")
    after = _snapshot(tiny_book / "book/notebooks")
    assert after["alpha.ipynb"] == before["alpha.ipynb"]
    assert "changed" in (tiny_book / "_build/html/book/notebooks/beta.html").read_text()


@pytest.mark.slow
def test_every_page_of_a_smoke_build_says_so(tiny_executed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book.build("smoke", {"epochs": 3}, root=tiny_executed, schemas=SCHEMAS, quiet=True)
    assert capsys.readouterr().out == ""
    html = tiny_executed / "_build/html"
    pages = [*html.glob("book/**/*.html"), html / "search.html", html / "genindex.html"]
    assert len(pages) == 6
    for page in pages:
        text = BeautifulSoup(page.read_text(), "html.parser").get_text()
        assert "made with the profile smoke" in text, page
    alpha, beta = (
        nbformat.read(tiny_executed / f"book/notebooks/{name}.ipynb", as_version=4) for name in ("alpha", "beta")
    )
    assert alpha.metadata.lifroles.given == {"profile": "smoke", "epochs": 3}
    assert beta.metadata.lifroles.given == {"profile": "smoke"}
    assert book.check(tiny_executed, SCHEMAS) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"parameters": {"varient": "x"}}, "Unknown parameter 'varient' of any notebook"),
        ({"parameters": {"seeds": "three"}}, "Parameter 'seeds' of alpha is 'three'"),
        ({"parameters": {"epochs": 0}}, "Parameter 'epochs' of alpha is 0"),
        ({"parameters": {"T": 1000}}, "Parameter 'T' of beta is 1000: it accepts a whole number from 1 to 100"),
        ({"profile": "smok"}, "Parameter 'profile' of alpha is 'smok': did you mean 'smoke'?"),
        ({"parameters": {"profile": "smoke"}}, "The profile is one for the whole book"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(
    tiny_sources: Path, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        book.build(root=tiny_sources, schemas=SCHEMAS, quiet=True, **arguments)  # type: ignore[arg-type]
    assert str(caught.value).startswith(sentence)
    assert not (tiny_sources / "book/notebooks").exists()


def test_a_page_that_is_not_in_the_book_is_refused(tiny_book: Path) -> None:
    with pytest.raises(BookError, match=r"no notebook 'alpa'. The nearest known one is 'alpha'"):
        book.build(pages=["alpa"], root=tiny_book, schemas=SCHEMAS, quiet=True)


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory, _kernels_find_lifroles: None) -> tuple[Path, dict[str, str]]:
    """A book of notebooks that fail in different ways, after one build; and what it says, by page."""
    root = tmp_path_factory.mktemp("faulty") / "root"
    code = {
        "raises": ["x = 1", "raise ValueError('no spikes')", "print('never')"],
        "exits": ["import sys\nsys.exit(0)", "print('never')"],
        "warns": ["import warnings\nwarnings.warn('it is old', DeprecationWarning)"],
        "dies": ["import os\nos._exit(1)"],
        "fine": ["print(1)"],
    }
    write_tiny_book(root, {name: tiny_notebook(name, lines) for name, lines in code.items()})
    pages = "".join(f"      - file: book/notebooks/{name}\n" for name in code)
    tail = TOC[TOC.index("  - caption: Texts") :]
    (root / "_toc.yml").write_text(TOC[: TOC.index("      - file")] + pages + tail)
    with pytest.raises(PublicationError) as caught:
        book.build(root=root, schemas=FAULTY, quiet=True)
    whats: dict[str, str] = {}
    for problem in caught.value.problems:
        whats[problem.page] = f"{whats.get(problem.page, '')}{problem.what}. {problem.mend}."
    return root, whats


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "In [4] ended with ValueError: no spikes. See _build/logs/raises.log."),
        ("exits", "it stopped early, by an exit in code cell 3: 1 of 4 code cells never ran."),
        ("warns", "code cell 3 warned: DeprecationWarning: it is old."),
        ("dies", "its kernel did not answer: Kernel died."),
    ],
)
def test_a_notebook_that_fails_stops_the_build(faulty: tuple[Path, dict[str, str]], name: str, words: str) -> None:
    root, whats = faulty
    assert words in whats[f"notebooks/{name}.ipynb"]
    assert not (root / f"book/notebooks/{name}.ipynb").exists()


def test_a_failure_publishes_nothing_and_keeps_what_worked(faulty: tuple[Path, dict[str, str]]) -> None:
    root, whats = faulty
    assert "notebooks/fine.ipynb" not in whats
    assert [path.name for path in (root / "book/notebooks").iterdir()] == ["fine.ipynb"]
    assert {path.name for path in (root / "_build").iterdir()} == {"lock", "logs"}
    assert "ValueError: no spikes" in (root / "_build/logs/raises.log").read_text()


@pytest.mark.slow
def test_a_sphinx_warning_fails_every_build_and_leaves_the_book_as_it_was(tiny_book: Path) -> None:
    notes = tiny_book / "book/notes.md"
    notes.write_text(notes.read_text() + "\nSee {ref}`nowhere` and {cite:p}`nobody`.\n")
    config = tiny_book / "_config.yml"
    config.write_text(config.read_text().replace("mathjax_path:", "mathjax_pth: x\n    mathjax_path:"))
    published = _snapshot(tiny_book / "_build/html")
    for _ in range(2):  # a second build must not pass because the first one cached the page
        with pytest.raises(PublicationError) as caught:
            book.build(root=tiny_book, schemas=SCHEMAS, quiet=True)
        found = {(problem.page.split(":")[0], problem.what) for problem in caught.value.problems}
        pages = {page for page, _ in found}
        assert pages == {"book/notes.md", "_config.yml"}
        assert any("nowhere" in what for _, what in found)
        assert any("nobody" in what for _, what in found)
        assert any("mathjax_pth" in what for _, what in found)
        assert _snapshot(tiny_book / "_build/html") == published
        assert not (tiny_book / "_build/staging").exists()


@pytest.mark.slow
def test_jupyter_book_alone_builds_the_executed_book_too(tiny_executed: Path) -> None:
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    result = subprocess.run(
        [*command, "build", ".", "-W", "-n", "--keep-going"],
        cwd=tiny_executed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    # It is not taken for a book that passed the gate.
    assert [problem.what for problem in book.check(tiny_executed, SCHEMAS)] == ["it is not as 'lifroles book' built it"]


def test_a_book_that_is_older_than_its_pages_or_changed_by_hand_is_named(tiny_book: Path) -> None:
    notes = tiny_book / "book/notes.md"
    notes.write_text(notes.read_text() + "\nMore.\n")
    assert [problem.what for problem in book.check(tiny_book, SCHEMAS)] == ["it is older than what it is built from"]
    page = tiny_book / "_build/html/book/notes.html"
    page.write_text(page.read_text().replace("The end.", "The beginning."))
    assert [problem.what for problem in book.check(tiny_book, SCHEMAS)] == ["it is not as 'lifroles book' built it"]


def test_a_build_that_was_killed_between_two_moves_is_put_right(tiny_book: Path) -> None:
    html = tiny_book / "_build/html"
    before = _snapshot(html)
    html.rename(tiny_book / "_build/html.previous")
    book.build(root=tiny_book, schemas=SCHEMAS, quiet=True)
    assert _snapshot(html) == before
    assert not (tiny_book / "_build/html.previous").exists()


def test_two_builds_do_not_run_at_once(tiny_book: Path) -> None:
    with (tiny_book / "_build/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BookError, match="Another build of this book is running"):
            book.build(root=tiny_book, schemas=SCHEMAS, quiet=True)


def test_a_page_that_reads_what_others_make_comes_after_them(tiny_executed: Path) -> None:
    make = "import pathlib, time\ntime.sleep(5)\npathlib.Path('made').touch()"
    read = "import pathlib\nassert pathlib.Path('made').exists()"
    for name, source in {"alpha": make, "beta": read}.items():
        edit(
            tiny_executed / f"notebooks/{name}.ipynb", lambda nb, s=source: nb.cells.append(new_code_cell(s, id="new"))
        )
    assert book.build("smoke", root=tiny_executed, schemas=SCHEMAS, quiet=True).is_file()


_BUILD = (
    "import signal, sys\nfrom pathlib import Path\nfrom tiny_schemas import SCHEMAS\nfrom lifroles import book\n"
    # A shell's background job, and all it starts, ignores Ctrl-C: these tests may be one.
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    # Processes that work for this one import its main module again.
    "if __name__ == '__main__':\n    book.build(root=Path(sys.argv[1]), schemas=SCHEMAS, quiet=True)"
)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_notebooks_that_run_side_by_side_end_with_the_build(tiny_executed: Path, how: signal.Signals) -> None:
    slow = "import os, pathlib, time\npathlib.Path(f'started-{os.getpid()}').touch()\ntime.sleep(300)"
    names = ("alpha", "beta")
    old = [(tiny_executed / f"book/notebooks/{name}.ipynb").read_bytes() for name in names]
    for name in names:
        edit(tiny_executed / f"notebooks/{name}.ipynb", lambda nb: nb.cells.append(new_code_cell(slow, id="slow")))
    command = [sys.executable, "-c", _BUILD, str(tiny_executed)]
    with subprocess.Popen(command, cwd=tiny_executed, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 120
            wanted = min(len(names), cores())
            while len(started := list(tiny_executed.glob("started-*"))) < wanted and time.monotonic() < deadline:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.1)
            process.send_signal(how)
            process.wait(timeout=60)
        finally:
            process.kill()
    assert len(started) == wanted
    deadline = time.monotonic() + 60
    for kernel in (Path("/proc", path.name.partition("-")[2]) for path in started):
        while kernel.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not kernel.exists(), "a kernel goes on without the build"
    assert [(tiny_executed / f"book/notebooks/{name}.ipynb").read_bytes() for name in names] == old


def test_an_interruption_leaves_nothing_half_written(tiny_executed: Path) -> None:
    old = (tiny_executed / "book/notebooks/beta.ipynb").read_bytes()
    slow = "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(60)"
    edit(tiny_executed / "notebooks/beta.ipynb", lambda nb: nb.cells[-1].update(source=slow))
    command = [sys.executable, "-c", _BUILD, str(tiny_executed)]
    with subprocess.Popen(command, cwd=tiny_executed, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while not (tiny_executed / "started").exists() and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (tiny_executed / "started").exists(), errors
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert (tiny_executed / "book/notebooks/beta.ipynb").read_bytes() == old
    assert {path.name for path in (tiny_executed / "_build").iterdir()} == {"lock"}
