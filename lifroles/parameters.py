"""What each notebook can be asked to do: one typed schema a notebook, checked before anything runs.

A notebook takes its parameters from a cell tagged ``parameters``, and papermill sets others by
assigning to the same names in a cell of its own. The next cell of every notebook is ::

    from lifroles.parameters import from_notebook

    p = from_notebook("4_1_accuracy", globals())
    p

so a wrong parameter stops the notebook there, whoever set it. ``lifroles book`` asks the same schemas
before it starts a kernel. This module imports neither torch nor matplotlib: it has to answer at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lifroles.errors import ParameterError
from lifroles.variant import NORMAL_LEAK, PAPER_VARIANTS

Profile = Literal["archive", "smoke", "paper"]
PROFILES: tuple[Profile, ...] = ("archive", "smoke", "paper")
BENCHMARK_NAMES = ("xor", "shd", "ssc", "nmnist", "dvs_gesture", "mnist", "cifar10")
Source = Literal[
    "generated",
    "official",
    "local",
    "speech",
    "regenerated",
    "saccades",
    "saccades-5k",
    "subset",
    "gestures",
    "tonic",
    "mnist-5k",
    "shapes",
    "jpeg",
]
SOURCE_NAMES: tuple[Source, ...] = get_args(Source)
TABLE7_MODELS = (*PAPER_VARIANTS, "lstm", "gru", "rnn")
ATTACKS = ("liang", "gradient", "smooth", "chance")

T = TypeVar("T")


def field(default: object, description: str, accepts: str, **limits: Any) -> Any:
    """Return a parameter: its default, what it does, what it accepts (words that fit after "accepts")."""
    return Field(default, description=description, json_schema_extra={"accepts": accepts}, **limits)


def whole(default: int | None, description: str, *, low: int, high: int | None = None) -> Any:
    """Return a parameter that is a whole number from ``low`` to ``high`` (both included)."""
    accepts = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    if default is None:
        accepts += ", or None"
    return field(default, description, accepts, ge=low, le=high)


def choice(default: str | None, description: str, options: Iterable[str]) -> Any:
    """Return a parameter that is one of a few names."""
    accepts = "one of " + ", ".join(options) + (", or None" if default is None else "")
    return field(default, description, accepts)


def _as_tuple(value: object) -> object:
    """Turn a list into a tuple; read a list that came as text, as papermill's ``-p seeds '[0, 1]'`` does."""
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
    return tuple(value) if isinstance(value, list) else value


def _distinct(value: tuple[T, ...] | None) -> tuple[T, ...] | None:
    if value is not None and (not value or len(set(value)) < len(value)):
        raise ValueError("empty or repeated")
    return value


def _of(known: Iterable[str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    names = tuple(known)

    def check(value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if item not in names:
                raise PydanticCustomError("unknown_name", "unknown name", {"hint": _nearest(item, names)})
        return value

    return check


Benchmarks = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(_distinct),
    AfterValidator(_of(BENCHMARK_NAMES)),
]
Variants = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(_distinct),
    AfterValidator(_of(PAPER_VARIANTS)),
]
Models = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(_distinct),
    AfterValidator(_of(TABLE7_MODELS)),
]
Attacks = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(_distinct),
    AfterValidator(_of(ATTACKS)),
]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...] | None, BeforeValidator(_as_tuple), AfterValidator(_distinct)]


class NotebookParameters(BaseModel):
    """The parameters of one notebook, validated and frozen; shows itself as a table in a notebook."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    reads_others: ClassVar[bool] = False
    """Whether the page shows runs and probes that other pages make, where they are made in place."""

    profile: Profile = choice(
        "archive",
        "where the runs come from: archive shows stored ones, smoke trains at toy scale, "
        "paper trains with the full protocol",
        PROFILES,
    )

    def as_data(self) -> dict[str, Any]:
        """Return the parameters as plain data (lists for tuples), as they are written in a notebook."""
        return self.model_dump(mode="json")

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the default of every parameter as plain data."""
        return cls().as_data()

    def table(self) -> str:
        """Return a Markdown table: name, value here if not the default, default, what it accepts, what it does."""
        values, defaults = self.as_data(), self.defaults()
        head = ["Parameter", "Here", "Default", "Accepts", "What it does"]
        rows = [
            [
                f"`{name}`",
                "" if values[name] == defaults[name] else _code(values[name]),
                _code(defaults[name]),
                accepts(type(self), name),
                info.description or "",
            ]
            for name, info in type(self).model_fields.items()
        ]
        columns = [0, 1, 2, 3, 4] if values != defaults else [0, 2, 3, 4]
        lines = [[row[column] for column in columns] for row in (head, ["---"] * 5, *rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _repr_markdown_(self) -> str:
        return self.table()


class LifNeuronParameters(NotebookParameters):
    """Section 2: one LIF neuron, step by step."""

    seed: int = whole(0, "seed of the input spikes", low=0)
    T: int = whole(60, "time steps shown", low=5, high=1000)
    k_tau: float = field(
        NORMAL_LEAK,
        "leakage coefficient (1: no leakage, 0: complete leakage)",
        "a number from 0 to 1",
        ge=0,
        le=1,
    )
    u_th: float = field(0.3, "firing threshold", "a number above 0", gt=0)


class VariantsParameters(NotebookParameters):
    """Section 3: every variant of the neuron on one input."""

    seed: int = whole(0, "seed of the input spikes and of the weights", low=0)
    T: int = whole(60, "time steps shown", low=5, high=1000)
    k_tau: float = field(NORMAL_LEAK, "leakage coefficient where leakage is normal", "a number from 0 to 1", ge=0, le=1)
    u_th: float = field(0.3, "firing threshold", "a number above 0", gt=0)
    features: int = whole(8, "neurons of the layer", low=1, high=256)


class DataParameters(NotebookParameters):
    """Section 4.1.1: the benchmarks' data and their stand-ins."""


class SetupParameters(NotebookParameters):
    """Section 4.1.2: networks, hyper-parameters, and every other choice."""

    benchmarks: Benchmarks = field(
        BENCHMARK_NAMES,
        "benchmarks to show, in this order",
        f"a list of distinct names out of {', '.join(BENCHMARK_NAMES)}, such as ['xor']",
    )


class AccuracyParameters(SetupParameters):
    """Section 4.1: the accuracy of every variant on every benchmark."""

    variants: Variants = field(
        tuple(PAPER_VARIANTS),
        "variants to show, in this order",
        f"a list of distinct names out of {', '.join(PAPER_VARIANTS)}, such as ['baseline', 'no_reset']",
    )
    seeds: Seeds = field(
        None,
        "seeds to show or train; None: every archived one, or as many as the profile trains",
        "a list of distinct whole numbers of at least 0, such as [0, 1], or None",
    )
    epochs: int | None = whole(None, "epochs to train; None: as many as the scale says", low=1)
    source: Source | None = choice(
        None,
        "data to show or train on, for the benchmarks that have such; None: as the scale says",
        SOURCE_NAMES,
    )
    scale: Profile | None = choice(
        None,
        "scale of the runs: smoke, what was archived, or the full protocol on official data; None: the profile's own",
        PROFILES,
    )

    @model_validator(mode="after")
    def _epochs_need_training(self) -> Self:
        if self.profile == "archive" and self.epochs is not None:
            raise PydanticCustomError(
                "profile",
                "Parameter 'epochs' needs profile 'smoke' or 'paper': "
                "'archive' shows finished runs and trains nothing.",
            )
        return self


class MechanismParameters(AccuracyParameters):
    """Section 4.1.3: what lies behind the accuracies."""


class NetworksParameters(NotebookParameters):
    """Sections 4.2 and 4.3: which networks on N-MNIST."""

    models: Models = field(
        TABLE7_MODELS,
        "models to show, in this order",
        f"a list of distinct names out of {', '.join(TABLE7_MODELS)}, such as ['baseline', 'lstm']",
    )
    seeds: Seeds = field(
        None,
        "seeds to show or train; None: every archived one, or as many as the profile trains",
        "a list of distinct whole numbers of at least 0, such as [0, 1], or None",
    )


class GeneralisationParameters(NetworksParameters):
    """Section 4.2: step lengths that a network was not trained with, and what may explain how it does."""

    digit: int = whole(0, "test recording that is shown at every step length", low=0, high=99)


class RobustnessParameters(NetworksParameters):
    """Section 4.3: attacks, their controls, and what nature does to events."""

    attacks: Attacks = field(
        ATTACKS,
        "attacks to show, in this order; the first one is compared with the others",
        f"a list of distinct names out of {', '.join(ATTACKS)}, such as ['liang', 'chance']",
    )
    each: int | None = whole(
        None,
        "recordings of every class that are attacked, or of archived attacks those with so many; None: all archived "
        "ones, or as many as the profile attacks",
        low=1,
    )
    cap: int | None = whole(
        None,
        "iterations after which the paper's attack counts as a failure, or of archived attacks those with this cap; "
        "None: all archived ones, or the probe's own",
        low=1,
    )

    @property
    def limits(self) -> dict[str, int]:
        """What is asked of an attack beyond its kind: parameters of the probe ``attack`` by name."""
        return {name: value for name in ("each", "cap") if (value := getattr(self, name)) is not None}


class SuggestionsParameters(NotebookParameters):
    """Section 5: what each part does, and what the paper suggests."""

    reads_others = True


class ConclusionParameters(NotebookParameters):
    """Section 6: what became of the paper's claims."""

    reads_others = True


class ErrataParameters(NotebookParameters):
    """Appendix 4: what does not fit together inside the paper."""


class LibrariesParameters(NotebookParameters):
    """Appendix 1: what other libraries mean by leak and reset."""


class SpeedParameters(NotebookParameters):
    """Appendix 2: how fast the neuron is."""


class ReproducibilityParameters(NotebookParameters):
    """Appendix 3: what interruptions do to a run, and how well machines are used."""


class TdbnParameters(NotebookParameters):
    """Appendix 5: threshold-dependent batch normalisation."""


class OwnParameters(NotebookParameters):
    """A neuron, a data set and a probe of your own."""


class RunsParameters(NotebookParameters):
    """Every archived run."""


class GuideParameters(NotebookParameters):
    """Every notebook's parameters, with examples."""


Schemas = Mapping[str, type[NotebookParameters]]

SCHEMAS: Schemas = MappingProxyType(
    {
        "2_lif_neuron": LifNeuronParameters,
        "3_variants": VariantsParameters,
        "4_1_1_data": DataParameters,
        "4_1_2_setup": SetupParameters,
        "4_1_accuracy": AccuracyParameters,
        "4_1_3_mechanism": MechanismParameters,
        "4_2_generalisation": GeneralisationParameters,
        "4_3_robustness": RobustnessParameters,
        "5_suggestions": SuggestionsParameters,
        "6_conclusion": ConclusionParameters,
        "A_1_libraries": LibrariesParameters,
        "A_2_speed": SpeedParameters,
        "A_3_reproducibility": ReproducibilityParameters,
        "A_4_errata": ErrataParameters,
        "A_5_tdbn": TdbnParameters,
        "bring_your_own": OwnParameters,
        "runs": RunsParameters,
        "run_it_yourself": GuideParameters,
    }
)
"""The schema of every notebook, by the notebook's file name without its ending."""


def accepts(schema: type[NotebookParameters], name: str) -> str:
    """Return in words what a parameter accepts."""
    extra = schema.model_fields[name].json_schema_extra
    return str(extra["accepts"]) if isinstance(extra, dict) else "a value"


def validate(notebook: str, values: Mapping[str, object], schemas: Schemas = SCHEMAS) -> NotebookParameters:
    """Return the parameters of a notebook, with defaults for those that are not given.

    Arguments:
        notebook: file name without its ending, such as ``"4_1_accuracy"``.
        values: parameters by name; a list may also be given as text (``"[0, 1]"``).

    Raises:
        ParameterError: the notebook or a parameter is unknown, or a value is of the wrong type or out
            of range. The message is one sentence.
    """
    if notebook not in schemas:
        known = ", ".join(schemas)
        raise ParameterError(f"There is no notebook {notebook!r}{_hint(notebook, schemas)}; there are {known}.")
    schema = schemas[notebook]
    for name in values:
        if name not in schema.model_fields:
            known = ", ".join(schema.model_fields)
            hint = _nearest(name, schema.model_fields)
            hint = f"did you mean {hint!r}? It" if hint else "it"
            raise ParameterError(f"Unknown parameter {name!r} of {notebook}: {hint} accepts {known}.")
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        raise ParameterError(_sentence(notebook, schema, values, error)) from None


def assign(
    values: Mapping[str, object], notebooks: Iterable[str] | None = None, schemas: Schemas = SCHEMAS
) -> dict[str, NotebookParameters]:
    """Give each value to every notebook that has a parameter of this name, and validate them all.

    Arguments:
        values: parameters by name, as the user typed them for the whole book.
        notebooks: the notebooks that take part (default: all of ``schemas``).

    Returns:
        The validated parameters by notebook.

    Raises:
        ParameterError: as in :func:`validate`, or no notebook has a parameter of this name.
    """
    chosen = list(schemas if notebooks is None else notebooks)
    for notebook in chosen:
        validate(notebook, {}, schemas)
    known = list(dict.fromkeys(name for notebook in chosen for name in schemas[notebook].model_fields))
    for name in values:
        if name not in known:
            where = f"of {chosen[0]}" if len(chosen) == 1 else "of any notebook"
            hint = _hint(name, known)
            raise ParameterError(f"Unknown parameter {name!r} {where}{hint}; there are {', '.join(known)}.")
    result = {}
    for notebook in chosen:
        own = {name: value for name, value in values.items() if name in schemas[notebook].model_fields}
        result[notebook] = validate(notebook, own, schemas)
    return result


def parse_value(text: str) -> object:
    """Return what a person typed on a command line: a number, True, False, None, a list, else the text."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return list(value) if isinstance(value := _as_tuple(text), tuple) else text


_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, type(None))
# In and Out are IPython's; the other two are written by `papermill --inject-paths`.
_NOT_PARAMETERS = frozenset({"In", "Out", "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"})
_SEEN = "_lifroles_parameters"


def from_notebook(notebook: str, namespace: dict[str, Any], schemas: Schemas = SCHEMAS) -> NotebookParameters:
    """Return the parameters that a notebook's cells have set so far; call it right after they have.

    Every name bound to plain data counts as a parameter, because papermill injects an unknown name as
    just another variable. Names with a leading underscore, modules, functions and classes do not. When
    the cell is run again later, the notebook's own variables stand beside the parameters: then only
    names that were there the first time, and those of the schema, are looked at.

    Arguments:
        notebook: file name without its ending.
        namespace: the notebook's ``globals()``.

    Raises:
        ParameterError: as in :func:`validate`.
    """
    found = {
        name: value
        for name, value in namespace.items()
        if isinstance(value, _PLAIN) and not name.startswith("_") and name not in _NOT_PARAMETERS
    }
    if notebook in schemas and _SEEN in namespace:
        known = namespace[_SEEN] | set(schemas[notebook].model_fields)
        found = {name: value for name, value in found.items() if name in known}
    parameters = validate(notebook, found, schemas)
    namespace[_SEEN] = frozenset(found)
    return parameters


def _sentence(
    notebook: str, schema: type[NotebookParameters], values: Mapping[str, object], error: ValidationError
) -> str:
    """Return the first problem as one sentence that names the parameter and what it accepts."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return first["msg"]
    # Inside a list or a union the error is about an item; a person knows the parameter by its whole value.
    name = str(first["loc"][0])
    value = values[name]
    words = accepts(schema, name)
    hint = first.get("ctx", {}).get("hint")
    if not hint and isinstance(value, str) and words.startswith("one of "):
        hint = _nearest(value, words.removeprefix("one of ").split(", "))
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    lead = f"did you mean {hint!r}? It" if hint else "it"
    return f"Parameter {name!r} of {notebook} is {shown}: {lead} accepts {words}."


def _nearest(name: object, known: Iterable[str]) -> str | None:
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def _hint(name: object, known: Iterable[str]) -> str:
    near = _nearest(name, known)
    return f" (did you mean {near!r}?)" if near else ""


def _code(value: object) -> str:
    """Return a value as Markdown code; of a long list, which would make a table too wide, only how it begins."""
    if isinstance(value, list) and len(value) > 3:
        return f"`[{value[0]!r}, ...]` ({len(value)} in all)"
    return f"`{value!r}`"
