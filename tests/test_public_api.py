"""What `import lifroles` offers, and that it costs nothing."""

import subprocess
import sys

import pytest

import lifroles


def test_every_public_name_is_there_and_documented():
    for name in lifroles.__all__:
        thing = getattr(lifroles, name)
        assert thing is not None
        if callable(thing):
            assert thing.__doc__, f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'VariantLF'"):
        lifroles.VariantLF  # noqa: B018


def test_importing_the_package_does_not_import_torch():
    code = "import sys, lifroles; print('torch' in sys.modules, 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
