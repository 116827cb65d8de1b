"""Fig. 7: how far apart are the classes in the hidden layer, in a picture and in numbers?

A picture of 512 dimensions in two proves little (Wattenberg et al. 2016), so beside t-SNE and UMAP stand what does not
depend on them: silhouette, and the accuracy of nearest neighbours and of a linear classifier, all in the features
themselves; and how much the pictures agree from seed to seed.

A feature is a hidden neuron's spikes per step (of a cell without spikes, its mean output).
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import torch
from pydantic import Field

from lifroles.benchmarks import Network
from lifroles.benchmarks.recordings import Part
from lifroles.probes import samples
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.rnn import RecurrentNetwork
from lifroles.spec import RunSpec

Array = np.ndarray[Any, Any]


class FeaturesParameters(ProbeParameters):
    """Which recordings, and how they are embedded."""

    each: int = Field(200, description="test recordings of every class, the first ones", ge=10)
    seeds: tuple[int, ...] = Field((0, 1, 2, 3, 4), description="of the embeddings; figures show the first")
    perplexity: float = Field(30.0, description="of t-SNE", gt=0)
    neighbours: int = Field(15, description="of UMAP", ge=2)
    moved: tuple[float, ...] = Field((1.0, 10.0), description="step lengths, ms, that the UMAP of the run's is shown")
    knn: int = Field(5, description="nearest neighbours that vote", ge=1)
    folds: int = Field(5, description="folds of every cross-validated accuracy", ge=2)


@torch.no_grad()
def hidden(network: Network, part: Part, positions: Array) -> tuple[Array, Array]:
    """Return the features ``[S, H]`` and the predicted classes ``[S]``."""
    features, classes = [], []
    for batch in samples.batches(part, positions)():
        if isinstance(network, RecurrentNetwork):
            h = network.hidden(batch.inputs)
            output = network.read(h)
        else:
            activity = network(batch.inputs)
            h, output = activity.spikes["hidden1"], activity.output
        features.append(h.mean(0).double().numpy())
        classes.append(output.argmax(-1).numpy())
    return np.concatenate(features), np.concatenate(classes)


def measure(spec: RunSpec, network: Network, p: FeaturesParameters) -> Findings:
    """Return separability in the features, agreement of the embeddings, and the embeddings themselves.

    ``silhouette``, ``knn``, ``linear`` (key ``features``): cross-validated accuracies; ``silhouette`` (``tsne``,
    ``umap``); ``procrustes`` (``tsne``, ``umap``): mean disparity between seeds, 0 where all agree; ``knn``
    (``dt=1``, ...): the vote of the run's own step length on features at another. Arrays: ``tsne``, ``umap`` and
    ``umap_<dt>`` ``[S, 2]``, ``labels``, ``predictions`` and ``samples`` ``[S]``.
    """
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import KNeighborsClassifier

    own = samples.part(spec, "Test")
    positions = samples.first_of_each(own, p.each)
    labels = own.labels[positions]
    features, predicted = hidden(network, own, positions)
    scores = _cross_validated(features, labels, p)
    numbers = {(metric, "features"): value for metric, value in scores.items()}
    numbers["silhouette", "features"] = float(silhouette_score(features, labels))
    numbers["accuracy", "features"] = float((predicted == labels).mean())
    maps = [_umap(features, seed, p) for seed in p.seeds]
    embedded = {
        "tsne": [_tsne(features, seed, p) for seed in p.seeds],
        "umap": [np.asarray(one.embedding_) for one in maps],
    }
    arrays: dict[str, Array] = {}
    for name, layouts in embedded.items():
        numbers["silhouette", name] = float(np.mean([silhouette_score(one, labels) for one in layouts]))
        if len(layouts) > 1:
            numbers["procrustes", name] = _disparity(layouts)
        arrays[name] = layouts[0].astype(np.float32)
    vote = KNeighborsClassifier(p.knn).fit(features, labels)
    for dt in p.moved:
        other, _ = hidden(network, samples.part(spec, "Test", dt=dt), positions)
        numbers["knn", f"dt={dt:g}"] = float(vote.score(other, labels))
        arrays[f"umap_{dt:g}"] = np.asarray(maps[0].transform(other), np.float32)
    arrays |= {
        "labels": labels.astype(np.uint8),
        "predictions": predicted.astype(np.uint8),
        "samples": own.samples[positions].astype(np.int32),
    }
    return Findings(numbers, arrays)


def _cross_validated(features: Array, labels: Array, p: FeaturesParameters) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedKFold(p.folds, shuffle=True, random_state=0)
    models = {
        "knn": KNeighborsClassifier(p.knn),
        "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
    }
    return {name: float(cross_val_score(model, features, labels, cv=folds).mean()) for name, model in models.items()}


def _tsne(features: Array, seed: int, p: FeaturesParameters) -> Array:
    from sklearn.manifold import TSNE

    return TSNE(perplexity=p.perplexity, init="pca", random_state=seed).fit_transform(features)


def _umap(features: Array, seed: int, p: FeaturesParameters) -> Any:
    from umap import UMAP

    with warnings.catch_warnings():
        # umap says that a fixed seed keeps it on one thread, which is what is wanted
        warnings.filterwarnings("ignore", "n_jobs value", UserWarning)
        return UMAP(n_neighbors=p.neighbours, random_state=seed, n_jobs=1).fit(features)


def _disparity(layouts: list[Array]) -> float:
    """Return the mean Procrustes disparity between all pairs of layouts: what rotation and scale leave, in [0, 1]."""
    from scipy.spatial import procrustes

    return float(np.mean([procrustes(one, two)[2] for one, two in itertools.combinations(layouts, 2)]))


PROBE = Probe(
    name="features",
    version=1,
    question="How well does the hidden layer separate the digits of N-MNIST (Fig. 7)?",
    parameters=FeaturesParameters,
    measure=measure,
    covers=samples.is_nmnist,
)
