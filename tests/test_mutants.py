"""The equation's tests notice every way in which the equation could be wrong."""

import json
import subprocess
import sys
from pathlib import Path


def test_every_mutant_of_the_equation_is_noticed():
    script = Path(__file__).with_name("mutants.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    statuses = json.loads(done.stdout)
    assert statuses.pop("unchanged") == 0
    assert len(statuses) > 10
    assert {name for name, status in statuses.items() if status != 1} == set()
