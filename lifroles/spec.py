"""A run is data: everything that decides its numbers, typed, and hashed into its name."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator
from pydantic_core import ErrorDetails

from lifroles import benchmarks
from lifroles.baselines import Baseline
from lifroles.benchmarks import Benchmark, Model, Network, Protocol
from lifroles.errors import SpecError
from lifroles.variant import Variant


def content_digest(spec: BaseModel) -> str:
    """Return 12 hexadecimal digits of SHA-256 over a spec's canonical JSON."""
    text = json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


_MENDS = {
    "bool_type": "give True or False",
    **dict.fromkeys(("list_type", "tuple_type"), 'give a list, such as [1, 2] or ["a", "b"]'),
}
"""What to give where a value has the wrong type, by pydantic's name for that; its other messages say it themselves."""


def reason(error: ErrorDetails) -> str:
    """Return why a value was refused, and what to give in its place."""
    said = error["msg"].removeprefix("Value error, ")
    mend = _MENDS.get(error["type"])
    return f"{said}: {mend}" if mend else said


class RunSpec(BaseModel):
    """One training run: benchmark, resolved variant, seed, data source and protocol.

    Two specs with the same content have the same :attr:`digest`, and the digest changes with any field.
    How the run is computed (device, backend, threads) is no part of it: that is provenance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    benchmark: str
    variant: Variant | Baseline
    seed: int = Field(ge=0, lt=2**32)
    source: str
    protocol: SerializeAsAny[Protocol]

    @model_validator(mode="before")
    @classmethod
    def _typed_protocol(cls, values: Any) -> Any:
        """Read a plain protocol as the benchmark's own class, so that an unknown key is refused."""
        if isinstance(values, dict) and isinstance(values.get("protocol"), dict):
            protocol = benchmarks.get(str(values.get("benchmark"))).protocol
            values = {**values, "protocol": protocol.model_validate(values["protocol"])}
        if isinstance(values, dict) and isinstance(values.get("variant"), dict):
            model = Baseline if "cell" in values["variant"] else Variant
            values = {**values, "variant": model(**values["variant"])}
        return values

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        benchmark = self.task
        if not isinstance(self.protocol, benchmark.protocol):
            raise ValueError(f"protocol is not one of {benchmark.name}")
        if self.source not in benchmark.sources:
            raise ValueError(f"source {self.source!r} is not one of {', '.join(benchmark.sources)}")
        if isinstance(self.variant, Baseline) and self.variant.name not in benchmark.baselines:
            raise ValueError(f"{self.variant.name} is not compared on this benchmark")
        return self

    @property
    def task(self) -> Benchmark:
        """The benchmark itself."""
        return benchmarks.get(self.benchmark)

    @property
    def variant_name(self) -> str:
        """The paper's name of the variant on this benchmark, or a description."""
        return benchmarks.variant_name(self.task, self.variant)

    @property
    def digest(self) -> str:
        """The content's hash: 12 hexadecimal digits of SHA-256 over the canonical JSON."""
        return content_digest(self)

    @property
    def path(self) -> str:
        """The run's directory below a store's root: ``benchmark/variant/seed-digest``."""
        return f"{self.benchmark}/{self.variant_name}/seed{self.seed}-{self.digest}"

    def changes(self) -> dict[str, object]:
        """Return the protocol fields that differ from the benchmark's own protocol."""
        own = self.task.protocol()
        return {k: v for k, v in self.protocol.model_dump().items() if v != getattr(own, k)}

    def network(self, backend: str = "auto") -> Network:
        """Return the run's network with freshly drawn weights (from torch's global generator)."""
        return benchmarks.build(self.task, self.protocol, self.variant, backend)

    def command(self) -> str:
        """Return the command that trains this run and keeps its weights."""
        parts = ["lifroles", "train", self.benchmark, "-v", self.variant_name, "--seeds", str(self.seed)]
        parts += ["--source", self.source]
        for name, value in self.changes().items():
            parts += ["--set", f"{name}={value}"]
        return shlex.join([*parts, "--weights"])

    @classmethod
    def of(
        cls,
        benchmark: str,
        variant: str | Model,
        seed: int = 0,
        source: str | None = None,
        **changes: object,
    ) -> RunSpec:
        """Return a spec by names, with the benchmark's own protocol but for ``changes``.

        A variant that the paper has no name for is named as :attr:`variant_name` does, ``leak-0.5_soft_recurrent``.

        Raises:
            SpecError: a name, a protocol field or a value that cannot be, in one sentence.
        """
        task = benchmarks.get(benchmark)
        unknown = sorted(set(changes) - set(task.protocol.model_fields))
        if unknown:
            fields = ", ".join(task.protocol.model_fields)
            raise SpecError(f"{benchmark} has no protocol field {unknown[0]!r}: it has {fields}.")
        try:
            return cls(
                benchmark=benchmark,
                variant=_variant(task, variant) if isinstance(variant, str) else variant,
                seed=seed,
                source=source or task.default_source,
                protocol=task.protocol.model_validate(changes),
            )
        except ValidationError as error:
            first = error.errors()[0]
            if first["type"] == "value_error":  # one of our own validators: its message is the sentence
                raise SpecError(f"{benchmark}: {first.get('ctx', {}).get('error')}.") from error
            where = ".".join(map(str, first["loc"]))
            raise SpecError(f"{where} is {first['input']!r}: {reason(first)}.") from error


_UNNAMED = re.compile(r"leak-(?P<leak>learnable|[0-9.e-]+)_(?P<reset>[a-z0-9_]+?)(?P<recurrent>_recurrent)?")


def _variant(task: Benchmark, name: str) -> Model:
    """Return the variant or baseline that :attr:`RunSpec.variant_name` calls so."""
    if name in task.baselines:
        return task.baselines[name]
    found = _UNNAMED.fullmatch(name)
    if found is None:
        return benchmarks.resolve_variant(task, name)
    try:
        leak = "learnable" if found["leak"] == "learnable" else float(found["leak"])
    except ValueError as error:
        raise SpecError(f"variant is {name!r}: its leak is no number.") from error
    return Variant(leak=leak, reset=found["reset"], recurrent=found["recurrent"] is not None)
