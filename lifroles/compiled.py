"""How loops are compiled and shared out: Numba without Python's lock, on threads of our own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import torch

_pools: dict[int, ThreadPoolExecutor] = {}
# A child made by fork has none of its parent's threads.
os.register_at_fork(after_in_child=_pools.clear)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled when first called, for each type of arguments; kept on disk where that is possible.

    It runs without Python's lock. Loops are neither parallel (Numba's own threads would compete with torch's) nor
    allowed to change the order of operations.
    """
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither beside the source nor in the user's cache folder can anything be written
        return numba.njit(nogil=True, error_model="numpy")(function)


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

    def drain() -> None:
        for task in left:  # one thread at a time holds Python's lock here, so each task goes to one thread only
            work(*task)

    pool = _pools.get(threads)
    if pool is None:
        pool = _pools[threads] = ThreadPoolExecutor(threads - 1, thread_name_prefix="lifroles")
    others = [pool.submit(drain) for _ in range(threads - 1)]
    try:
        drain()
    finally:
        for other in others:
            other.result()
