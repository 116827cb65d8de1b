"""One process at a time: a lock on a file, which its process gives back even where it is killed.

The lock is the kernel's (``flock``). On one machine that is all there is to it. Between the nodes of a cluster it holds
on file systems that pass such locks on: NFS 4, NFS 3 with its lock daemon, Lustre mounted with ``flock``, GPFS, CephFS
and BeeGFS where its administrator has switched them on. A node that fails loses its locks when the file server notices,
on NFS after the lease time, usually a minute or two. Where locks stay within a node (Lustre with ``localflock``), two
nodes may do the same work twice; what they write is whole all the same.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from lifroles.errors import StoreError


@contextmanager
def only_one(place: Path, waiting: Callable[[], None] = lambda: None) -> Generator[None]:
    """Hold the lock of this file; it is removed at the end, unless an exception leaves the work undone.

    Whoever waited for it has to look whether the work is done, because the one before may have finished it.

    Arguments:
        place: the file; it is made, with its folder, where it is not there.
        waiting: called once if another process has it.

    Raises:
        StoreError: it cannot be made, or its file system has no locks.
    """
    handle = -1
    try:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(
                f"{place} cannot be locked ({error.strerror}): free or unlock its folder, or set LIFROLES_RUNS to one "
                "on a file system with locks."
            ) from error
        yield
        place.unlink(missing_ok=True)
    finally:
        if handle >= 0:
            os.close(handle)


def is_held(place: Path) -> bool:
    """Tell whether another process has the lock of this file now."""
    try:
        handle = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
