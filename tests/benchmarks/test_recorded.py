"""The benchmarks of recorded events: each trains from its publisher's format, and does what its protocol says."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
import small_sets
import torch
from torch.nn import functional as F

from lifroles import training
from lifroles.benchmarks import BENCHMARKS, cifar10, rates
from lifroles.benchmarks.recordings import EventData
from lifroles.benchmarks.shd import Shd, ShdProtocol
from lifroles.benchmarks.ssc import SscProtocol
from lifroles.data import digits
from lifroles.data.words import COMMANDS, DIGITS
from lifroles.errors import DataError, SpecError
from lifroles.resnet import SpikingResNet
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.trainer import evaluate
from lifroles.training import run, train


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder with a tiny set of every publisher's format, and a cache folder of its own."""
    root = tmp_path_factory.mktemp("made")
    data = root / "data"
    small_sets.write_digits(data / "NMNIST", 100, 40)
    labels = [i % 20 for i in range(80)]
    small_sets.write_words(data / "SHD" / "shd_train.h5", labels, DIGITS)
    small_sets.write_words(data / "SHD" / "shd_test.h5", labels[:40], DIGITS, seed=1)
    for i, split in enumerate(("train", "valid", "test")):
        small_sets.write_words(data / "SSC" / f"ssc_{split}.h5", [i % 35 for i in range(70)], COMMANDS, seed=i)
    small_sets.write_cut_gestures(data / "DVSGesture")
    small_sets.write_images(data / "cifar-10-batches-bin")
    return root


@pytest.fixture
def folders(made, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(made / "data"))
    monkeypatch.setenv("LIFROLES_CACHE", str(made / "cache"))
    return made


def recorded(spec: RunSpec) -> EventData:
    """Return the spec's data, which are recorded events."""
    data = spec.task.load(spec.protocol, spec.source)
    assert isinstance(data, EventData)
    return data


SMALL = {
    "shd": {"dt": 10.0, "batch_size": 16},
    "ssc": {"dt": 10.0, "hidden": 32, "batch_size": 16, "readout": "softmax_sum", "readout_from": 11},
    "nmnist": {"hidden": 32, "batch_size": 20, "lr": 1e-2},
    "dvs_gesture": {"hidden": 32, "batch_size": 11, "lr": 1e-2},
    "cifar10": {"network": "mlp", "hidden": 32, "batch_size": 20, "lr": 1e-2},
}


@pytest.mark.parametrize("name", SMALL)
def test_two_epochs_from_the_publishers_format_learn_something(folders, name):
    spec = RunSpec.of(name, "baseline", source="local", epochs=2, **SMALL[name])
    record = train(spec)
    history = record.history
    assert record.status == "completed" and record.epochs == 2
    assert history["train_loss"][1] < history["train_loss"][0]
    assert record.provenance["source"] == "local" and record.provenance["loader_seconds"] >= 0
    again = train(spec)
    assert again.history == history and again.provenance["data_sha256"] == record.provenance["data_sha256"]
    spoken = name in ("shd", "ssc")
    assert set(record.final["learned_leaks"]) == ({"hidden1", "output"} if spoken else set())
    assert ("valid_accuracy" in history) == (name == "ssc")


def test_the_recordings_of_playing_cards_are_told_apart(real_data, folders, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    record = train(RunSpec.of("poker", "baseline", epochs=8))
    assert record.final["last_accuracy"] >= 0.8 and set(record.final["group_accuracy"]) == set(
        BENCHMARKS["poker"].groups
    )


def test_real_digits_are_learnt_from_their_first_45_ms(real_data, folders, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    record = train(RunSpec.of("nmnist", "baseline", source="subset", epochs=4, batch_size=64, lr=3e-3, hidden=128))
    assert record.final["last_accuracy"] > 0.6


def test_images_are_learnt_a_little(real_data, folders, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    changes = {"train_samples": 2000, "test_samples": 500, "batch_size": 50, "augment": "none", "T": 2}
    changes |= {"network": "mlp", "hidden": 64}
    record = train(RunSpec.of("cifar10", "baseline", source="jpeg", epochs=2, lr=3e-3, **changes))
    assert record.final["last_accuracy"] > 0.17
    shapes = train(RunSpec.of("cifar10", "baseline", epochs=2, network="mlp", hidden=64, batch_size=50, lr=3e-3))
    assert shapes.provenance["source"] == "shapes" and shapes.final["last_accuracy"] > 0.15


def test_the_residual_network_is_trained_and_read_back_as_it_was(tmp_path):
    store = Store(tmp_path)
    small = {"channels": 0.125, "T": 2, "train_samples": 60, "test_samples": 30, "batch_size": 20, "lr": 3e-3}
    spec = RunSpec.of("cifar10", "no_reset", epochs=2, **small)
    record = run(spec, store, weights=True)
    assert np.isfinite(record.history["train_loss"]).all()
    assert 0 < record.final["spike_rate"]["stem"] < 1
    assert {"stem", "block1.1", "block8.2", "output"} <= record.final["spike_rate"].keys()
    network = record.load_network()
    assert isinstance(network, SpikingResNet)
    found = evaluate(spec, network, spec.task.load(spec.protocol, spec.source))
    assert found.accuracy == record.final["last_accuracy"]


def test_a_residual_network_has_no_recurrence_and_no_fewer_channels_than_eight(tmp_path):
    record = run(RunSpec.of("cifar10", "recurrent", train_samples=20, test_samples=10), Store(tmp_path))
    assert record.status == "failed" and "no recurrent variant" in str(record.reason)
    with pytest.raises(SpecError, match="channels"):
        RunSpec.of("cifar10", "baseline", channels=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "source", "changes"),
    [
        ("nmnist", "saccades-5k", {"train_samples": 20, "test_samples": 10, "hidden": 16}),
        ("dvs_gesture", "gestures", {"train_samples": 11, "test_samples": 11, "hidden": 16}),
        ("shd", "speech", {"train_samples": 4, "test_samples": 2, "dt": 10.0}),
        ("ssc", "speech", {"train_samples": 4, "valid_samples": 2, "test_samples": 2, "dt": 10.0, "hidden": 16}),
    ],
)
def test_two_epochs_from_a_stand_in(folders, require, name, source, changes):
    if source == "speech":
        installed = importlib.util.find_spec("espeakng_loader")
        require(installed, "eSpeak NG is not installed: pip install -e '.[standins]'")
    record = train(RunSpec.of(name, "baseline", source=source, epochs=2, **changes))
    assert record.status == "completed" and record.provenance["source"] == source
    again = recorded(RunSpec.of(name, "baseline", source=source, **changes))
    assert again.digest == record.provenance["data_sha256"] and len(again.train.samples) == changes["train_samples"]


# --- batches ---------------------------------------------------------------------------------------------------------


def test_every_epoch_holds_each_recording_once_in_an_order_of_its_own(folders):
    spec = RunSpec.of("nmnist", "baseline", source="local", batch_size=30)
    data = spec.task.load(spec.protocol, "local")

    def order(seed, epoch):
        batches = list(data.train_batches(seed, epoch))
        assert [len(b.labels) for b in batches] == [30, 30, 30, 10]
        return torch.cat([b.labels for b in batches]).tolist()

    assert sorted(order(0, 0)) == sorted(np.arange(100) % 10)
    assert order(0, 0) == order(0, 0) and len({tuple(order(*k)) for k in ((0, 0), (0, 1), (1, 0))}) == 3


def test_more_recordings_than_there_are_is_refused_by_name(folders):
    spec = RunSpec.of("nmnist", "baseline", source="local", train_samples=101)
    with pytest.raises(DataError, match="train_samples is 101, but this source has 100 recordings"):
        spec.task.load(spec.protocol, "local")
    few = RunSpec.of("nmnist", "baseline", source="local", train_samples=7, test_samples=3)
    data = few.task.load(few.protocol, "local")
    assert sum(len(b.labels) for b in data.train_batches(0, 0)) == 7
    assert torch.cat([b.labels for b in data.test_batches()]).tolist() == [0, 1, 2]


# --- N-MNIST ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [1.0, 2.0, 3.0, 5.0, 10.0])
@pytest.mark.parametrize(("T", "convention"), [(15, "steps"), (None, "duration")])
def test_both_conventions_of_n_mnists_duration_on_real_digits(real_data, folders, monkeypatch, dt, T, convention):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    spec = RunSpec.of("nmnist", "baseline", source="subset", dt=dt, T=T)
    steps = 15 if convention == "steps" else {1: 45, 2: 22, 3: 15, 5: 9, 10: 4}[int(dt)]
    assert spec.task.protocol.model_validate(spec.protocol.model_dump()).steps == steps
    batch = next(spec.task.load(spec.protocol, "subset").test_batches())
    inputs = batch.inputs.dense()
    assert inputs.shape == (steps, 100, 2312) and set(inputs.unique().tolist()) == {0.0, 1.0}
    listed = digits.list_digits(real_data / "NMNIST", "Test")
    for i, (digit, e) in zip((0, 1, 2), digits.read_digits(listed[:3]), strict=True):
        frames = np.zeros((steps, 2, 34, 34), np.float32)
        inside = e.t < steps * dt * 1000
        frames[e.t[inside] // int(dt * 1000), e.p[inside], e.y[inside], e.x[inside]] = 1
        assert np.array_equal(inputs[:, i].numpy(), frames.reshape(steps, -1)) and int(batch.labels[i]) == digit.label


def test_counts_are_kept_where_the_protocol_says(folders):
    plain, counted = (
        next(
            RunSpec.of("nmnist", "baseline", source="local", values=v, dt=45.0, T=1)
            .task.load(p, "local")
            .test_batches()
        )
        for v in ("binary", "counts")
        for p in [BENCHMARKS["nmnist"].protocol(values=v, dt=45.0, T=1)]
    )
    one, many = (b.inputs if isinstance(b.inputs, torch.Tensor) else b.inputs.dense() for b in (plain, counted))
    assert many.sum() == 40 * 400 and torch.equal((many > 0).float(), one) and many.max() > 1


# --- SHD and SSC -----------------------------------------------------------------------------------------------------


def test_the_scripts_channels_are_reversed_and_lack_the_first(folders):
    batches = {}
    for units in ("script", "all"):
        spec = RunSpec.of("shd", "baseline", source="local", units=units, dt=10.0)
        batches[units] = next(spec.task.load(spec.protocol, "local").test_batches()).inputs.dense()
    script, every = batches["script"], batches["all"]
    assert torch.equal(script[..., 1:], every[..., 1:].flip(-1)) and script[..., 0].sum() == 0


def test_the_scores_of_a_word():
    output = torch.randn(30, 4, 20, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 3, 19, 7])
    shd = ShdProtocol(dt=10.0)
    total = sum(F.softmax(output[t], -1) for t in range(30) if t > 10)
    assert isinstance(total, torch.Tensor)
    assert torch.allclose(Shd().loss(shd, output, labels), F.cross_entropy(total, labels))
    assert Shd().correct(shd, output, labels).tolist() == (total.argmax(-1) == labels).float().tolist()
    ssc = SscProtocol(dt=10.0)
    logits = F.log_softmax(output.mean(0), -1)
    assert torch.allclose(BENCHMARKS["ssc"].loss(ssc, output, labels), F.cross_entropy(logits, labels))
    rate = ShdProtocol(readout="rate")
    assert torch.allclose(Shd().loss(rate, output[0], labels), F.cross_entropy(output[0], labels))


@pytest.mark.parametrize("readout", ["softmax_sum", "mean_membrane", "rate"])
def test_every_readout_trains(folders, readout):
    spec = RunSpec.of("shd", "recurrent", source="local", dt=20.0, epochs=1, readout=readout, batch_size=40)
    assert train(spec).status == "completed"


def test_leaks_learn_at_their_own_rate():
    task = Shd()
    protocol = ShdProtocol()
    groups = task.parameters(protocol, RunSpec.of("shd", "baseline").network("reference"))
    assert [group.get("lr") for group in groups] == [None, 0.02]
    assert [p.numel() for p in groups[1]["params"]] == [64, 20]
    assert sum(p.numel() for p in groups[0]["params"]) == 700 * 64 + 64 + 64 * 20 + 20
    fixed = RunSpec.of("shd", "no_leakage").network("reference")
    assert len(task.parameters(protocol, fixed)) == 1
    record = train(RunSpec.of("xor", "baseline", epochs=1, iterations=1, test_samples=50))
    assert record.status == "completed", "benchmarks without such a rate train as they did"


def test_the_gradient_is_clipped_where_the_protocol_says(folders, monkeypatch):
    norms = []
    real = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda p, norm: norms.append((norm, float(real(p, norm)))))
    train(RunSpec.of("shd", "baseline", source="local", dt=20.0, epochs=1, batch_size=40, clip_norm=1e-3))
    assert [norm for norm, _ in norms] == [1e-3, 1e-3]
    norms.clear()
    train(RunSpec.of("shd", "baseline", source="local", dt=20.0, epochs=1, batch_size=40))
    assert norms == []


def test_speakers_are_held_out_of_training_as_a_validation_set(folders):
    spec = RunSpec.of("shd", "baseline", source="local", dt=20.0, valid_speakers=1, epochs=2, batch_size=20)
    data = spec.task.load(spec.protocol, "local")
    assert data.validation is not None
    held = sum(len(b.labels) for b in data.validation())
    assert held == 20 and sum(len(b.labels) for b in data.train_batches(0, 0)) == 60
    record = train(spec)
    final = record.final
    best = int(np.argmax(record.history["valid_accuracy"]))
    assert final["selected_epoch"] == best + 1
    assert final["selected_accuracy"] == record.history["test_accuracy"][best]
    assert set(record.history) >= {"valid_loss", "valid_accuracy"}
    json.dumps(final)
    with pytest.raises(DataError, match="valid_speakers is 4, but 4 speak in the training set"):
        spec.task.load(ShdProtocol(dt=20.0, valid_speakers=4), "local")
    assert "selected_accuracy" not in train(RunSpec.of("shd", "baseline", source="local", dt=20.0, epochs=1)).final


def test_a_replay_of_a_run_with_a_validation_set_is_identical(folders):
    record = train(RunSpec.of("ssc", "baseline", source="local", dt=20.0, epochs=2, hidden=16, batch_size=35))
    again = training.replay(record, epochs=1)
    assert again.identical and again.difference == 0


def test_words_are_grouped_by_name_whatever_order_a_file_has(folders, tmp_path, monkeypatch):
    """The published file's own order of the 35 words is in the file; a group is a word."""
    turned = tuple(reversed(DIGITS))
    for split in ("train", "test"):
        small_sets.write_words(tmp_path / "SHD" / f"shd_{split}.h5", [0, 1, 19] * 4, turned)
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    task = Shd()
    batch = next(task.load(ShdProtocol(dt=20.0), "local").test_batches())
    assert batch.labels[:3].tolist() == [0, 1, 19] and batch.groups[:3].tolist() == [19, 18, 0]
    assert [task.groups[i] for i in batch.groups[:3]] == ["neun", "acht", "zero"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dt": 100.0}, "readout_from is 11: the last of the 10 steps is 9"),
        ({"leak_init_low": 5.0}, "leak_init_low is above leak_init_high"),
        ({"edge": "middle"}, "edge is 'middle'"),
    ],
)
def test_a_protocol_of_words_that_cannot_be_is_refused(changes, sentence):
    with pytest.raises(SpecError, match=sentence):
        RunSpec.of("shd", "baseline", **changes)


def test_the_real_words_load_at_the_scripts_resolution(real_data, folders, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(real_data))
    spec = RunSpec.of("shd", "baseline", source="regenerated", test_samples=64, dt=10.0)
    data = recorded(spec)
    batch = next(data.test_batches())
    assert batch.inputs.shape == (100, 64, 700) and len(batch.labels) == 64
    assert len(data.train.samples) == 8156 and data.train.prepared.events > 46_000_000
    assert 0.02 < data.train.prepared.density < 0.2


# --- DVS128 Gesture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["max", "mean", "sum"])
def test_pixels_are_pooled_as_the_protocol_says(folders, pooling):
    spec = RunSpec.of("dvs_gesture", "baseline", source="local", pooling=pooling, T=4)
    batch = next(spec.task.load(spec.protocol, "local").test_batches())
    inputs = batch.inputs if isinstance(batch.inputs, torch.Tensor) else batch.inputs.dense()
    table = np.load(folders / "data" / "DVSGesture" / "ibmGestureTest" / "user24_led" / "3.npy").astype(int)
    frames = np.zeros((4, 2, 128, 128))
    np.add.at(frames, (np.arange(2000) // 500, table[:, 2], table[:, 1], table[:, 0]), 1)
    blocks = frames.reshape(4, 2, 32, 4, 32, 4)
    wanted = {"max": (blocks > 0).max((3, 5)), "mean": blocks.mean((3, 5)), "sum": blocks.sum((3, 5))}[pooling]
    assert int(batch.labels[3]) == 3
    assert np.allclose(inputs[:, 3].numpy(), wanted.reshape(4, -1).astype(np.float32))


def test_gestures_in_the_cameras_own_files_train_as_well(folders, tmp_path, monkeypatch):
    small_sets.write_camera_gestures(tmp_path / "DVSGesture" / "DvsGesture")
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    spec = RunSpec.of("dvs_gesture", "baseline", source="local", epochs=1, hidden=16)
    data = recorded(spec)
    assert len(data.train.samples) == 23 and len(data.test.samples) == 11
    assert train(spec).status == "completed"


# --- CIFAR10 ---------------------------------------------------------------------------------------------------------


def test_images_are_shifted_and_mirrored_and_nothing_else():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 3, 32, 32)).astype(np.uint8)
    plain = cifar10.normalised(images)
    mean, deviation = np.array(cifar10.MEAN)[:, None, None], np.array(cifar10.DEVIATION)[:, None, None]
    assert np.allclose(plain, (images / 255 - mean) / deviation, atol=1e-5)
    moved = cifar10.normalised(images, np.random.default_rng(1))
    black = ((0 - mean) / deviation).astype(np.float32)
    seen = set()
    for i in range(60):
        padded = np.broadcast_to(black, (3, 40, 40)).copy()
        padded[:, 4:36, 4:36] = plain[i]
        found = [
            (dy, dx, flip)
            for dy in range(9)
            for dx in range(9)
            for flip in (False, True)
            if np.allclose(moved[i], padded[:, dy : dy + 32, dx : dx + 32][:, :, :: -1 if flip else 1], atol=1e-5)
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert {dy for dy, _, _ in seen} == {dx for _, dx, _ in seen} == set(range(9)) and len({f for *_, f in seen}) == 2


def test_test_images_are_as_they_are_and_training_images_the_same_in_every_run(folders):
    task = BENCHMARKS["cifar10"]
    data = task.load(task.protocol(batch_size=10), "local")
    assert torch.equal(next(data.train_batches(0, 0)).inputs, next(data.train_batches(0, 0)).inputs)
    assert not torch.equal(next(data.train_batches(0, 0)).inputs, next(data.train_batches(0, 1)).inputs)
    batch = next(data.test_batches())
    assert batch.inputs.stride(0) == 0 and batch.inputs.shape == (4, 20, 3072)
    raw = np.fromfile(folders / "data" / "cifar-10-batches-bin" / "test_batch.bin", np.uint8).reshape(20, 3073)
    assert np.allclose(batch.inputs[0], cifar10.normalised(raw[:, 1:].reshape(20, 3, 32, 32)).reshape(20, -1))


def test_rates_and_their_losses():
    output, labels = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]), torch.tensor([1, 2])
    assert rates.correct(output, labels).tolist() == [0.0, 1.0]
    assert float(rates.loss("mse", output, labels)) == pytest.approx(0.5 / 6)


def test_what_is_prepared_survives_the_loss_of_the_data(folders, tmp_path, monkeypatch):
    """The cache's key is the source's checksum, which needs the source: without it there is no silent stand-in."""
    spec = RunSpec.of("nmnist", "baseline", source="local")
    spec.task.load(spec.protocol, "local")
    shutil.copytree(folders / "data" / "NMNIST", tmp_path / "NMNIST")
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    assert spec.task.load(spec.protocol, "local").digest == spec.task.load(spec.protocol, "local").digest
    shutil.rmtree(tmp_path / "NMNIST")
    with pytest.raises(DataError, match="choose another source"):
        spec.task.load(spec.protocol, "local")
