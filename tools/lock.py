"""Write requirements.lock and environment.yml from pyproject.toml: `make lock`, or `make lock UPGRADE=1`.

pip-compile resolves the project and its `dev` extra in a throw-away environment, with whatever pip is set up to use.
Three things that it writes are then taken out, because they belong to one machine and not to the project: local
version labels (`torch==2.13.0+cpu` installs nowhere else, `torch==2.13.0` takes the machine's own build), the CUDA
packages that only one build of torch asks for, and every mention of where packages came from. pip resolves those
CUDA packages again where the chosen torch needs them.

Run by the oldest Python that the project supports, so that the pins install on it and on later ones.
Only the standard library is used here: the environment that this file describes need not exist.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP_TOOLS = "pip-tools==7.6.2"
FLOOR = (3, 11)

# What PyPI's Linux build of torch adds to the CPU build's requirements (pip-compile's annotations name torch, or
# each other, as the only reason).
_CUDA_BUILD = re.compile(r"^(nvidia-|cuda-|triton==)")
# name==version, an optional marker, pip-compile's comment; no extras, since pip-compile strips them
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;+]+)(?:\+[\w.]+)?(?P<rest>\s.*)?$")

LOCK_HEADER = """\
# Exact versions that work together: the project, its `dev` extra and everything that they need.
# Written by `make lock` (tools/lock.py) from pyproject.toml with Python 3.11; do not edit.
# `make lock UPGRADE=1` takes newer versions.
# Install with `pip install -r requirements.lock`, dependencies on: torch adds its CUDA packages where it has any.
"""

ENVIRONMENT_HEADER = """\
# The environment of requirements.lock for conda: `conda env create -f environment.yml`.
# Written by `make lock` (tools/lock.py) together with the lock; do not edit.
name: lifroles
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def canonical(name: str) -> str:
    """Return a distribution's name as PyPI compares names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_names(pyproject: str) -> list[str]:
    """Return the canonical names that pyproject.toml asks for itself, runtime first and then the `dev` extra."""
    project = tomllib.loads(pyproject)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [canonical(re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]) for requirement in wanted]


def clean(compiled: str) -> str:
    """Return pip-compile's output as the lock's text: neutral to the machine that it was compiled on.

    Raises:
        ValueError: a line is neither a comment nor a pin, which means that pip-compile wrote an option, a path or a
            URL; the message quotes the line.
    """
    pins = []
    for line in compiled.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _PIN.match(line)
        if match is None:
            raise ValueError(f"pip-compile wrote a line that does not belong in a lock: {line.strip()!r}")
        if not _CUDA_BUILD.match(line):
            pins.append(f"{match['name']}=={match['version']}{match['rest'] or ''}".rstrip())
    return LOCK_HEADER + "\n".join(pins) + "\n"


def pins(lock: str) -> dict[str, str]:
    """Return the lock's pins, canonical name to `name==version` with its marker, without comments."""
    lines = (line.split("#")[0].strip() for line in lock.splitlines())
    return {canonical(line.split("==")[0]): line for line in lines if line}


def environment(lock: str, pyproject: str) -> str:
    """Return environment.yml for a lock: the direct dependencies first, by name, then what they need, then lifroles."""
    rest = pins(lock)
    direct = [rest.pop(name) for name in direct_names(pyproject)]
    lines = ["      # what the project asks for", *(f"      - {pin}" for pin in direct)]
    lines += ["      # what those need", *(f"      - {pin}" for pin in rest.values())]
    lines += ["      # lifroles itself, from this folder", "      - -e ."]
    return ENVIRONMENT_HEADER + "\n".join(lines) + "\n"


def compile_lock(previous: Path, upgrade: bool) -> str:
    """Run pip-compile in a throw-away environment and return its output; pins in `previous` stay unless `upgrade`."""
    with tempfile.TemporaryDirectory(prefix="lifroles-lock-") as scratch:
        venv.create(scratch, with_pip=True)
        python = Path(scratch, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", PIP_TOOLS], check=True)
        output = Path(scratch, "requirements.txt")
        if previous.exists():
            output.write_text(previous.read_text(encoding="utf-8"), encoding="utf-8")
        command = [python, "-m", "piptools", "compile", "--quiet", "--extra=dev", "--strip-extras", "--allow-unsafe"]
        command += ["--no-header", "--annotation-style=line", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--no-emit-trusted-host", "--no-emit-options", f"--output-file={output}"]
        command += ["--upgrade"] if upgrade else []
        environ = {**os.environ, "CUSTOM_COMPILE_COMMAND": "make lock"}
        subprocess.run([*command, "pyproject.toml"], check=True, cwd=ROOT, env=environ)
        return output.read_text(encoding="utf-8")


def main() -> int:
    """Regenerate both files; return the exit status."""
    parser = argparse.ArgumentParser(description="Write requirements.lock and environment.yml from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that the ranges allow")
    arguments = parser.parse_args()
    if sys.version_info[:2] != FLOOR:
        floor = ".".join(map(str, FLOOR))
        print(
            f"The lock is compiled with Python {floor}, the oldest that lifroles supports; this is "
            f"{sys.version_info.major}.{sys.version_info.minor}: run `make lock PYTHON=python{floor}`.",
            file=sys.stderr,
        )
        return 2
    lock_file = ROOT / "requirements.lock"
    lock = clean(compile_lock(lock_file, arguments.upgrade))
    text = environment(lock, (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock_file.write_text(lock, encoding="utf-8")
    (ROOT / "environment.yml").write_text(text, encoding="utf-8")
    print(f"requirements.lock and environment.yml hold {len(pins(lock))} pins.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
