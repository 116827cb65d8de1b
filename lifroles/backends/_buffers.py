"""Large blocks of memory, used again and again.

The system hands out fresh memory page by page and fills each page with zeros. For the tens of megabytes that a layer's
potentials take at every training step, that costs several times what the layer's arithmetic does. A block that is
no longer used by any tensor is therefore kept, and the next tensor of its size is put there.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

SMALLEST = 1 << 20
"""Bytes below which the system's own allocator is as good."""
MOST = 1 << 30
"""Bytes kept while unused; beyond that the block that has lain there longest goes back to the system."""

_free: list[np.ndarray[Any, Any]] = []
_lock = threading.RLock()  # a finaliser may run in the thread that holds it


def _give_back(block: np.ndarray[Any, Any]) -> None:
    with _lock:
        _free.append(block)
        while sum(other.nbytes for other in _free) > MOST:
            del _free[0]


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a tensor of this shape with whatever numbers lie in its memory."""
    count = 1
    for size in shape:
        count *= size
    size = count * dtype.itemsize
    if size < SMALLEST:
        return torch.empty(tuple(shape), dtype=dtype)
    with _lock:
        # The newest first: it is the likeliest to be in the processor's cache.
        found = next((i for i in range(len(_free) - 1, -1, -1) if _free[i].nbytes == size), None)
        block = None if found is None else _free.pop(found)
    if block is None:
        # NumPy, unlike torch, asks for large pages, which cost a tenth to fill. 64 more bytes, to begin at a line.
        raw = np.empty(size + 64, np.uint8)
        start = -raw.ctypes.data % 64
        block = raw[start : start + size]
    # The tensor holds `view`, and so do all others that share its memory; when none is left, the block is free.
    view = block.view()
    weakref.finalize(view, _give_back, block).atexit = False
    return torch.from_numpy(view).view(dtype).view(tuple(shape))


def clear() -> None:
    """Give every unused block back to the system."""
    with _lock:
        _free.clear()
