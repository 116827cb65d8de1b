"""The CUDA source on the processor: `backend()` is the cuda backend, with its kernels compiled by a C++ compiler.

It reads CPU tensors and runs the very `kernels.cu` that a GPU runs, each thread of a block a fiber (`cuda_shim.h`), in
float32 and float64, for every variant, through the same autograd function and the same preparation of arguments. It is
an object with `run`, `step` and `integrate`, as every backend is:

    found = cuda_shim.backend(require).run(x_seq, u, o, k_tau=0.3, reset="hard", u_th=0.3, fire=Rect())

It is slow: a context switch for every thread at every barrier. Keep `B·N` below some thousands.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lifroles.backends import cuda
from lifroles.backends._cupy import Argument

OPTIONS = [cuda.Options(*pair) for pair in product(("float", "double"), ("NONE", "HARD", "SOFT", "SILENT"))]
"""Every way in which the source is compiled."""

HEADER = Path(__file__).with_suffix(".h")
FLAGS = ["-std=c++20", "-Og", "-shared", "-fPIC", "-ffp-contract=off", "-w"]
# A place outside of an array that a kernel declares ends the process.
FLAGS += ["-fsanitize=bounds", "-fsanitize-undefined-trap-on-error"]

# Kernels that show that the shim tells a wrong use of a barrier from a right one.
SELF_TEST = """
namespace shim_test {
KERNEL void barrier(long long stop) { if (threadIdx.x < stop) __syncthreads(); }
KERNEL void race(long long wait, long long* out) {
    __shared__ long long cell[64];
    cell[threadIdx.x] = threadIdx.x;
    if (wait) __syncthreads();
    out[threadIdx.x] = cell[63 - threadIdx.x];
    if (wait) __syncthreads();
    cell[threadIdx.x] = -1;
}
KERNEL void vote(unsigned long long* out) { out[threadIdx.x] = __ballot_sync(~0u, threadIdx.x % 3 == 0); }
}
"""


def compiler() -> str | None:
    """Return the C++ compiler: `CXX`, else g++ or clang++, else `None`."""
    return os.environ.get("CXX") or next(filter(None, map(shutil.which, ("g++", "clang++"))), None)


def wrapped(options: cuda.Options) -> str:
    """Return code that includes the source once, in a namespace of its own."""
    return (
        f"#define REAL {options.real}\n#define RESET {options.reset}\n"
        f'namespace {options.real}_{options.reset} {{\n#include "{cuda.SOURCE}"\n}}\n'
        "#undef REAL\n#undef RESET\n"
    )


def _symbol(options: cuda.Options, kernel: str) -> str:
    return f"{options.real}_{options.reset}_{kernel}"


def _entry(symbol: str, kernel: str) -> str:
    return (
        f'extern "C" int {symbol}(unsigned blocks, unsigned threads, void** arguments, const int* sizes, '
        f"unsigned count, unsigned seed) {{\n"
        f"    return shim::launch({kernel}, blocks, threads, arguments, sizes, count, seed);\n}}\n"
    )


def _code() -> str:
    entries = [
        _entry(_symbol(options, kernel), f"{options.real}_{options.reset}::{kernel}")
        for options, kernel in product(OPTIONS, cuda.KERNELS)
        if options.reset != "SILENT" or not kernel.endswith("_recurrent")
    ]
    entries += [_entry(f"shim_test_{name}", f"shim_test::{name}") for name in ("barrier", "race", "vote")]
    return f'#include "{HEADER}"\n' + "".join(map(wrapped, OPTIONS)) + SELF_TEST + "".join(entries)


@lru_cache
def library() -> ctypes.PyDLL:
    """Return the compiled kernels, from the temporary folder where they lie if nothing changed since.

    Raises:
        RuntimeError: there is no C++ compiler, or it rejects the source.
    """
    cxx = compiler()
    if cxx is None:
        raise RuntimeError("no C++ compiler is installed: install g++.")
    code = _code()
    parts = [code, cuda.SOURCE.read_text(), HEADER.read_text(), cxx, *FLAGS]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"lifroles-cuda-shim-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        folder = Path(tempfile.mkdtemp())
    target = folder / f"{digest}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            source, made = Path(work) / "kernels.cpp", Path(work) / "kernels.so"
            source.write_text(code)
            done = subprocess.run([cxx, *FLAGS, "-o", made, source], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{cxx} rejects the CUDA source:\n{done.stderr}")
            made.replace(target)
    # PyDLL, because it holds the interpreter's lock: the shim runs one block at a time, for one caller at a time.
    return ctypes.PyDLL(str(target))


class Launch:
    """Launches by calling the compiled kernels, and keeps a list of what it launched.

    Arguments:
        seed: draws the order in which a block's threads take turns; 0: one after the other.
    """

    device = "cpu"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.launched: list[tuple[str, cuda.Options, tuple[Argument, ...]]] = []

    def __call__(
        self,
        kernel: str,
        options: cuda.Options,
        blocks: int,
        threads: int,
        arguments: tuple[Argument, ...],
        device: torch.device,
    ) -> None:
        self.launched.append((kernel, options, arguments))
        self.call(_symbol(options, kernel), blocks, threads, arguments)

    def call(self, symbol: str, blocks: int, threads: int, arguments: tuple[Argument, ...]) -> None:
        """Run a function of the library on every thread.

        Raises:
            RuntimeError: the arguments are not the kernel's, or its threads wait for each other for ever.
        """
        values = [_c_value(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        sizes = (ctypes.c_int * len(values))(*(ctypes.sizeof(value) for value in values))
        outcome = getattr(library(), symbol)(blocks, threads, pointers, sizes, len(values), self.seed)
        if outcome:
            reasons = [
                "",
                "wrong number of arguments",
                "an argument of the wrong size",
                "not all threads reach a barrier",
            ]
            raise RuntimeError(f"{symbol}: {reasons[outcome]}.")


def _c_value(argument: Argument) -> Any:
    # As CuPy does: a Python integer is 64 bits wide, a NumPy number what it is.
    if isinstance(argument, int):
        return ctypes.c_longlong(argument)
    return np.ctypeslib.as_ctypes(np.asarray(argument))


def backend(require: Callable[[object, str], None] | None = None, seed: int = 0) -> cuda.Backend:
    """Return the cuda backend for CPU tensors; its `_launch` is a :class:`Launch`.

    Arguments:
        require: the fixture of that name, which skips (fails under CI) where there is no C++ compiler.
        seed: see :class:`Launch`.

    Raises:
        RuntimeError: there is no C++ compiler, or it rejects the source.
    """
    if require is not None:
        require(compiler(), "no C++ compiler is installed: install g++")
    library()
    return cuda.Backend(Launch(seed))


def exact(case: Any) -> Any:
    """Return a layer (`layers.Case`) of multiples of 1/1024 with leaks of 0 and 1.

    Its sums have the same bits in any order, so that no potential near the threshold decides otherwise in another one.
    """
    rounded = {name: (leaf * 1024).round() / 1024 for name, leaf in case.leaves.items()}
    if "k_tau" in rounded:
        rounded["k_tau"] = rounded["k_tau"].round()
    return replace(case, u_th=0.3125, **rounded)
