"""Compiles ``kernels.cu`` with NVRTC, keeps the result on disk and runs it with CuPy on torch's current stream."""

from __future__ import annotations

import hashlib
import importlib
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from lifroles.errors import LifrolesError
from lifroles.paths import cache_dir

SOURCE = Path(__file__).with_name("kernels.cu")
KERNELS = ("forward", "backward", "forward_recurrent", "backward_recurrent")
"""The kernels in it; the last two only for units that fire."""

Argument = int | np.floating[Any]
"""What a kernel takes: an address or a whole number, 64 bits wide, or a real number in the kernel's type."""


@dataclass(frozen=True)
class Options:
    """What the source is compiled for: ``real`` is float or double, ``reset`` NONE, HARD, SOFT or SILENT."""

    real: str
    reset: str

    def flags(self) -> tuple[str, ...]:
        """Return the compiler's options, as both NVRTC and nvcc spell them."""
        # With --fmad a multiplication and the addition after it are rounded once, not twice as in the reference.
        return ("--std=c++17", "--fmad=false", f"-DREAL={self.real}", f"-DRESET={self.reset}")


class Launch(Protocol):
    """A way to run a kernel."""

    @property
    def device(self) -> str:
        """The type of the device whose memory the kernels read, as torch names it."""
        ...

    def __call__(
        self,
        kernel: str,
        options: Options,
        blocks: int,
        threads: int,
        arguments: tuple[Argument, ...],
        device: torch.device,
    ) -> None:
        """Run one of :data:`KERNELS` on ``device``."""
        ...


def _load() -> Any:
    return importlib.import_module("cupy")


@cache
def lacks() -> str | None:
    """Return what is missing for CuPy to work on torch's tensors, and the mend; ``None`` if nothing is."""
    if not torch.cuda.is_available() or torch.version.cuda is None:
        return "torch finds no NVIDIA GPU: run it where there is one, with a CUDA build of torch"
    try:
        cupy = _load()
    except ImportError as error:
        if getattr(error, "name", None) == "cupy":
            return "CuPy is not installed: pip install 'lifroles[cuda]'"
        return f"CuPy does not load ({_line(error)}): install the one that fits torch's CUDA {torch.version.cuda}"
    if not cupy.cuda.is_available():
        return f"CuPy finds no GPU: install the one that fits torch's CUDA {torch.version.cuda}"
    try:
        cupy.cuda.nvrtc.getVersion()
    except (
        Exception
    ) as error:  # CuPy looks for the compiler's library only now, and each release says so in another way
        return f"CuPy does not find NVRTC ({_line(error)}): pip install nvidia-cuda-nvrtc"
    return None


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def compiled(options: Options, architecture: str) -> bytes:
    """Return the machine code (cubin) for GPUs of an architecture such as ``"90"``.

    CuPy's own compilation would do, but for one option that it always adds: ``-ftz=true``, which takes the smallest
    numbers for 0 (https://github.com/cupy/cupy/issues/9576).

    Raises:
        LifrolesError: NVRTC is too old for this GPU.
    """
    nvrtc = _load().cuda.nvrtc
    flags = (*options.flags(), f"--gpu-architecture=sm_{architecture}")
    program = nvrtc.createProgram(SOURCE.read_text(encoding="utf-8"), SOURCE.name, (), ())
    try:
        nvrtc.compileProgram(program, flags)
        return nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program).strip().split("\n")[0]
        version = ".".join(map(str, nvrtc.getVersion()))
        raise LifrolesError(
            f"NVRTC {version} does not compile the neuron's kernels for sm_{architecture} ({log or _line(error)}): "
            "install a newer one, or give backend='reference'."
        ) from error
    finally:
        nvrtc.destroyProgram(program)


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="lifroles-")


def kept(options: Options, architecture: str) -> Path:
    """Return the file with the machine code, compiled if this source never was with these options before."""
    nvrtc = _load().cuda.nvrtc
    facts = (SOURCE.read_text(encoding="utf-8"), options.flags(), architecture, nvrtc.getVersion())
    name = f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.cubin"
    path = cache_dir() / "kernels" / name
    if path.is_file():
        return path
    code = compiled(options, architecture)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _written(path, code)
    except OSError:  # the cache may not be writable: compile again in the next process
        return _written(Path(_temporary().name) / name, code)


def _written(path: Path, content: bytes) -> Path:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(content)
    return Path(file.name).replace(path)


@cache
def _function(kernel: str, options: Options, device: int) -> Any:
    """Return a kernel for one GPU."""
    return _module(options, device).get_function(kernel)


@cache
def _module(options: Options, device: int) -> Any:
    cupy = _load()
    return cupy.RawModule(path=str(kept(options, cupy.cuda.Device(device).compute_capability)))


class _Stream:
    """A torch stream in the form in which CuPy takes a foreign one."""

    def __init__(self, device: torch.device) -> None:
        self.address = torch.cuda.current_stream(device).cuda_stream

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.address


class CuPy:
    """Runs kernels on an NVIDIA GPU, on the stream that is torch's current one there."""

    device = "cuda"

    def __call__(
        self,
        kernel: str,
        options: Options,
        blocks: int,
        threads: int,
        arguments: tuple[Argument, ...],
        device: torch.device,
    ) -> None:
        """Run a kernel.

        Raises:
            LifrolesError: it cannot be compiled for this GPU.
        """
        cupy = _load()
        index = device.index or 0
        with cupy.cuda.Device(index), cupy.cuda.Stream.from_external(_Stream(device)):
            _function(kernel, options, index)((blocks,), (threads,), arguments)
