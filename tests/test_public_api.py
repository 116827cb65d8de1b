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


HEAVY = ("torchvision", "torchaudio", "umap", "matplotlib", "numba", "sklearn")
"""What takes seconds to import and a neuron does not need."""


@pytest.mark.parametrize(
    ("statement", "without"),
    [("import lifroles", ("torch", *HEAVY)), ("from lifroles import VariantLIF; VariantLIF", HEAVY)],
)
def test_importing_the_package_imports_nothing_heavy(statement, without):
    code = f"import sys; {statement}; print([name for name in {without} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"]
