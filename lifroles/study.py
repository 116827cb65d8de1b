"""The study as data: which runs and probes each table and figure is made from, at which scale.

Nothing here runs anything. :mod:`lifroles.reproduce` runs what is missing on this machine, ``workflow/Snakefile`` the
same on a cluster, and the notebooks show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from lifroles import paper, probes
from lifroles.errors import SpecError
from lifroles.probes import ProbeSpec
from lifroles.probes.attack import ATTACKS, TRANSFERRED, VARIATIONS
from lifroles.prose import listed
from lifroles.spec import RunSpec
from lifroles.variant import PAPER_VARIANTS, TABLE6_VARIANTS

Profile = Literal["smoke", "archive", "paper"]


def frozen(**values: Any) -> Mapping[str, Any]:
    """Return a mapping that cannot be changed."""
    return MappingProxyType(values)


@dataclass(frozen=True)
class Scale:
    """How a profile trains a benchmark: data source, number of seeds, and what it changes in the protocol."""

    source: str
    seeds: int
    changes: Mapping[str, Any] = field(default_factory=frozen)


SCALES: Mapping[Profile, Mapping[str, Scale]] = MappingProxyType(
    {
        "smoke": frozen(
            xor=Scale("generated", 1, frozen(epochs=3, iterations=20, test_samples=1000)),
            shd=Scale("speech", 1, frozen(epochs=2, dt=10.0, train_samples=40, test_samples=20)),
            ssc=Scale("speech", 1, frozen(epochs=2, dt=10.0, train_samples=35, test_samples=35, valid_samples=35)),
            nmnist=Scale("saccades-5k", 1, frozen(epochs=2, train_samples=1000, test_samples=200)),
            dvs_gesture=Scale("gestures", 1, frozen(epochs=2, train_samples=110, test_samples=44)),
            mnist=Scale("mnist-5k", 1, frozen(epochs=3)),
            cifar10=Scale("shapes", 1, frozen(epochs=2, train_samples=200, test_samples=100, channels=0.125)),
        ),
        # The committed records: what two processors without a GPU can train, on the best data that there is offline.
        "archive": frozen(
            xor=Scale("generated", 10),
            # 250 steps instead of 1000, and the readout that held-out speakers prefer.
            shd=Scale("regenerated", 5, frozen(dt=4.0, readout="mean_membrane", readout_from=0)),
            # Steps as SHD's; 1,200 updates, with the protocol's five learning rates in 30 epochs.
            ssc=Scale(
                "speech",
                3,
                frozen(
                    dt=4.0,
                    epochs=30,
                    lr_step=6,
                    train_samples=20_000,
                    valid_samples=2_000,
                    test_samples=4_000,
                ),
            ),
            # The paper's schedule as far as epoch 30: its learning rate has fallen by 10 at epoch 25, and from then on
            # all epochs together move a weight as far as three of the first.
            nmnist=Scale("saccades", 5, frozen(epochs=30)),
            dvs_gesture=Scale("gestures", 5),
            mnist=Scale("official", 5),
            # An eighth of the channels, a fifth of the images, and the first half of the protocol's schedule compressed
            # into eight epochs: in its second half the learning rate is a hundredth of the first and less. Small
            # batches make more updates of the same work, of which so short a training has few.
            cifar10=Scale(
                "jpeg", 2, frozen(channels=0.125, train_samples=10_000, epochs=8, batch_size=50, lr_step=4, lr=1e-3)
            ),
        ),
        "paper": frozen(
            xor=Scale("generated", 10),
            shd=Scale("official", 5),
            ssc=Scale("official", 3),
            nmnist=Scale("official", 5),
            dvs_gesture=Scale("official", 5),
            mnist=Scale("official", 5),
            cifar10=Scale("official", 3),
        ),
    }
)
"""What each profile does with each benchmark. ``paper`` changes nothing in a protocol, ``archive`` what it must."""

DELAY_EPOCHS = 20
DELAY_SEEDS = 5
"""At most; a profile may have fewer."""

DELAYS: tuple[Mapping[str, Any], ...] = (
    frozen(T=100),
    frozen(T=150),
    frozen(T=200),
    frozen(T=150, leak_init_low=2.0, leak_init_high=6.0),
    frozen(T=150, u_th=0.25),
    frozen(T=150, bias=False),
)
"""Longer delays of the XOR problem, and what might bring a silent layer back; each for ``DELAY_EPOCHS``."""


@dataclass(frozen=True)
class Trained:
    """Runs of one benchmark: every model with every seed.

    Arguments:
        benchmark: its name.
        models: names of variants, or of networks without spikes.
        changes: what differs from the benchmark's own protocol. At toy scale the profile's changes come on top.
        seeds: how many; the profile's own number where ``None``.
        archived: what the profile ``archive`` changes on top of its scale, where that would take too long.
    """

    benchmark: str
    models: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=frozen)
    seeds: int | None = None
    archived: Mapping[str, Any] = field(default_factory=frozen)

    def specs(self, profile: Profile) -> list[RunSpec]:
        """Return the runs at a profile's scale, all models of seed 0 first."""
        scale = SCALES[profile][self.benchmark]
        changes = {**self.changes, **scale.changes, **(self.archived if profile == "archive" else {})}
        seeds = range(scale.seeds if self.seeds is None else min(self.seeds, scale.seeds))
        return [RunSpec.of(self.benchmark, m, seed, scale.source, **changes) for seed in seeds for m in self.models]


@dataclass(frozen=True)
class Asked:
    """A probe of every run of a target that it covers.

    Arguments:
        probe: its name.
        changes: what differs from the probe's own parameters; at toy scale :data:`TOY` comes on top.
        toy: whether it is asked at toy scale as well.
    """

    probe: str
    changes: Mapping[str, Any] = field(default_factory=frozen)
    toy: bool = True


@dataclass(frozen=True)
class Question:
    """A probe of a run: what :class:`Asked` comes to."""

    run: RunSpec
    spec: ProbeSpec
    changes: Mapping[str, Any]
    needs: tuple[RunSpec, ...] = ()
    """The runs whose weights it takes, the one that it is asked of among them."""

    @property
    def path(self) -> str:
        """The folder of its record below a store's root."""
        return f"{self.run.path}/{self.spec.path}"


@dataclass(frozen=True)
class Target:
    """What can be asked for by name.

    Arguments:
        title: what it makes, in a few words.
        trained: the runs behind it.
        asked: the probes of these runs.
        book: whether the book is built from them at the end.
        profile: the only profile that it has, or ``None`` where it has all.
    """

    title: str
    trained: tuple[Trained, ...]
    asked: tuple[Asked, ...] = ()
    book: bool = False
    profile: Profile | None = None

    def specs(self, profile: Profile) -> list[RunSpec]:
        """Return its runs, each once, in the order in which they are worth having: low seeds first.

        The book of the archive shows records that are there, so it needs none.
        """
        if self.book and profile == "archive":
            return []
        specs = {spec.digest: spec for part in self.trained for spec in part.specs(profile)}
        return sorted(specs.values(), key=lambda spec: spec.seed)

    def questions(self, profile: Profile) -> list[Question]:
        """Return what is asked of its runs, each once, in their order."""
        found: dict[str, Question] = {}
        for spec in self.specs(profile):
            for asked in self.asked:
                probe = probes.get(asked.probe)
                if probe.covers(spec) and (asked.toy or profile != "smoke"):
                    changes = {**asked.changes, **(TOY.get(asked.probe, {}) if profile == "smoke" else {})}
                    others = probe.needs(spec, probes.choose(probe, changes))
                    needs = (spec, *(other for other in others if other.digest != spec.digest))
                    question = Question(spec, ProbeSpec.of(probe, spec, **changes), changes, needs)
                    found[question.path] = question
        return list(found.values())


TOY: Mapping[str, Mapping[str, Any]] = frozen(
    resolution=frozen(frames=["binary"]),
    gradients=frozen(samples=50),
    landscape=frozen(seeds=[0], grid=5, angles=4, samples=50),
    features=frozen(each=10, seeds=[0, 1], moved=[10.0]),
    attack=frozen(each=1),
    corruption=frozen(samples=100, noise=[0.01, 0.03], drop=[0.5], jitter=[1.0], shift=[2.0]),
    curvature=frozen(samples=50, iterations=3),
    images=frozen(eps=[0.1], steps=3, queries=10, samples=50),
)
"""What a probe changes in its own parameters at toy scale."""

_TABLE6 = tuple(
    Trained(name, tuple(v for v in TABLE6_VARIANTS if paper.TABLE6[v][name] is not None))
    for name in paper.TABLE6_BENCHMARKS
)
_TABLE7 = Trained("nmnist", (*PAPER_VARIANTS, "lstm", "gru", "rnn"))
_PAGES = (
    *_TABLE6,
    Trained("xor", tuple(PAPER_VARIANTS)),
    Trained("mnist", tuple(PAPER_VARIANTS)),
    *(Trained("xor", ("baseline",), {"epochs": DELAY_EPOCHS, **setting}, seeds=DELAY_SEEDS) for setting in DELAYS),
    _TABLE7,
)
"""What the pages of section 4 show."""

_PAGES_ASKED = (Asked("resolution"), *(Asked(name, toy=False) for name in ("gradients", "landscape", "features")))
"""What is worth a job of its own; the pages ask the rest themselves, where they train."""

_ATTACKS = (
    Asked("attack", frozen(attack="gradient")),
    Asked("attack", frozen(attack="gradient", smooth=2.0)),
    *(Asked("attack", frozen(attack=kind, seed=n), toy=n == 0) for kind in ("liang", "chance") for n in range(3)),
)
_OTHER_ATTACKS = (
    *(Asked("attack", ATTACKS[name], toy=False) for name in VARIATIONS),
    *(Asked("transfer", frozen(**{"attack": "liang", **ATTACKS[name]}), toy=False) for name in TRANSFERRED),
)
"""Variations of the attacks, and what is made against one network given to others."""

LEAKAGES = (0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Values of k_tau beside those of the paper's variants, 0, 0.3 and 1."""

_TABLES_AND_FIGURES: Mapping[str, Target] = frozen(
    table6=Target("accuracy of five variants on seven benchmarks", _TABLE6),
    table7=Target(
        "N-MNIST at other step lengths, of spiking and other recurrent networks", (_TABLE7,), (Asked("resolution"),)
    ),
    fig3=Target("training curves of five variants on SHD", (Trained("shd", TABLE6_VARIANTS),)),
    fig4=Target(
        "spike rates on N-MNIST with and without reset",
        (Trained("nmnist", ("baseline", "no_reset")),),
        (Asked("rates"),),
    ),
    fig6=Target(
        "loss landscapes on N-MNIST",
        (Trained("nmnist", ("baseline", "no_leakage_recurrent", "lstm")),),
        (Asked("landscape"),),
    ),
    fig7=Target(
        "features of the last hidden layer on N-MNIST", (Trained("nmnist", TABLE6_VARIANTS),), (Asked("features"),)
    ),
    fig8=Target("an attack step by step", (Trained("nmnist", ("baseline",)),), (Asked("attack_steps"),)),
    fig9=Target(
        "how many flipped entries fool a network on N-MNIST",
        (Trained("nmnist", TABLE6_VARIANTS),),
        _ATTACKS,
    ),
    controls=Target(
        "other attacks on N-MNIST, what transfers to other networks, and corruptions",
        (Trained("nmnist", TABLE6_VARIANTS),),
        (*_OTHER_ATTACKS, Asked("corruption")),
    ),
    leakage=Target(
        "robustness on N-MNIST with the leakage in small steps",
        (Trained("nmnist", tuple(f"leak-{k}_hard" for k in LEAKAGES), seeds=1),),
        (Asked("corruption"), *(asked for asked in _ATTACKS if not asked.changes.get("seed"))),
    ),
    images=Target(
        "attacks of others on images, on MNIST", (Trained("mnist", TABLE6_VARIANTS, seeds=3),), (Asked("images"),)
    ),
)
"""Figs. 1, 2 and 5 draw the neuron, its variants and a recording: they need no run."""

_EVERYTHING = (*(part for target in _TABLES_AND_FIGURES.values() for part in target.trained), *_PAGES)
_EVERYTHING_ASKED = (*(asked for target in _TABLES_AND_FIGURES.values() for asked in target.asked), *_PAGES_ASKED)

DEPTHS, NORMS = (18, 34, 50), ("tdbn", "bn", "none")

SHORT: Mapping[str, Any] = frozen(epochs=2, lr_step=1)
"""A quarter of the archive's epochs, for networks of all depths alike: 50 layers take four times as long as 18."""

_NORMS = (
    *(
        Trained("cifar10", ("baseline",), {"network": f"resnet{depth}", "norm": norm}, 1, SHORT)
        for depth in DEPTHS
        for norm in NORMS
    ),
    *(Trained("cifar10", ("baseline",), {"norm": norm}, None if norm == NORMS[0] else 1) for norm in NORMS),
)
"""What the page on normalisation shows of trained networks: three depths, and 18 layers for longer."""

TARGETS: Mapping[str, Target] = frozen(
    **_TABLES_AND_FIGURES,
    tdbn=Target("gradients by block on CIFAR10, with tdBN and without", _NORMS, (Asked("isometry"),)),
    book=Target("the runs that the book's pages show, and the book", _PAGES, _PAGES_ASKED, book=True),
    smoke=Target("the book, everything trained at toy scale", _PAGES, _PAGES_ASKED, book=True, profile="smoke"),
    archive=Target(
        "every table and figure, at the scale of the committed records",
        _EVERYTHING,
        _EVERYTHING_ASKED,
        profile="archive",
    ),
    paper=Target(
        "every table and figure, and the book, with the full protocol",
        _EVERYTHING,
        _EVERYTHING_ASKED,
        book=True,
        profile="paper",
    ),
)
"""Everything that ``lifroles reproduce`` and ``snakemake`` can be asked for, by name."""


def get(name: str) -> Target:
    """Return the target of this name.

    Raises:
        SpecError: there is none.
    """
    if name not in TARGETS:
        raise SpecError(f"There is no target {name!r}: give one of {', '.join(TARGETS)}.")
    return TARGETS[name]


def profiles(name: str) -> tuple[Profile, ...]:
    """Return the profiles of a target, the one that it has unless told otherwise first.

    The book shows committed records; tables and figures are the paper's.

    Raises:
        SpecError: there is no such target.
    """
    target = get(name)
    if target.profile is not None:
        return (target.profile,)
    own: Profile = "archive" if target.book else "paper"
    return (own, *(profile for profile in get_args(Profile) if profile != own))


def profile_of(name: str, wanted: str | None) -> Profile:
    """Return the profile of a target: ``wanted``, or the target's own where that is ``None``.

    Raises:
        SpecError: there is no such target or profile, or not together.
    """
    known = profiles(name)
    if wanted is None:
        return known[0]
    for profile in known:
        if profile == wanted:
            return profile
    raise SpecError(f"profile is {wanted!r}: {name} has {listed(known)}.")


def preparations(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Return one run for each data set that several of the runs read and that is made or binned first."""
    groups: dict[tuple[str, str], list[RunSpec]] = {}
    for spec in specs:
        if spec.source != "generated":
            groups.setdefault((spec.source, spec.protocol.model_dump_json()), []).append(spec)
    return [found[0] for found in groups.values() if len(found) > 1]
