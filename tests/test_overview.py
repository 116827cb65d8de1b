"""The benchmarks side by side say what the paper's tables say, and mark where they do not."""

from lifroles import overview, paper
from lifroles.benchmarks import BENCHMARKS
from lifroles.resnet import SpikingResNet


def rows(table):
    return {row[0].rstrip("*"): dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_the_seven_benchmarks_of_the_paper_have_its_names():
    assert tuple(BENCHMARKS)[:7] == paper.TABLE6_BENCHMARKS and tuple(BENCHMARKS)[7:] == ("poker",)


def test_the_data_sets_are_those_of_tables_1_to_3_with_the_papers_errors_corrected():
    table = overview.data_table()
    found = rows(table)
    assert found["SHD"]["Samples"].startswith("10,420 ") and found["SSC"]["Samples"].startswith("105,829 ")
    assert found["N-MNIST"]["Samples"].startswith("70,000 ") and found["CIFAR10"]["Samples"].startswith("60,000 ")
    # Table 1 says 10 classes, Table 3 says 1,342 samples
    assert found["SHD"]["Classes"] == "20" and "1,176 train, 288 test" in found["DVS128 Gesture"]["Samples"]
    notes = dict(zip((row[0] for row in table.rows), table.notes, strict=True))
    assert "Table 1 says 10 classes" in notes["SHD*"] and "1,342" in notes["DVS128 Gesture*"]
    assert notes["N-MNIST"] == notes["MNIST"] == notes["CIFAR10"] == ""
    for name, one in BENCHMARKS.items():
        assert one.chance == 1 / int(found[one.title]["Classes"]), name
        assert len(one.groups) == int(found[one.title]["Classes"]) or name == "xor"


def test_the_networks_are_those_of_table_4():
    found = rows(overview.network_table())
    assert {name: row["Units"] for name, row in found.items()} == {
        "Delayed spiking XOR": "20–16–2",
        "SHD": "700–64–20",
        "SSC": "700–200–35",
        "N-MNIST": "2312–512–10",
        "DVS128 Gesture": "2048–512–512–11",
        "MNIST": "784–512–10",
        "CIFAR10": "3072–ResNet-18–10",
        "POKER-DVS": "2450–128–4",
    }
    assert (found["SHD"]["T"], found["SHD"]["dt"]) == ("1000", "1 ms")
    assert (found["N-MNIST"]["T"], found["N-MNIST"]["dt"]) == ("15", "3 ms")
    notes = dict(zip(found, overview.network_table().notes, strict=True))
    assert "residual network" in notes["CIFAR10"]
    losses = {name: row["Loss"] for name, row in found.items()}
    assert losses["Delayed spiking XOR"] == losses["SHD"] == "cross-entropy, softmax acts twice"
    assert (losses["SSC"], losses["N-MNIST"], losses["CIFAR10"]) == ("cross-entropy", "mse", "cross entropy")


def test_a_network_has_the_units_its_table_says():
    for one in BENCHMARKS.values():
        protocol = one.protocol()
        variant = one.normal_leak
        from lifroles.variant import Variant

        network = one.network(protocol, Variant(leak=variant), "reference")
        if isinstance(network, SpikingResNet):
            assert "ResNet-18" in one.architecture(protocol) and sum(p.numel() for p in network.parameters()) > 11e6
            continue
        sizes = [network.linears[0].in_features, *(linear.out_features for linear in network.linears)]
        assert tuple(sizes) == one.sizes(protocol)


def test_the_hyper_parameters_are_those_of_table_5():
    found = rows(overview.training_table())
    temporal = ("100", "512", "0.01", "0.5", "0.5", "Adam", "StepLR (20, 0.5)")
    moving = ("100", "1024", "0.0001", "0.3", "0.25", "Adam", "StepLR (25, 0.1)")
    still = ("100", "512", "0.0001", "0.3", "0.25", "Adam", "StepLR (25, 0.1)")
    for names, wanted in (
        (("SHD", "SSC"), temporal),
        (("N-MNIST", "DVS128 Gesture"), moving),
        (("MNIST", "CIFAR10"), still),
    ):
        for name in names:
            assert tuple(found[name].values())[1:] == wanted, name


def test_every_number_of_a_protocol_has_its_source():
    for one in BENCHMARKS.values():
        for name, _, description, source in one.protocol().rows():
            assert description and source, (one.name, name)
