"""One environment, described in several files: they have to say the same."""

import importlib.metadata
import importlib.util
import os
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FLOOR = "3.11"
# tonic asks for it and never imports it; tools/setup.sh leaves it out, and says why
NOT_INSTALLED = {"expelliarmus"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load_tool(name: str) -> ModuleType:
    """Return a script of tools/ as a module; it is no part of a package."""
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOCK_TOOL = load_tool("lock")
PROJECT: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["project"]


def lock_lines() -> list[str]:
    return [line for line in read("requirements.lock").splitlines() if line and not line.startswith("#")]


def lock() -> dict[str, Requirement]:
    """Return the lock by canonical name."""
    requirements = [Requirement(line.split(" #")[0].strip()) for line in lock_lines()]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def locked_version(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return Version(specifier.version)


def asked_for() -> list[Requirement]:
    return [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]]


@pytest.mark.parametrize("asked", asked_for(), ids=lambda requirement: requirement.name)
def test_the_lock_holds_every_direct_dependency_within_its_range(asked: Requirement) -> None:
    assert asked.specifier.contains(locked_version(lock()[canonicalize_name(asked.name)]))


def test_the_lock_is_closed_under_dependencies() -> None:
    """Whatever a locked distribution asks for on this machine is locked as well, in a version that it accepts."""
    locked = lock()
    missing, refused = set(), set()
    for name in locked.keys() - NOT_INSTALLED:
        for text in importlib.metadata.requires(name) or ():
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            found = locked.get(canonicalize_name(wanted.name))
            if found is None:
                missing.add(f"{name} needs {wanted}")
            elif not wanted.specifier.contains(locked_version(found), prereleases=True):
                refused.add(f"{name} needs {wanted}, locked is {found}")
    # Other builds of torch, and later versions of Python, add packages that pip resolves by itself.
    beyond = {"aiohttp", "standard-aifc", "standard-sunau", "triton", "cuda-toolkit", "cuda-bindings"}
    unexplained = {m for m in missing if Requirement(m.split(" needs ")[1]).name not in beyond and "nvidia-" not in m}
    assert not unexplained
    assert not refused


def test_the_lock_holds_exact_versions_and_nothing_that_belongs_to_one_machine() -> None:
    for line in lock_lines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.!]*(\s+# via .*)?", line), line
    text = read("requirements.lock")
    for foreign in ("+cpu", "+cu1", "--hash", "--index", "--find-links", "://", "@ ", "file:", "/tmp", "/home", "/opt"):
        assert foreign not in text, foreign
    assert not [name for name in lock() if name.startswith(("nvidia-", "cuda-")) or name in {"triton", "lifroles"}]


def test_the_lock_tool_takes_out_what_belongs_to_one_machine() -> None:
    compiled = (
        "torch==2.13.0+cpu         # via lifroles (pyproject.toml)\n"
        "nvidia-cublas==13.0.2     # via cuda-toolkit\n"
        "triton==3.7.1             # via torch\n"
        "\n# The following packages are considered to be unsafe in a requirements file:\n"
        "setuptools==84.2.1        # via torch\n"
    )
    assert list(LOCK_TOOL.pins(LOCK_TOOL.clean(compiled)).values()) == ["torch==2.13.0", "setuptools==84.2.1"]


@pytest.mark.parametrize("line", ["--find-links /wheels", "torch @ file:///wheels/torch.whl", "-e .", "torch>=2"])
def test_the_lock_tool_refuses_a_line_that_is_no_pin(line: str) -> None:
    with pytest.raises(ValueError, match=re.escape(line)):
        LOCK_TOOL.clean(line + "\n")


def test_environment_yml_equals_the_lock() -> None:
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert pip[-1] == "-e ."
    conda = {canonicalize_name(Requirement(text).name): Requirement(text) for text in pip[:-1]}
    assert len(conda) == len(pip) - 1
    assert {name: str(pin) for name, pin in conda.items()} == {name: str(pin) for name, pin in lock().items()}


def test_environment_yml_is_what_the_lock_tool_writes() -> None:
    assert read("environment.yml") == LOCK_TOOL.environment(read("requirements.lock"), read("pyproject.toml"))


def test_environment_yml_names_the_direct_dependencies_first() -> None:
    text = read("environment.yml")
    direct = text[text.index("# what the project asks for") : text.index("# what those need")]
    names = [canonicalize_name(Requirement(name).name) for name in re.findall(r"- (\S+==\S+)", direct)]
    assert names == [canonicalize_name(requirement.name) for requirement in asked_for()]


def test_every_file_names_the_same_oldest_python() -> None:
    settings = tomllib.loads(read("pyproject.toml"))["tool"]
    assert PROJECT["requires-python"] == f">={FLOOR}"
    assert settings["ruff"]["target-version"] == "py" + FLOOR.replace(".", "")
    assert settings["pyright"]["pythonVersion"] == FLOOR
    assert f"python={FLOOR}" in yaml.safe_load(read("environment.yml"))["dependencies"]
    assert ".".join(map(str, LOCK_TOOL.FLOOR)) == FLOOR
    assert f"sys.version_info < ({FLOOR.replace('.', ', ')})" in read("tools/setup.sh")
    assert f"Python {FLOOR}" in read("README.md")


def test_workflows_test_the_oldest_python_and_use_no_older_one() -> None:
    jobs = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"] for path in WORKFLOWS}
    assert min(map(Version, jobs["test"]["test"]["strategy"]["matrix"]["python"])) == Version(FLOOR)
    steps = [step for workflow in jobs.values() for job in workflow.values() for step in job["steps"]]
    named = {step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")}
    assert named == {FLOOR, "${{ matrix.python }}"}


def test_workflows_pin_the_major_version_of_every_action() -> None:
    for workflow in WORKFLOWS:
        for job in yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values():
            assert job["timeout-minutes"] <= 60
            used = [step["uses"] for step in job["steps"] if "uses" in step]
            assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in used), used


@pytest.mark.skipif(not os.environ.get("CI"), reason="a developer may try other versions; CI has the locked ones")
def test_what_is_installed_is_what_the_lock_says() -> None:
    locked = {name: locked_version(pin) for name, pin in lock().items() if name not in NOT_INSTALLED}
    installed = {name: Version(importlib.metadata.version(name)) for name in locked}
    # torch's builds differ in the local label alone
    assert {name: version.public for name, version in installed.items()} == {n: str(v) for n, v in locked.items()}
