"""Break the neuron's equation in one place at a time and run its tests on each: `python tests/mutants.py`.

Prints, as JSON, pytest's exit status by mutant: 1 means that a test noticed, 0 that none did. The first is not broken.
"""

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lifroles import backends
from lifroles.backends import reference

MUTANTS = {
    "unchanged": ("", ""),
    "hard reset keeps the potential": ("return u * (1 - o)", "return u"),
    "hard reset keeps it where there was a spike": ("return u * (1 - o)", "return u * o"),
    "hard reset subtracts the threshold": ("return u * (1 - o)", "return u - u_th * o"),
    "soft reset subtracts one": ("return u - u_th * o", "return u - o"),
    "soft reset adds": ("return u - u_th * o", "return u + u_th * o"),
    "no leakage": ("u = k_tau * keep(", "u = keep("),
    "input scaled by the leak": (", reset, u_th) + x", ", reset, u_th) + (1 - k_tau) * x"),
    "input not added": (", reset, u_th) + x", ", reset, u_th)"),
    "reset detached the wrong way round": ("o.detach() if detach_reset else o", "o if detach_reset else o.detach()"),
    "reset never detached": ("o.detach() if detach_reset else o", "o"),
    "recurrence transposed": ("F.linear(o, recurrent_weight)", "F.linear(o, recurrent_weight.T)"),
    "recurrence from the potential": ("F.linear(o, recurrent_weight)", "F.linear(u, recurrent_weight)"),
    "recurrence subtracted": ("u = u + F.linear", "u = u - F.linear"),
    "threshold ignored": ("fire(u - u_th)", "fire(u)"),
    "fires below": ("fire(u - u_th)", "fire(u_th - u)"),
    "a spike needs more than the threshold": ("fire(u - u_th)", "fire(u - u_th - 1e-9)"),
    "potential after the reset is kept": ("potentials.append(u)", "potentials.append(keep(u, o, reset, u_th))"),
}


def mutant(old: str, new: str) -> ModuleType:
    """Return the reference backend with one piece of its source replaced."""
    path = Path(str(reference.__file__))
    source = path.read_text()
    if old and source.count(old) != 1:
        raise SystemExit(f"{old!r} stands {source.count(old)} times in {path.name}: bring this list up to date.")
    spec = importlib.util.spec_from_loader("mutant", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(source.replace(old, new) if old else source, path.name, "exec"), module.__dict__)
    return module


def main() -> None:
    statuses = {}
    tests = str(Path(__file__).with_name("test_neuron_equations.py"))
    for name, change in MUTANTS.items():
        module = mutant(*change)
        backends.select = lambda backend, module=module: ("reference", module)
        with contextlib.redirect_stdout(io.StringIO()):
            statuses[name] = int(pytest.main(["-q", "-x", "--no-header", "-p", "no:cacheprovider", tests]))
    json.dump(statuses, sys.stdout)


if __name__ == "__main__":
    main()
