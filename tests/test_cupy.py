"""The way to a GPU, without one: the source compiled for two, what CuPy is asked for, and which backend is picked."""

import ctypes
import ctypes.util
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cuda_shim
import pytest
import torch
from layers import F32, TOLERANCE, assert_alike, draw, outcome

from lifroles import backends
from lifroles.backends import _cupy, cpu, cuda, reference
from lifroles.errors import LifrolesError, SpecError

PROJECT = Path(__file__).resolve().parent.parent


def nvrtc() -> ctypes.CDLL | None:
    """Return NVIDIA's run-time compiler: the one that comes with torch or as a package of its own, or the system's."""
    found = [file for folder in sys.path for file in Path(folder or ".").glob("nvidia/*/lib/libnvrtc.so*")]
    name = str(found[0]) if found else ctypes.util.find_library("nvrtc")
    return ctypes.CDLL(name) if name else None


def compile_at_run_time(library: ctypes.CDLL, options: _cupy.Options, architecture: str) -> bytes:
    program = ctypes.c_void_p()
    source = _cupy.SOURCE.read_bytes()
    library.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", 0, None, None)
    flags = [flag.encode() for flag in (*options.flags(), f"--gpu-architecture={architecture}")]
    status = library.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert status == 0, log.value.decode()
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    library.nvrtcGetCUBIN(program, code)
    return code.raw


def compile_by_nvcc(nvcc: str, sets: list[_cupy.Options], architecture: str, folder: Path) -> bytes:
    """Compile all in one go, which takes nvcc half the time."""
    source, target = folder / "kernels.cu", folder / "kernels.cubin"
    source.write_text("#define KERNEL __global__\n" + "".join(map(cuda_shim.wrapped, sets)))
    flags = [flag for flag in sets[0].flags() if not flag.startswith("-D")]
    command = [nvcc, "-cubin", f"-arch={architecture}", *flags, "-Werror", "all-warnings", "-o", target, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_source_compiles_for_gpus(architecture, require, tmp_path):
    """Every set of options for one of the two, and each of them with all kernels in both types."""
    sets = [options for i, options in enumerate(cuda_shim.OPTIONS) if (i + i // 4) % 2 == (architecture == "sm_90")]
    library, nvcc = nvrtc(), shutil.which("nvcc")
    require(library or nvcc, "there is neither NVRTC nor nvcc: pip install nvidia-cuda-nvrtc")
    if library:
        made = [(options, compile_at_run_time(library, options, architecture)) for options in sets]
    else:
        assert nvcc is not None
        code = compile_by_nvcc(nvcc, sets, architecture, tmp_path)
        made = [(options, code) for options in sets]
    for options, code in made:
        assert code[:4] == b"\x7fELF"
        for kernel in _cupy.KERNELS:
            # nvcc adds the namespace to the name: _ZN10float_HARD8backward...
            space = f"{options.real}_{options.reset}"
            name = kernel if library else f"_ZN{len(space)}{space}{len(kernel)}{kernel}E"
            there = f".text.{name}".encode() in code
            assert there == (options.reset != "SILENT" or "recurrent" not in kernel), (options, kernel)


def test_the_source_is_part_of_the_package():
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "backends/kernels.cu" in settings["tool"]["setuptools"]["package-data"]["lifroles"]
    assert _cupy.SOURCE == PROJECT / "lifroles" / "backends" / "kernels.cu"


def test_the_limits_in_the_source_are_those_that_the_launch_counts_on():
    source = _cupy.SOURCE.read_text(encoding="utf-8")
    assert f"THREADS = {cuda.RECURRENT_THREADS}, MOST = {cuda.RECURRENT_MOST};" in source
    assert f"SAMPLES = {cuda.RECURRENT_BYTES} / sizeof(real);" in source


# the way through CuPy, with a stand-in for CuPy that runs the shim


class FakeCuPy:
    """As much of CuPy as is used, on the processor; `events` says what was done."""

    class NVRTCError(Exception):
        pass

    def __init__(self, refuses=False):
        self.events: list[Any] = []
        self.refuses = refuses
        self.cuda = SimpleNamespace(
            nvrtc=SimpleNamespace(
                NVRTCError=self.NVRTCError,
                getVersion=lambda: (13, 0),
                createProgram=lambda source, name, headers, names: [source, name, headers, names],
                compileProgram=self.compile,
                getProgramLog=lambda program: "nvrtc: error: invalid value\nand more\n",
                getCUBIN=lambda program: program[-1],
                destroyProgram=lambda program: self.events.append("destroyed"),
            ),
            Device=self.device,
            Stream=SimpleNamespace(from_external=self.stream),
            is_available=lambda: True,
        )

    def compile(self, program, flags):
        assert program[:2] == [_cupy.SOURCE.read_text(encoding="utf-8"), "kernels.cu"]
        self.events.append(("compiled", flags))
        if self.refuses:
            raise self.NVRTCError("NVRTC_ERROR_INVALID_OPTION")
        program.append(repr(flags).encode())

    def device(self, index):
        return self.context(("device", index), compute_capability="90")

    def stream(self, foreign):
        return self.context(("stream", *foreign.__cuda_stream__()))

    def context(self, event, **attributes):
        events = self.events

        class Context(SimpleNamespace):
            def __enter__(self):
                events.append(event)

            def __exit__(self, *error):
                events.append(f"end of {event[0]}")

        return Context(**attributes)

    def RawModule(self, *, path):
        flags = Path(path).read_bytes().decode()
        (options,) = (one for one in cuda_shim.OPTIONS if repr(one.flags())[:-1] in flags)

        def get_function(kernel):
            def launch(blocks, threads, arguments):
                self.events.append(kernel)
                cuda_shim.Launch()(kernel, options, blocks[0], threads[0], arguments, torch.device("cpu"))

            return launch

        return SimpleNamespace(get_function=get_function)


@pytest.fixture
def fake(monkeypatch, tmp_path, require):
    """Put a stand-in for CuPy in its place; the backend's tensors stay on the processor."""
    require(cuda_shim.compiler(), "no C++ compiler is installed: install g++")
    stand_in = FakeCuPy()
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path))
    monkeypatch.setattr(_cupy.CuPy, "device", "cpu")
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=4711))
    cached = (_cupy.lacks, _cupy._function, _cupy._module)
    for function in cached:
        function.cache_clear()
    yield stand_in
    for function in cached:
        function.cache_clear()


def test_cupy_compiles_once_and_launches_on_torchs_stream(fake, tmp_path):
    case = draw((5, 4, 3), F32, "learnable")
    expected = outcome(reference, case)
    assert_alike(outcome(cuda, case), expected, TOLERANCE[F32])
    flags = (*_cupy.Options("float", "HARD").flags(), "--gpu-architecture=sm_90")
    assert not any("ftz" in flag for flag in flags), "the smallest numbers are numbers"
    enter, leave = [("device", 0), ("stream", 0, 4711)], ["end of stream", "end of device"]
    compiled = [("compiled", flags), "destroyed"]
    assert fake.events == [*enter, *compiled, "forward", *leave, *enter, "backward", *leave]
    # Another process finds it on disk.
    assert len(list(tmp_path.rglob("*.cubin"))) == len(list(tmp_path.rglob("*.*"))) == 1
    _cupy._function.cache_clear()
    _cupy._module.cache_clear()
    fake.events.clear()
    outcome(cuda, replace(case, x=case.x[:, :2], u=case.u[:2], o=case.o[:2]))
    assert "forward" in fake.events and "destroyed" not in fake.events, "a shape compiles nothing anew"


def test_without_a_place_to_keep_it_the_code_is_compiled_all_the_same(fake, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIFROLES_CACHE", str(tmp_path / "file"))
    case = draw((5, 4, 3), F32)
    assert_alike(outcome(cuda, case), outcome(reference, case), TOLERANCE[F32])


def test_a_gpu_that_nvrtc_does_not_know_is_named(fake):
    fake.refuses = True
    case = draw((5, 4, 3), F32)
    sentence = r"NVRTC 13\.0 does not compile .* for sm_90 \(nvrtc: error: invalid value\): install a newer one"
    with pytest.raises(LifrolesError, match=sentence):
        outcome(cuda, case)
    assert "destroyed" in fake.events


# which backend it is


@pytest.fixture
def gpu_there(fake, monkeypatch):
    """Let torch say that it finds a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    return fake


def test_cuda_says_what_is_missing(gpu_there, monkeypatch):
    def missing():
        _cupy.lacks.cache_clear()
        with pytest.raises(SpecError) as caught:
            backends.select("cuda")
        return str(caught.value)

    assert backends.select("cuda") == ("cuda", cuda)
    gpu_there.cuda.nvrtc.getVersion = lambda: [][0]
    assert missing() == (
        "backend is 'cuda', but CuPy does not find NVRTC (list index out of range): pip install nvidia-cuda-nvrtc, "
        "or give backend='auto'."
    )
    gpu_there.cuda.is_available = lambda: False
    assert "CuPy finds no GPU: install the one that fits torch's CUDA 13.0, or give" in missing()
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "CuPy is not installed: pip install 'lifroles[cuda]', or give backend='auto'." in missing()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "torch finds no NVIDIA GPU: run it where there is one, with a CUDA build of torch, or give" in missing()


def test_auto_goes_by_the_device_of_the_input(gpu_there, monkeypatch):
    name, auto = backends.select("auto")
    assert name == auto.name == "cpu"
    called = []
    for module in (cpu, cuda, reference):
        for function in ("run", "integrate", "step"):
            which = f"{module.__name__.split('.')[-1]}.{function}"
            monkeypatch.setattr(module, function, lambda *a, which=which, **k: called.append(which))
    elsewhere = {"cpu": "cpu", "cuda": "cuda", "meta": "reference"}
    for device, backend in elsewhere.items():
        x = SimpleNamespace(device=torch.device(device))
        auto.run(x, None, None)
        auto.integrate(x, k_tau=0.5)
        auto.step(x, None, None)
        assert auto.name == backend
        assert called[-3:] == [f"{backend}.run", f"{backend}.integrate", f"{backend}.step"]
    _cupy.lacks.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    auto.run(SimpleNamespace(device=torch.device("cuda")), None, None)
    assert auto.name == called[-1].split(".")[0] == "reference", "a GPU without CuPy"


def test_without_a_gpu_auto_is_the_processors_backend(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert backends.select("auto") == ("cpu", cpu)
