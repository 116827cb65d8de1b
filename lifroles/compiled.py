"""How loops are compiled and shared out: Numba without Python's lock, on torch's threads."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import torch

_pools: dict[int, ThreadPoolExecutor] = {}
_WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _torchs_parallel() -> Callable[..., None] | None:
    """Return ``GOMP_parallel`` of the OpenMP that torch is linked to; ``None``: there is none.

    Threads of OpenMP keep their core busy for some milliseconds after their work, in case there is more. Others would
    have to share the cores with them after every operation of torch's.
    """
    try:
        library = ctypes.CDLL(str(next(Path(torch.__file__).parent.glob("lib/libtorch_cpu.*"))))
        function = library.GOMP_parallel
    except (StopIteration, OSError, AttributeError):
        return None
    function.argtypes = [_WORK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    function.restype = None
    return function


class _Threads:
    """The threads that work is shared out to: torch's own if they can be had, else a pool."""

    parallel: Callable[..., None] | None = _torchs_parallel()

    @classmethod
    def after_fork(cls) -> None:
        """Forget the threads: a child made by fork has none of its parent's, and OpenMP waits for them for ever."""
        cls.parallel = None
        _pools.clear()


os.register_at_fork(after_in_child=_Threads.after_fork)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled when first called, for each type of arguments; kept on disk where that is possible.

    It runs without Python's lock. Loops are neither parallel (Numba's own threads would compete with torch's) nor
    allowed to change the order of operations.
    """
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither beside the source nor in the user's cache folder can anything be written
        return numba.njit(nogil=True, error_model="numpy")(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled into each that calls it; it must neither make nor return arrays.

    References to its arrays are not counted. Counting is atomic: for a row of thirty events it took as long as their
    sum, and longer where two threads count references to the same array.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True, "_nrt": False}
    return numba.njit(**options)(function)


def share(work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> None:
    """Call ``work(*task)`` for every task, on as many threads as torch uses.

    No task may depend on another. They are taken up in order by whichever thread is free, the caller's among them.
    """
    threads = min(torch.get_num_threads(), len(tasks))
    if threads <= 1:
        for task in tasks:
            work(*task)
        return
    left = iter(tasks)
    failures: list[BaseException] = []

    def drain(_: Any = None) -> None:
        try:
            for task in left:  # one thread at a time holds Python's lock here, so each task goes to one thread only
                work(*task)
        except BaseException as failure:
            failures.append(failure)

    if _Threads.parallel is not None:
        _Threads.parallel(_WORK(drain), None, threads, 0)
    else:
        pool = _pools.get(threads)
        if pool is None:
            pool = _pools[threads] = ThreadPoolExecutor(threads - 1, thread_name_prefix="lifroles")
        others = [pool.submit(drain) for _ in range(threads - 1)]
        drain()
        for other in others:
            other.result()
    if failures:
        raise failures[0]
