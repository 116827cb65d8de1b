"""The page on running the book yourself: every notebook's parameters, with examples, from the schemas."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from IPython.display import Markdown

from lifroles.parameters import SCHEMAS, validate

Example = tuple[str, Mapping[str, Any]]
"""What an example shows, and the parameters that it gives."""

PLAIN: Sequence[Example] = (
    ("the archived runs, as in this book", {}),
    ("everything that it shows at toy scale", {"profile": "smoke"}),
    ("with the full protocol, on the published data", {"profile": "paper"}),
)
"""The examples of a notebook without parameters of its own."""

EXAMPLES: Mapping[str, Sequence[Example]] = MappingProxyType(
    {
        "2_lif_neuron": (
            ("other input spikes", {"seed": 7}),
            ("a neuron that hardly forgets", {"k_tau": 0.95, "T": 200}),
            ("a threshold that is rarely reached", {"u_th": 1.5}),
        ),
        "3_variants": (
            ("other input and weights", {"seed": 7, "T": 120}),
            ("a slow leak", {"k_tau": 0.9}),
            ("a layer of 64 neurons", {"features": 64, "u_th": 0.5}),
        ),
        "4_1_2_setup": (
            ("the protocol of one benchmark", {"benchmarks": ["shd"]}),
            ("those with images", {"benchmarks": ["mnist", "cifar10"]}),
            ("the event cameras", {"benchmarks": ["nmnist", "dvs_gesture"]}),
        ),
        "4_1_accuracy": (
            ("one benchmark and two variants", {"benchmarks": ["xor"], "variants": ["baseline", "no_reset"]}),
            ("two seeds only", {"seeds": [0, 1]}),
            (
                "train three epochs of MNIST's 5,000 embedded digits",
                {"profile": "smoke", "benchmarks": ["mnist"], "epochs": 3},
            ),
        ),
        "4_1_3_mechanism": (
            ("one benchmark", {"benchmarks": ["xor"]}),
            ("two variants", {"variants": ["baseline", "recurrent"]}),
            ("toy scale, one seed", {"profile": "smoke", "seeds": [0]}),
        ),
        "4_2_generalisation": (
            ("two models", {"models": ["baseline", "recurrent"]}),
            ("another recording in Fig. 5", {"digit": 12}),
            ("toy scale, two models", {"profile": "smoke", "models": ["baseline", "rnn"]}),
        ),
        "4_3_robustness": (
            ("two models", {"models": ["baseline", "complete_leakage"]}),
            ("one attack", {"attacks": ["gradient"]}),
            ("toy scale, two models", {"profile": "smoke", "models": ["baseline", "recurrent"]}),
        ),
    }
)
"""Three examples a notebook; the others have no parameters of their own."""


def examples(notebook: str) -> Sequence[Example]:
    """Return a notebook's examples, checked against its schema.

    Raises:
        ParameterError: an example gives what the notebook does not accept.
    """
    found = EXAMPLES.get(notebook, PLAIN)
    for _, values in found:
        validate(notebook, values)
    return found


def papermill(notebook: str, values: Mapping[str, Any]) -> str:
    """Return the command that executes a notebook with these parameters."""
    given = [part for name, value in values.items() for part in ("-p", name, str(value))]
    return " ".join(["papermill", f"notebooks/{notebook}.ipynb", "out.ipynb", *map(_quoted, given)])


def _quoted(part: str) -> str:
    """Return an argument for a shell; a list of names reads best in double quotes."""
    return f'"{part}"' if "'" in part and not set(part) & set('"$`\\\\!') else shlex.quote(part)


def page() -> Markdown:
    """Return every notebook's parameters and examples."""
    parts = []
    for notebook, schema in SCHEMAS.items():
        title = (schema.__doc__ or notebook).strip().rstrip(".")
        lines = "\n".join(f"{papermill(notebook, values)}  # {what}" for what, values in examples(notebook))
        parts.append(f"### {title}\n\n{schema().table()}\n\n```bash\n{lines}\n```")
    return Markdown("\n\n".join(parts))
