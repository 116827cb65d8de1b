"""Attacks on images: how accurate is a network on pictures that somebody has changed a little, everywhere?

Images are continuous input, for which attacks have been written and checked for years. They come from the Adversarial
Robustness Toolbox (Nicolae et al. 2018): one step along the gradient (FGSM, Goodfellow et al. 2015), many steps (PGD,
Madry et al. 2018), and one that sees only the class scores (Square, Andriushchenko et al. 2020). Where the last one is
the stronger one, the gradient is hidden. Beside them stands noise of the same size.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from lifroles.benchmarks import Network
from lifroles.errors import LifrolesError
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.spec import RunSpec

Array = np.ndarray[Any, Any]
Attack = Literal["noise", "fgsm", "pgd", "square"]
ATTACKS: tuple[Attack, ...] = ("noise", "fgsm", "pgd", "square")
SIDE = 28


class ImagesParameters(ProbeParameters):
    """How large the changes are, how hard the attacks try, and on which images."""

    eps: tuple[float, ...] = Field(
        (0.02, 0.05, 0.1, 0.2, 0.3), description="largest change of a pixel, in units of its range", min_length=1
    )
    attacks: tuple[Attack, ...] = Field(ATTACKS, description="which attacks", min_length=1)
    steps: int = Field(40, description="steps of PGD, each a tenth of eps, from a random start", ge=1)
    queries: int = Field(500, description="steps of Square for an image", ge=1)
    samples: int = Field(500, description="test images, the first ones", ge=1)
    seed: int = Field(0, description="of the random numbers", ge=0)


class _Classifier(nn.Module):
    """A network that takes images ``[B, 1, 28, 28]``, the same at every step."""

    def __init__(self, network: Network, steps: int) -> None:
        super().__init__()
        self.network, self.steps = network, steps

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.flatten(1).expand(self.steps, -1, -1)).output


def _toolbox() -> tuple[Any, Any]:
    try:
        from art.attacks import evasion
        from art.estimators import classification
    except ImportError:
        raise LifrolesError(
            "the probe 'images' needs the Adversarial Robustness Toolbox: pip install 'lifroles[images]'."
        ) from None
    return classification, evasion


@contextmanager
def _seeded(seed: int) -> Generator[None]:
    """Give the toolbox, which draws from the global generators, numbers of this seed; leave the generators as found."""
    before = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


def measure(spec: RunSpec, network: Network, p: ImagesParameters) -> Findings:
    """Return ``accuracy`` by attack and strength (key ``none/0``: as they are) and the share with no gradient.

    ``vanished`` (key ``all``): share of the images whose gradient of the cross-entropy of the output is zero in every
    pixel. Arrays: ``right_<attack>`` ``[eps, images]``, whether the class is still right.

    Raises:
        LifrolesError: the toolbox is not installed, or there are fewer images.
    """
    classification, evasion = _toolbox()
    batch = next(iter(spec.task.load(spec.protocol, spec.source).test_batches()))
    if len(batch.labels) < p.samples:
        raise LifrolesError(f"samples is {p.samples}: the first batch has {len(batch.labels)} test images.")
    labels = batch.labels[: p.samples]
    images = batch.inputs[0, : p.samples].reshape(-1, 1, SIDE, SIDE).numpy().astype(np.float32)
    model = classification.PyTorchClassifier(
        _Classifier(network, batch.inputs.shape[0]), nn.CrossEntropyLoss(), (1, SIDE, SIDE), 10,
        clip_values=(0.0, 1.0), device_type="cpu",
    )  # fmt: skip

    def right(changed: Array) -> Array:
        scores = torch.from_numpy(model.predict(changed, batch_size=p.samples))
        return spec.task.correct(spec.protocol, scores, labels).double().numpy()

    def attacked(attack: Attack, eps: float) -> Array:
        common: dict[str, Any] = {"norm": np.inf, "eps": eps, "batch_size": p.samples}
        if attack == "noise":
            signs = np.random.default_rng(p.seed).choice(np.array([-eps, eps], np.float32), images.shape)
            return np.clip(images + signs, 0, 1)
        if attack == "fgsm":
            made = evasion.FastGradientMethod(model, **common)
        elif attack == "pgd":
            made = evasion.ProjectedGradientDescent(
                model, **common, eps_step=eps / 10, max_iter=p.steps, num_random_init=1, verbose=False
            )
        else:
            made = evasion.SquareAttack(model, **common, max_iter=p.queries, verbose=False)
        return made.generate(images, y=labels.numpy())

    arrays = {}
    with _seeded(p.seed):
        numbers = {("accuracy", "none/0"): float(right(images).mean())}
        gradient = model.loss_gradient(images, np.eye(10, dtype=np.float32)[labels.numpy()])
        numbers["vanished", "all"] = float((gradient.reshape(p.samples, -1) == 0).all(1).mean())
        for attack in p.attacks:
            kept = [right(attacked(attack, eps)) for eps in p.eps]
            numbers |= {("accuracy", f"{attack}/{eps:g}"): float(k.mean()) for eps, k in zip(p.eps, kept, strict=True)}
            arrays[f"right_{attack}"] = np.stack(kept)
    return Findings(numbers, arrays)


def covers(spec: RunSpec) -> bool:
    """Tell whether a run is of a spiking network on MNIST whose input is the image itself."""
    return spec.benchmark == "mnist" and getattr(spec.protocol, "coding", "") == "direct"


PROBE = Probe(
    name="images",
    version=1,
    question="How accurate is the network on MNIST images that FGSM, PGD, Square or noise changed?",
    parameters=ImagesParameters,
    measure=measure,
    covers=covers,
)
