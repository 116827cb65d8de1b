"""The page on running the book yourself: every notebook's parameters, with examples, from the schemas.

With each stands how long it took where it was measured (``python -m benchmarks.pages``), and how near another machine's
numbers should come.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from IPython.display import Markdown

from lifroles import records
from lifroles.parameters import SCHEMAS, validate
from lifroles.paths import results_dir
from lifroles.prose import NBSP, counted, listed

Example = tuple[str, Mapping[str, Any]]
"""What an example shows, and the parameters that it gives."""

TRAINS = ("4_1_accuracy", "4_1_3_mechanism", "4_2_generalisation", "4_3_robustness", "5_suggestions", "6_conclusion")
"""Notebooks that train what their profile says, or need the runs of those that do."""

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


SHOWS = "The same numbers on every machine, to the last digit."
COMPUTES = (
    "Computed on the page: the same numbers on a processor of the same kind with the same versions; elsewhere sums are "
    "rounded otherwise, by a millionth or so, which can move single spikes."
)
REPLAYS = f"{SHOWS} The replay at its end is trained anew, and says itself whether it came out the same."
TRAINED = "another run of the same distribution, not the same run: compare means and intervals over seeds"

TOLERANCES: Mapping[str, str] = MappingProxyType(
    {
        "2_lif_neuron": COMPUTES,
        "3_variants": COMPUTES,
        "4_1_1_data": COMPUTES,
        "4_1_accuracy": REPLAYS,
        "bring_your_own": COMPUTES,
    }
)
"""How near numbers come from the archive; of the other notebooks :data:`SHOWS`."""


def path() -> Path:
    """Return where the times of the notebooks lie."""
    return results_dir() / "reproducibility" / "pages.json"


def duration(seconds: float) -> str:
    """Return a time as a reader needs it: ``"20 s"``, ``"3 min"``."""
    return f"{max(seconds, 1):.0f}{NBSP}s" if seconds < 100 else f"{seconds / 60:.0f}{NBSP}min"


def times() -> dict[str, Any]:
    """Return the measured times by profile; nothing where none were measured.

    Raises:
        StoreError: the record is damaged.
    """
    return records.read(path(), "python -m benchmarks.pages") if path().exists() else {}


def expected(notebook: str, known: Mapping[str, Any]) -> str:
    """Return, as Markdown, how long a notebook takes and how near its numbers come."""
    said = []
    for profile, what in (("archive", "from the archive"), ("smoke", "with everything trained at toy scale")):
        seconds = known.get(profile, {}).get("seconds", {}).get(notebook)
        if seconds is not None:
            said.append(f"{duration(seconds)} {what}")
    took = f"Time: {listed(said)}. " if said else ""
    near = f"Tolerance: {TOLERANCES.get(notebook, SHOWS)}"
    if notebook in TRAINS:
        took += "With `-p profile paper` hours to weeks: `lifroles reproduce book --profile paper --dry-run` tells. "
        near += f" Where it trains, expect {TRAINED}."
    return took + near


def measured_on(known: Mapping[str, Any]) -> str:
    """Return, as Markdown, where the times were measured."""
    lines = []
    for profile, found in known.items():
        p = found["provenance"]
        lines.append(
            f"- `{profile}`: {p['processor']}, up to {counted(p['side_by_side'], 'notebook')} at once with one thread "
            f"each, commit {str(p['commit'] or 'unknown')[:7]}, {p['started'][:10]}."
        )
    return "\n".join(["Times were measured on", "", *lines]) if lines else ""


def page() -> Markdown:
    """Return every notebook's parameters, time, tolerance and examples."""
    known = times()
    parts = []
    for notebook, schema in SCHEMAS.items():
        title = (schema.__doc__ or notebook).strip().rstrip(".")
        lines = "\n".join(f"{papermill(notebook, values)}  # {what}" for what, values in examples(notebook))
        parts.append(f"### {title}\n\n{schema().table()}\n\n{expected(notebook, known)}\n\n```bash\n{lines}\n```")
    return Markdown("\n\n".join([*parts, measured_on(known)]))
