"""Execute notebooks with papermill, side by side where there are processors, so that their copies may be published."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from lifroles.gate.base import Layout, Problem, PublicationError, notebook_inputs
from lifroles.gate.executed import BANNER, RECORD, check_copy
from lifroles.gate.notebooks import code_cells, read_notebook
from lifroles.parameters import SCHEMAS, NotebookParameters, Schemas
from lifroles.pool import cores, end_with_parent

BANNERS = {
    "smoke": "These pages were made with the profile `smoke`: everything was trained at toy scale. "
    "The numbers say that the code runs, and nothing about the paper.",
    "paper": "These pages were made with the profile `paper`: everything was trained in place with the full "
    "protocol, and nothing comes from the archived runs.",
}
"""What every page says when it was not made from the archive."""

_START_TIMEOUT = 180  # seconds; a cold disk and two busy cores take most of a minute
_AT_ONCE = 4  # notebooks; each keeps a kernel with torch and its figures in memory
_POLL_SECONDS = 0.1
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def given_parameters(parameters: NotebookParameters) -> dict[str, Any]:
    """Return the parameters that differ from their defaults, as plain data: what papermill is to inject."""
    defaults = parameters.defaults()
    return {name: value for name, value in parameters.as_data().items() if value != defaults[name]}


def is_fresh(layout: Layout, notebook: str, parameters: NotebookParameters, shared: str) -> bool:
    """Tell whether the executed copy on disk was made from these inputs, with these parameters."""
    try:
        copy = read_notebook(layout.copy(notebook).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    source = layout.source(notebook).read_bytes()
    inputs = notebook_inputs(source, given_parameters(parameters), shared)
    return copy.metadata.get(RECORD, {}).get("inputs") == inputs


@dataclass(frozen=True, slots=True)
class Step:
    """What has just happened to a notebook: it began, one of its code cells ended, or it ended.

    ``cells`` is the number of code cells of a notebook that began; ``seconds`` and ``problems`` are those of one that
    ended.
    """

    notebook: str
    what: Literal["began", "cell", "ended"]
    cells: int = 0
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()


def execute_all(
    layout: Layout,
    asked: Mapping[str, NotebookParameters],
    shared: str,
    *,
    schemas: Schemas = SCHEMAS,
    tell: Callable[[Step], None] = lambda _: None,
) -> list[Problem]:
    """Execute several notebooks, as many at once as there are processors; all of them, whichever fails.

    Where pages train and ask in place, those that read what others made come after them, so that a page does not
    depend on which was faster.

    Arguments:
        asked: the notebooks by name, each with all of its parameters.
        shared: the hash of what they depend on beside their sources (``gate.base.shared_inputs``).
        tell: called in this process with every step.

    Returns:
        Why copies must not be published; empty where all is well.
    """
    problems: list[Problem] = []

    def told(step: Step) -> None:
        problems.extend(step.problems)
        tell(step)

    late = {name: p for name, p in asked.items() if p.reads_others and p.profile != "archive"}
    first = {name: p for name, p in asked.items() if name not in late}
    with _kernel_environment():
        for these in (first, late):
            workers = min(len(these), cores(), _AT_ONCE)
            if workers < 2:
                for name, parameters in these.items():
                    _execute_and_tell(layout, name, parameters, shared, schemas, told)
            else:
                _side_by_side(workers, layout, these, shared, schemas, told)
    return problems


def _side_by_side(
    workers: int,
    layout: Layout,
    asked: Mapping[str, NotebookParameters],
    shared: str,
    schemas: Schemas,
    tell: Callable[[Step], None],
) -> None:
    # Processes, since papermill changes the working folder; new ones, since a fork would copy this one's threads.
    context = multiprocessing.get_context("spawn")
    steps: SimpleQueue[Step] = context.SimpleQueue()
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(steps,))
    ended: set[str] = set()
    try:
        jobs: dict[Future[None], str] = {
            pool.submit(_work, layout, name, parameters, shared, {name: schemas[name]}): name
            for name, parameters in asked.items()
        }
        waiting = set(jobs)
        while waiting:
            _, waiting = wait(waiting, _POLL_SECONDS)
            while not steps.empty():
                step = steps.get()
                ended |= {step.notebook} if step.what == "ended" else set()
                tell(step)
        for job, name in jobs.items():
            fault = job.exception()
            if isinstance(fault, BrokenProcessPool):
                if name not in ended:
                    what = "the process that executed it or another one was ended from outside"
                    mend = "Run 'lifroles book' again (a process that is ended is often short of memory)"
                    tell(Step(name, "ended", problems=(Problem(layout.page(layout.source(name)), what, mend),)))
            elif fault is not None:
                raise fault
        pool.shutdown()
    except BaseException:  # above all the reader's Ctrl-C: kernels end when the process that started them does
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
        raise


_steps: SimpleQueue[Step] | None = None
"""Where a process that executes notebooks tells its steps."""


def _start_worker(steps: SimpleQueue[Step]) -> None:
    global _steps
    _steps = steps
    end_with_parent(signal.SIGKILL)  # a kernel ends by itself where the process that started it is gone
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the first process decides for them


def _work(layout: Layout, notebook: str, parameters: NotebookParameters, shared: str, schemas: Schemas) -> None:
    assert _steps is not None
    _execute_and_tell(layout, notebook, parameters, shared, schemas, _steps.put)


def _execute_and_tell(
    layout: Layout,
    notebook: str,
    parameters: NotebookParameters,
    shared: str,
    schemas: Schemas,
    tell: Callable[[Step], None],
) -> None:
    cells = code_cells(read_notebook(layout.source(notebook).read_text("utf-8")))
    tell(Step(notebook, "began", cells=len(cells)))
    start = time.monotonic()
    problems: list[Problem] = []
    try:
        _execute(layout, notebook, parameters, shared, schemas=schemas, on_cell=lambda: tell(Step(notebook, "cell")))
    except PublicationError as error:  # the other notebooks may have more to say
        problems = error.problems
    tell(Step(notebook, "ended", seconds=time.monotonic() - start, problems=tuple(problems)))


def _execute(
    layout: Layout,
    notebook: str,
    parameters: NotebookParameters,
    shared: str,
    *,
    schemas: Schemas = SCHEMAS,
    on_cell: Callable[[], None] = lambda: None,
) -> Path:
    """Execute a notebook, check the result, and move it into place.

    A failure or an interruption leaves the copy of the last time as it was.

    Arguments:
        notebook: its name, as in ``schemas``.
        parameters: all of its parameters, validated.
        shared: the hash of what it depends on beside its source (``gate.base.shared_inputs``).
        on_cell: called after every code cell.

    Returns:
        The path of the executed copy.

    Raises:
        PublicationError: the notebook failed, or its result must not be published. The traceback, if
            there is one, is in ``_build/logs``.
    """
    source = layout.source(notebook).read_bytes()
    given = given_parameters(parameters)
    copy = _run(layout, notebook, read_notebook(source.decode("utf-8")), given, on_cell)
    # papermill writes absolute paths here, which would be published with the page.
    copy.metadata.papermill.update(
        input_path=layout.page(layout.source(notebook)), output_path=layout.page(layout.copy(notebook))
    )
    copy.metadata[RECORD] = {
        "profile": parameters.profile,
        "given": given,
        "parameters": parameters.as_data(),
        "inputs": notebook_inputs(source, given, shared),
    }
    if parameters.profile in BANNERS:
        copy.cells.insert(1, _banner(parameters.profile))
    problems = check_copy(layout.page(layout.source(notebook)), notebook, copy, source, schemas)
    if problems:
        raise PublicationError(problems)

    layout.executed.mkdir(parents=True, exist_ok=True)
    layout.build.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=layout.build, suffix=".ipynb", delete=False) as file:
        temporary = Path(file.name)
        try:
            nbformat.write(copy, file)
            file.close()
            os.replace(temporary, layout.copy(notebook))
        finally:
            temporary.unlink(missing_ok=True)
    return layout.copy(notebook)


def _run(
    layout: Layout, notebook: str, source: NotebookNode, given: dict[str, Any], on_cell: Callable[[], None]
) -> NotebookNode:
    """Let papermill execute a notebook in memory; it would otherwise write its output while it runs."""
    import papermill  # takes a second, and every command would pay for it
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    page = layout.page(layout.source(notebook))
    try:
        return papermill.execute_notebook(
            source,
            None,
            parameters=given,
            kernel_name="python3",
            progress_bar=False,
            start_timeout=_START_TIMEOUT,
            cwd=str(layout.root),
            # Keys for the connection where the kernel can use them; without, it warns on every start.
            config=Config(
                {
                    "KernelManager": {"transport_encryption": "auto"},
                    # It is interrupted when it is to end, and would say so on the terminal.
                    "NotebookClient": {"extra_arguments": ["--IPKernelApp.log_level=CRITICAL"]},
                }
            ),
            on_cell_executed=lambda **_: on_cell(),
        )
    except PapermillExecutionError as error:
        log = layout.build / "logs" / f"{notebook}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(_ANSI.sub("", "\n".join(error.traceback)) + "\n", "utf-8")
        reason = f"{error.ename}: {_ANSI.sub('', error.evalue).strip().splitlines()[0] if error.evalue else ''}"
        what = f"In [{error.exec_count}] ended with {reason}".removesuffix(": ").removesuffix(".")
        raise PublicationError([Problem(page, what, f"See {layout.page(log)}")]) from None
    except (DeadKernelError, CellTimeoutError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")
        mend = "Run it in Jupyter to see why (a kernel that dies is often short of memory)"
        raise PublicationError([Problem(page, f"its kernel did not answer: {reason}", mend)]) from None


@contextmanager
def _kernel_environment() -> Generator[None]:
    """Give the kernel an environment in which a notebook does the same for everybody.

    Papermill passes its own environment on, so it is changed here and put back.
    """
    with tempfile.TemporaryDirectory() as ipython:
        settings: dict[str, str | None] = {
            "OMP_NUM_THREADS": "1",  # threads that spin are slower than one where the cores are busy
            "MKL_NUM_THREADS": "1",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "IPYTHONDIR": ipython,  # a person's own start-up files would add names and settings
            "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel 'python3' of this environment, not one in the home
            # The gate has to see every warning but this one: SpikingJelly imports tqdm, which would like to
            # draw its bars with widgets; a page with widgets would need a network.
            "PYTHONWARNINGS": "ignore:IProgress not found",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger writes to stderr
        }
        before = {name: os.environ.get(name) for name in settings}
        try:
            _set_environment(settings)
            yield
        finally:
            _set_environment(before)


def _set_environment(settings: dict[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _banner(profile: str) -> NotebookNode:
    """Return the cell that says which profile made the page."""
    kind = "warning" if profile == "smoke" else "note"
    text = f":::{{admonition}} Profile `{profile}`\n:class: {kind}\n{BANNERS[profile]}\n:::"
    cell = new_markdown_cell(text)
    cell.metadata["tags"] = [BANNER]
    return cell
