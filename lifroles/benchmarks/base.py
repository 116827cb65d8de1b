"""What a benchmark is: data, protocol, network, loss and evaluation, each number with its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar
from typing import Protocol as Interface

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from lifroles.baselines import Baseline
from lifroles.cache import Progress
from lifroles.errors import SpecError
from lifroles.networks import SpikingMLP
from lifroles.resnet import SpikingResNet
from lifroles.rnn import RecurrentNetwork
from lifroles.sparse import SparseSequence
from lifroles.variant import NORMAL_LEAK, PAPER_VARIANTS, Leak, Variant


def sourced(default: Any, description: str, source: str, **limits: Any) -> Any:
    """Return a protocol field: its default, what it is, and where the number comes from."""
    return Field(default, description=description, json_schema_extra={"source": source}, **limits)


class Protocol(BaseModel):
    """Every choice that decides a run's numbers, apart from variant, seed and data source."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    words: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What stands for a name in braces, such as ``{table5}``, in the descriptions and sources of shared fields."""

    def rows(self) -> Iterator[tuple[str, object, str, str]]:
        """Yield name, value, description and source of every field: first the class's own, then what it shares."""
        fields = type(self).model_fields
        own = [name for name in fields if name in type(self).__annotations__]
        for name in dict.fromkeys((*own, *fields)):
            extra = fields[name].json_schema_extra
            source = str(extra.get("source", "")) if isinstance(extra, dict) else ""
            description = fields[name].description or ""
            yield name, getattr(self, name), description.format_map(self.words), source.format_map(self.words)


Model = Variant | Baseline
"""What a run can train: a spiking variant, or a recurrent network without spikes."""
Network = SpikingMLP | RecurrentNetwork | SpikingResNet

Kind = Literal["temporal", "spatio-temporal", "spatial"]
Inputs = TypeVar("Inputs", bound=Tensor | SparseSequence)


@dataclass(frozen=True, slots=True)
class Batch(Generic[Inputs]):
    """Inputs ``[T, B, N]``, labels ``[B]``, and the group of each sample ``[B]`` (see ``Benchmark.groups``)."""

    inputs: Inputs
    labels: Tensor
    groups: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What Tables 1 to 3 say of a data set, with the paper's errors corrected.

    Arguments:
        kind: what the paper counts it among.
        place: the paper's table, or where else it comes from.
        samples: recordings or images of every split.
        size: what one of them is.
        origin: where they come from.
        form: how they are stored.
        corrected: what the paper says instead, and how that is known; empty where it is right.
        chosen: what of the protocol was chosen by looking at results, in few words; empty where nothing was.
    """

    kind: Kind
    place: str
    samples: Mapping[str, int]
    size: str
    origin: str
    form: str
    corrected: str = ""
    chosen: str = ""


class Data(Interface):
    """A loaded data set. Batches depend on nothing but the arguments here, so a run can start at any epoch."""

    digest: str

    @property
    def validation(self) -> Callable[[], Iterator[Batch[Any]]] | None:
        """What yields the fixed validation batches, or ``None`` where there is no validation set."""
        return None

    def train_batches(self, seed: int, epoch: int) -> Iterator[Batch[Any]]:
        """Yield the batches of one epoch (counted from 0)."""
        ...

    def test_batches(self) -> Iterator[Batch[Any]]:
        """Yield the fixed held-out batches."""
        ...


class Benchmark(Interface):
    """One benchmark of Table 6."""

    name: ClassVar[str]
    title: ClassVar[str]
    chance: ClassVar[float]
    normal_leak: ClassVar[Leak]
    sources: ClassVar[tuple[str, ...]]
    default_source: ClassVar[str]
    protocol: ClassVar[type[Any]]
    groups: ClassVar[tuple[str, ...]]
    facts: ClassVar[Facts]
    baselines: ClassVar[Mapping[str, Baseline]] = MappingProxyType({})
    """The recurrent networks without spikes that the paper compares on this benchmark, by name."""

    def sizes(self, protocol: Any) -> tuple[int, ...]:
        """Return the units of every layer of the network, input first, classes last (Table 4)."""
        ...

    def load(self, protocol: Any, source: str, progress: Progress | None = None) -> Data:
        """Return the data; raises DataError where it is missing or damaged.

        What has to be made or binned first is, and ``progress`` is called as its samples are done.
        """
        ...

    def architecture(self, protocol: Any) -> str:
        """Return the network in a few words: the units of its layers."""
        return "–".join(map(str, self.sizes(protocol)))

    def network(self, protocol: Any, variant: Variant, backend: str) -> SpikingMLP | SpikingResNet:
        """Return the network with freshly drawn weights (from torch's global generator)."""
        ...

    def parameters(self, protocol: Any, network: nn.Module) -> list[Any]:
        """Return what Adam trains: the parameters, or groups of them with a learning rate of their own."""
        return list(network.parameters())

    def loss(self, protocol: Any, output: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar training loss of one batch."""
        ...

    def correct(self, protocol: Any, output: Tensor, labels: Tensor) -> Tensor:
        """Return the share of right answers of every sample, ``[B]``, in [0, 1]."""
        ...


def resolve_variant(benchmark: Benchmark, name: str) -> Variant:
    """Return a named variant with the benchmark's own normal leakage.

    "Normal" leakage is learnable on the temporal benchmarks and 0.3 on the others (section 4.1.2).

    Raises:
        SpecError: no variant has this name.
    """
    if name not in PAPER_VARIANTS:
        raise SpecError(f"variant is {name!r}: give one of {', '.join((*PAPER_VARIANTS, *benchmark.baselines))}.")
    named = PAPER_VARIANTS[name]
    leak = benchmark.normal_leak if named.leak == NORMAL_LEAK else named.leak
    return Variant(leak=leak, reset=named.reset, recurrent=named.recurrent)


def build(benchmark: Benchmark, protocol: Any, model: Model, backend: str = "auto") -> Network:
    """Return the network of a variant or baseline with freshly drawn weights (from torch's global generator)."""
    if isinstance(model, Baseline):
        inputs, hidden, classes = benchmark.sizes(protocol)
        return RecurrentNetwork((inputs, hidden, classes), model, bias=protocol.bias, backend=backend)
    return benchmark.network(protocol, model, backend)


def variant_name(benchmark: Benchmark, variant: Model) -> str:
    """Return the paper's name of a resolved variant, or a description of one that the paper has no name for."""
    if isinstance(variant, Baseline):
        return variant.name
    for name in PAPER_VARIANTS:
        if resolve_variant(benchmark, name) == variant:
            return name
    leak = variant.leak if variant.leak == "learnable" else f"{variant.leak:g}"
    return f"leak-{leak}_{variant.reset}{'_recurrent' if variant.recurrent else ''}"
