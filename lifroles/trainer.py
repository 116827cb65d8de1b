"""One run in progress: epochs of backpropagation through time, what they measure, and when there is no going on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from lifroles import checkpoint
from lifroles.benchmarks import Batch, Data, Network
from lifroles.checkpoint import Checkpoint
from lifroles.rnn import RecurrentNetwork
from lifroles.spec import RunSpec

SELECTION = "best epoch by test accuracy, as in the scripts of Zheng et al. 2024: optimistic; the last epoch is not"
VALIDATED = "selected_accuracy: test accuracy of the best epoch by validation accuracy"

EXPLODED = 1e4
"""A training loss so many times the first one has exploded; no run of the paper's variants came near."""

# The stream of random numbers of what draws from torch's global generator while it trains, as dropout does. The
# benchmarks' own streams begin with small numbers.
_TORCH = 2**31 - 1


class Failed(Exception):
    """Training cannot go on; the message is the ``reason`` of the run's record."""


@dataclass(frozen=True)
class Evaluation:
    """Held-out loss and accuracy, accuracy of each group, and each layer's spikes per neuron and step."""

    loss: float
    accuracy: float
    groups: dict[str, float]
    rates: dict[str, float]


def _on(batch: Batch[Any], device: torch.device) -> Batch[Any]:
    """Return a batch on a device; the layers themselves fetch a sparse sequence."""
    if device.type == "cpu":
        return batch
    inputs = batch.inputs.to(device) if isinstance(batch.inputs, Tensor) else batch.inputs
    return replace(batch, inputs=inputs, labels=batch.labels.to(device))


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


@torch.no_grad()
def evaluate(
    spec: RunSpec, network: Network, data: Data, batches: Callable[[], Iterator[Batch[Any]]] | None = None
) -> Evaluation:
    """Return how the network does on the held-out batches, or on those of ``batches``."""
    task, protocol = spec.task, spec.protocol
    samples, loss = 0, 0.0
    shares, groups = [], []
    rates: dict[str, float] = {}
    device = _device(network)
    for one in (batches or data.test_batches)():
        batch = _on(one, device)
        activity = network(batch.inputs)
        n = len(batch.labels)
        samples += n
        loss += float(task.loss(protocol, activity.output, batch.labels)) * n
        shares.append(task.correct(protocol, activity.output, batch.labels).cpu())
        groups.append(batch.groups)
        for layer, rate in activity.rates().items():
            rates[layer] = rates.get(layer, 0.0) + rate * n
    share, group = torch.cat(shares).double(), torch.cat(groups)
    by_group = {name: float(share[group == i].mean()) for i, name in enumerate(task.groups) if (group == i).any()}
    return Evaluation(loss / samples, float(share.mean()), by_group, {k: v / samples for k, v in rates.items()})


def _below_class_layer(network: Network) -> list[nn.Parameter]:
    """Return the parameters of all layers but the last."""
    if isinstance(network, RecurrentNetwork):
        return list(network.parameters())
    last = {id(p) for part in (network.linears[-1], network.nodes[-1]) for p in part.parameters()}
    return [p for p in network.parameters() if id(p) not in last]


class _SignsOfLife:
    """Whether anything fired in an epoch, or could still learn to.

    Nothing fires and no gradient reaches a hidden layer: every update from here on is as idle. Silence alone is not the
    end, because a membrane potential inside the surrogate's window still carries a gradient.
    """

    def __init__(self, network: Network) -> None:
        self.parameters = _below_class_layer(network)
        self.found = False

    def look(self, spikes: Iterable[Tensor]) -> None:
        """Note a training step; call it after the backward pass."""
        layers = list(spikes)
        # Whatever has been alive once in an epoch is not looked at again.
        self.found = (
            self.found
            or not layers
            or any(bool(layer.detach().any()) for layer in layers)
            or any(p.grad is not None and bool(p.grad.any()) for p in self.parameters)
        )


class Trainer:
    """One run in progress.

    Arguments:
        spec: what to train.
        backend: the neuron's backend.
        device: where to train, ``"cpu"`` or ``"cuda"``.

    Raises:
        DataError: the data are missing or damaged.
        SpecError: the network cannot be built as the spec says.
    """

    def __init__(self, spec: RunSpec, backend: str = "auto", device: str = "cpu") -> None:
        self.spec = spec
        self.device = torch.device(device)
        self.forked = [torch.cuda.current_device()] if self.device.type == "cuda" else []
        self.data = spec.task.load(spec.protocol, spec.source)
        with torch.random.fork_rng(devices=self.forked):
            torch.manual_seed(spec.seed)
            # Drawn in main memory, so that a seed means the same weights on every device.
            self.network = spec.network(backend).to(self.device)
        protocol: Any = spec.protocol
        self.optimiser = torch.optim.Adam(spec.task.parameters(protocol, self.network), lr=protocol.lr)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimiser, protocol.lr_step, protocol.lr_gamma)
        self.epoch = 0
        self.history: dict[str, Any] = {
            key: [] for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
        }
        self.validation = self.data.validation
        if self.validation is not None:
            self.history |= {"valid_loss": [], "valid_accuracy": []}
        self.history["spike_rate"] = {}
        self.waited = 0.0
        self.groups: dict[str, float] = {}
        self.first_loss: float | None = None

    def run_epoch(self) -> dict[str, float]:
        """Train for one epoch, evaluate, and return the epoch's metrics.

        Training loss and accuracy are means over the epoch's batches, each before its update. ``spike_rate`` is the
        mean of the spiking layers' rates; it is not there for a network without spikes.

        Raises:
            Failed: the loss is not finite or has exploded, or the network is dead.
        """
        # All randomness of an epoch follows from seed and epoch, so a run can go on at any of them: the batches draw
        # from generators of their own, and what draws from torch's global one finds it in the same state.
        with torch.random.fork_rng(devices=self.forked):
            words = np.random.SeedSequence(self.spec.seed, spawn_key=(_TORCH, self.epoch)).generate_state(2, np.uint32)
            torch.manual_seed(int(words[0]) << 32 | int(words[1]))
            metrics, alive = self._train()
            self.scheduler.step()
            self.epoch += 1
            self.network.eval()
            test = evaluate(self.spec, self.network, self.data)
            metrics |= {"test_loss": test.loss, "test_accuracy": test.accuracy}
            if self.validation is not None:
                valid = evaluate(self.spec, self.network, self.data, self.validation)
                metrics |= {"valid_loss": valid.loss, "valid_accuracy": valid.accuracy}
        for key in ("test_loss", "valid_loss"):
            if not math.isfinite(metrics.get(key, 0.0)):
                raise Failed(f"the {key.replace('_', ' ')} became {metrics[key]} in epoch {self.epoch}")
        if not alive and not any(test.rates.values()):
            raise Failed(
                f"the network is dead: in epoch {self.epoch} no unit fired in training or on the held-out data, and no "
                "gradient reached a hidden layer"
            )
        self.groups = test.groups
        for key, value in metrics.items():
            self.history[key].append(value)
        for layer, rate in test.rates.items():
            self.history["spike_rate"].setdefault(layer, []).append(rate)
        if test.rates:
            metrics["spike_rate"] = sum(test.rates.values()) / len(test.rates)
        return metrics

    def _train(self) -> tuple[dict[str, float], bool]:
        """Train on one epoch's batches; return loss and accuracy, and whether there was any sign of life."""
        task, protocol = self.spec.task, self.spec.protocol
        samples, total, correct = 0, 0.0, 0.0
        life = _SignsOfLife(self.network)
        self.network.train()
        for one in self._timed(self.data.train_batches(self.spec.seed, self.epoch)):
            batch = _on(one, self.device)
            activity = self.network(batch.inputs)
            output = activity.output
            loss = task.loss(protocol, output, batch.labels)
            value = loss.item()
            self._check_loss(value)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if not life.found:
                life.look(activity.spikes.values())
            clip_norm = getattr(protocol, "clip_norm", None)
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)
            self.optimiser.step()
            n = len(batch.labels)
            samples += n
            total += value * n
            correct += float(task.correct(protocol, output.detach(), batch.labels).sum())
        return {"train_loss": total / samples, "train_accuracy": correct / samples}, life.found

    def _check_loss(self, value: float) -> None:
        epoch = self.epoch + 1
        if not math.isfinite(value):
            raise Failed(f"the training loss became {value} in epoch {epoch}")
        if self.first_loss is None:
            self.first_loss = value
        if value > EXPLODED * self.first_loss > 0:
            raise Failed(f"the training loss exploded in epoch {epoch}: from {self.first_loss:.3g} to {value:.3g}")

    def _timed(self, batches: Iterator[Batch[Any]]) -> Iterator[Batch[Any]]:
        """Yield the batches; ``waited`` grows by the seconds that each took to come."""
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - start
            if batch is None:
                return
            yield batch

    def checkpoint(self) -> Checkpoint:
        """Return everything that the next epoch follows from."""
        tensors, state = checkpoint.pack(self.network, self.optimiser, self.scheduler)
        own = {key: getattr(self, key) for key in ("history", "groups", "waited", "first_loss")}
        return Checkpoint(self.epoch, tensors, {**state, **own, "data_sha256": self.data.digest})

    def resume(self, found: Checkpoint) -> bool:
        """Go on from a checkpoint; return ``False``, and stay as it was, where it belongs to other data.

        Raises:
            KeyError, RuntimeError, ValueError: it is another network's.
        """
        if found.state["data_sha256"] != self.data.digest:
            return False
        checkpoint.unpack(found, self.network, self.optimiser, self.scheduler)
        self.epoch = found.epoch
        for key in ("history", "groups", "waited", "first_loss"):
            setattr(self, key, found.state[key])
        return True

    def weights(self) -> bytes:
        """Return the network's weights as the bytes of a safetensors file; the same weights give the same bytes."""
        return safetensors.torch.save({k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()})

    def final(self) -> dict[str, Any]:
        """Return the summary of the epochs so far."""
        accuracy = self.history["test_accuracy"]
        best = max(range(len(accuracy)), key=accuracy.__getitem__)
        selected: dict[str, Any] = {}
        if self.validation is not None:
            valid = self.history["valid_accuracy"]
            epoch = max(range(len(valid)), key=valid.__getitem__)
            selected = {
                "selected_accuracy": accuracy[epoch],
                "selected_epoch": epoch + 1,
                "selected_by": VALIDATED,
            }
        rates = {layer: rates[-1] for layer, rates in self.history["spike_rate"].items()}
        return {
            **selected,
            "last_accuracy": accuracy[-1],
            "best_accuracy": accuracy[best],
            "best_epoch": best + 1,
            "selection": SELECTION,
            "group_accuracy": self.groups,
            "spike_rate": rates,
            "silent": [layer for layer, rate in rates.items() if rate == 0],
            "learned_leaks": self.network.learned_leaks(),
        }
