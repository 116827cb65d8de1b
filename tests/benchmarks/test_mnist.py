"""MNIST: real digits, fixed splits, checksums, and the two codings."""

import gzip
import shutil

import numpy as np
import pytest
import torch

from lifroles.benchmarks import mnist
from lifroles.benchmarks.mnist import Mnist, MnistProtocol
from lifroles.errors import DataError

# Rows and columns of training image 0 of MNIST (a 5) that are not blank: read off the published set.
FIRST_LABELS = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


@pytest.fixture(scope="module")
def embedded():
    return Mnist().load(MnistProtocol(), "mnist-5k")


def test_the_embedded_digits_are_split_by_class_and_disjoint(embedded):
    (train_x, train_y), (test_x, test_y) = embedded.train, embedded.test
    assert train_x.shape == (4000, 784) and test_x.shape == (1000, 784)
    assert torch.bincount(train_y).tolist() == [400] * 10 and torch.bincount(test_y).tolist() == [100] * 10
    # a limit keeps the classes balanced
    assert torch.bincount(train_y[:200]).tolist() == [20] * 10
    seen = {row.numpy().tobytes() for row in train_x}
    assert not any(row.numpy().tobytes() in seen for row in test_x)
    assert train_x.max() == 255 and 25 < train_x.float().mean() < 40


def test_direct_coding_repeats_the_image_and_bernoulli_coding_draws_its_rates(embedded):
    batch = next(embedded.test_batches())
    assert batch.inputs.shape == (10, 1000, 784) and batch.inputs.stride(0) == 0
    assert torch.equal(batch.inputs[3], embedded.test[0].float() / 255)
    spikes = next(Mnist().load(MnistProtocol(coding="bernoulli", T=200), "mnist-5k").test_batches()).inputs[:, :50]
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    assert (spikes.mean(0) - batch.inputs[0, :50]).abs().max() < 0.2


def test_every_epoch_holds_each_image_once_in_an_order_of_its_own(embedded):
    def labels(seed, epoch):
        return torch.cat([b.labels for b in embedded.train_batches(seed, epoch)])

    first = labels(0, 0)
    assert torch.bincount(first).tolist() == [400] * 10
    assert torch.equal(first, labels(0, 0))
    assert not torch.equal(first, labels(0, 1)) and not torch.equal(first, labels(1, 0))


def test_rates_are_compared_with_one_hot_and_the_lowest_class_wins_a_tie():
    rates = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    labels = torch.tensor([1, 2])
    assert Mnist().correct(MnistProtocol(), rates, labels).tolist() == [0.0, 1.0]
    assert float(Mnist().loss(MnistProtocol(), rates, labels)) == pytest.approx((0.25 + 0.25) / 6)
    cross = Mnist().loss(MnistProtocol(loss="cross_entropy"), rates[1:], labels[1:])
    assert float(cross) == pytest.approx(-np.log(np.e / (np.e + 2)), rel=1e-6)


def test_more_images_than_there_are_is_refused_by_name():
    with pytest.raises(DataError, match="train_samples is 4001, but this source has 4000 images"):
        Mnist().load(MnistProtocol(train_samples=4001), "mnist-5k")


def test_the_official_set_is_read_whole(real_data, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    data = Mnist().load(MnistProtocol(), "official")
    assert data.train[0].shape == (60000, 784) and data.test[0].shape == (10000, 784)
    assert data.train[1][:10].tolist() == FIRST_LABELS
    assert torch.bincount(data.test[1]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_a_damaged_file_is_named_with_the_mend(real_data, tmp_path, monkeypatch):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in mnist.FILES:
        shutil.copy(real_data / "MNIST" / "raw" / name, folder / name)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"not labels"))
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz is damaged .* delete it"):
        Mnist().load(MnistProtocol(), "official")


def test_missing_data_that_cannot_be_fetched_names_the_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    monkeypatch.setattr(mnist, "BASE_URL", "http://127.0.0.1:9/")
    with pytest.raises(DataError, match=r"set LIFROLES_DATA .* or use the source mnist-5k"):
        Mnist().load(MnistProtocol(), "official")
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
