"""Sequences kept as their entries: what they hold, and what they refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lifroles.errors import SpecError
from lifroles.sparse import SparseSequence, index_type


def spikes(shape, density=0.3, seed=0):
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < density).float()


@given(steps=st.integers(0, 5), batch=st.integers(0, 4), features=st.integers(0, 40), counts=st.booleans())
def test_a_dense_sequence_comes_back(steps, batch, features, counts):
    dense = spikes((steps, batch, features)) * (3 if counts else 1)
    sparse = SparseSequence.from_dense(dense)
    assert torch.equal(sparse.dense(), dense)
    assert sparse.entries == int((dense != 0).sum())
    assert (sparse.values is None) == (not counts or sparse.entries == 0)
    if dense.numel():
        assert sparse.density == pytest.approx(float((dense != 0).double().mean()))
        rows = dense.transpose(0, 1).reshape(-1, features)
        assert torch.equal(sparse.csr().to_dense(), rows)


def test_rows_are_sample_by_sample():
    dense = torch.zeros(2, 2, 5)
    dense[0, 0, 3] = dense[1, 0, 1] = dense[0, 1, 4] = 1
    sparse = SparseSequence.from_dense(dense)
    assert sparse.indptr.tolist() == [0, 1, 2, 3, 3]
    assert sparse.indices.tolist() == [3, 1, 4]


def test_samples_are_put_side_by_side():
    dense = spikes((4, 3, 7))
    parts = [SparseSequence.from_dense(dense[:, b : b + 1]) for b in range(3)]
    batch = SparseSequence.from_samples(4, 7, [(part.indptr, part.indices, part.values) for part in parts])
    assert torch.equal(batch.dense(), dense)
    assert torch.equal(batch.dense(torch.float64), dense.double())


def test_no_samples_make_an_empty_batch():
    assert SparseSequence.from_samples(4, 7, []).shape == (4, 0, 7)


def test_channels_beyond_sixteen_bits():
    assert index_type(1 << 16) is np.uint16
    dense = torch.zeros(1, 1, (1 << 16) + 2)
    dense[0, 0, -1] = 1
    assert SparseSequence.from_dense(dense).indices.tolist() == [1 << 16 | 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indptr": np.array([0, 2])}, r"rows of \[2, 1, 4\] need int64\[3\]"),
        ({"indptr": np.array([0, 1, 3])}, "has to rise from 0 to 2"),
        ({"indptr": np.array([0, 3, 2])}, "has to rise from 0 to 2"),
        ({"indices": np.array([0, 3])}, "indices are int64"),
        ({"indices": np.array([0, 4], np.uint16)}, "an index is 4: channels are numbered from 0 to 3"),
        ({"values": np.ones(2)}, r"values are float64\[2\]: give float32\[2\]"),
        ({"values": np.ones(1, np.float32)}, r"values are float32\[1\]: give float32\[2\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    given_arrays = {"indptr": np.array([0, 1, 2]), "indices": np.array([0, 3], np.uint16), "values": None, **change}
    with pytest.raises(SpecError, match=message):
        SparseSequence((2, 1, 4), **given_arrays)


def test_samples_that_do_not_fit_are_refused():
    one = (np.array([0, 1]), np.array([2], np.uint16), None)
    with pytest.raises(SpecError, match="indptr has to have 3 entries"):
        SparseSequence.from_samples(2, 5, [one])
    with pytest.raises(SpecError, match="some samples have values"):
        SparseSequence.from_samples(1, 5, [one, (*one[:2], np.ones(1, np.float32))])
    with pytest.raises(SpecError, match=r"give \[T, B, N\]"):
        SparseSequence.from_dense(torch.zeros(2, 3))
