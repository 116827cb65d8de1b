"""The data sets: which files, from where, with which checksum, under which licence, to be cited how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lifroles.errors import DataError
from lifroles.paths import data_dir


@dataclass(frozen=True, slots=True)
class File:
    """One file as its publisher offers it.

    Arguments:
        name: its name below the set's folder.
        checksum: ``md5:...`` or ``sha256:...``, as published, or as tonic 1.7 has it.
        url: where it is fetched; ``None``: by hand, from the set's home page.
        members: files or folders unpacked from it; empty where it is read as it is.
        prefix: beginning of the members' names in the archive, dropped when they are unpacked.
        size: bytes; 0 where that is not known before it is fetched.
    """

    name: str
    checksum: str
    url: str | None
    members: tuple[str, ...] = ()
    prefix: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set: its name here, its folder below ``LIFROLES_DATA``, its files and its terms."""

    name: str
    title: str
    folder: str
    files: tuple[File, ...]
    licence: str
    citation: str
    homepage: str

    def path(self) -> Path:
        """Return the folder it lies in, or would."""
        return data_dir() / self.folder

    def file(self, name: str) -> File:
        """Return the file of this name."""
        return next(file for file in self.files if file.name == name)


MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST = {
    "train-images-idx3-ubyte.gz": ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
    "train-labels-idx1-ubyte.gz": ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
    "t10k-images-idx3-ubyte.gz": ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
    "t10k-labels-idx1-ubyte.gz": ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
}
"""The four original files: SHA-256 and bytes."""

_ZENKE = "https://zenkelab.org/datasets/"
_MENDELEY = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
_TONIC = (  # tonic carries these two archives in its own source
    "https://raw.githubusercontent.com/neuromorphs/tonic/d6f0a56421008c8e5700ca52abda193f9ff29836/tonic/datasets/"
)
_CRAMER = (
    "B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke, 'The Heidelberg spiking data sets for the systematic evaluation "
    "of spiking neural networks', IEEE Transactions on Neural Networks and Learning Systems 33 (2022) 2744-2757"
)


def _words(name: str, split: str, md5: str) -> File:
    return File(
        f"{name}_{split}.h5.zip", f"md5:{md5}", f"{_ZENKE}{name}_{split}.h5.zip", members=(f"{name}_{split}.h5",)
    )


DATASETS: Mapping[str, DataSet] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            DataSet(
                "shd",
                "Spiking Heidelberg Digits",
                "SHD",
                (
                    _words("shd", "train", "f3252aeb598ac776c1b526422d90eecb"),
                    _words("shd", "test", "1503a5064faa34311c398fb0a1ed0a6f"),
                ),
                "CC BY 4.0",
                _CRAMER,
                "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/",
            ),
            DataSet(
                "ssc",
                "Spiking Speech Commands",
                "SSC",
                (
                    _words("ssc", "train", "d102be95e7144fcc0553d1f45ba94170"),
                    _words("ssc", "valid", "b4eee3516a4a90dd0c71a6ac23a8ae43"),
                    _words("ssc", "test", "a35ff1e9cffdd02a20eb850c17c37748"),
                ),
                "CC BY 4.0",
                _CRAMER,
                "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/",
            ),
            DataSet(
                "nmnist",
                "N-MNIST",
                "NMNIST",
                (
                    File(
                        "train.zip",
                        "md5:20959b8e626244a1b502305a9e6e2031",
                        f"{_MENDELEY}39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
                    ),
                    File(
                        "test.zip",
                        "md5:69ca8762b2fe404d9b9bad1103e97832",
                        f"{_MENDELEY}05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
                    ),
                ),
                "CC BY-SA 4.0",
                "G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, 'Converting static image datasets to spiking "
                "neuromorphic datasets using saccades', Frontiers in Neuroscience 9 (2015) 437",
                "https://www.garrickorchard.com/datasets/n-mnist",
            ),
            DataSet(
                "dvs_gesture",
                "DVS128 Gesture",
                "DVSGesture",
                (
                    File("DvsGesture.tar.gz", "md5:8a5c71fb11e24e5ca5b11866ca6c00a1", None, members=("DvsGesture",)),
                    File(
                        "ibmGestureTrain.tar.gz",
                        "md5:3a8f0d4120a166bac7591f77409cb105",
                        "https://figshare.com/ndownloader/files/38022171",
                        members=("ibmGestureTrain",),
                    ),
                    File(
                        "ibmGestureTest.tar.gz",
                        "md5:56070e45dadaa85fff82e0fbfbc06de5",
                        "https://figshare.com/ndownloader/files/38020584",
                        members=("ibmGestureTest",),
                    ),
                ),
                "CC BY 4.0",
                "A. Amir et al., 'A low power, fully event-based gesture recognition system', IEEE Conference on "
                "Computer Vision and Pattern Recognition (2017) 7243-7252",
                "https://research.ibm.com/interactive/dvsgesture/",
            ),
            DataSet(
                "mnist",
                "MNIST",
                "MNIST/raw",
                tuple(File(name, f"sha256:{sha}", MNIST_URL + name, size=n) for name, (sha, n) in MNIST.items()),
                "CC BY-SA 3.0",
                "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, 'Gradient-based learning applied to document "
                "recognition', Proceedings of the IEEE 86 (1998) 2278-2324",
                "http://yann.lecun.com/exdb/mnist/",
            ),
            DataSet(
                "cifar10",
                "CIFAR10",
                "cifar-10-batches-bin",
                (
                    File(
                        "cifar-10-binary.tar.gz",
                        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                        members=(*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin", "batches.meta.txt"),
                        prefix="cifar-10-batches-bin/",
                        size=170_052_171,
                    ),
                ),
                "none stated; free to use with citation",
                "A. Krizhevsky, 'Learning multiple layers of features from tiny images', University of Toronto (2009)",
                "https://www.cs.toronto.edu/~kriz/cifar.html",
            ),
            DataSet(
                "poker",
                "POKER-DVS",
                "POKERDVS",
                (
                    File(
                        "pips_train.tar.gz",
                        "md5:412bcfb96826e4fcb290558e8c150aae",
                        _TONIC + "pips_train.tar.gz",
                        size=700_096,
                    ),
                    File(
                        "pips_test.tar.gz",
                        "md5:eef2bf7d0d3defae89a6fa98b07c17af",
                        _TONIC + "pips_test.tar.gz",
                        size=311_022,
                    ),
                ),
                "none stated; free for research",
                "T. Serrano-Gotarredona, B. Linares-Barranco, 'Poker-DVS and MNIST-DVS. Their history, how they were "
                "made, and other details', Frontiers in Neuroscience 9 (2015) 481",
                "http://www2.imse-cnm.csic.es/caviar/POKERDVS.html",
            ),
        )
    }
)


def get(name: str) -> DataSet:
    """Return the data set of this name.

    Raises:
        DataError: there is none.
    """
    if name not in DATASETS:
        raise DataError(f"There is no data set {name!r}: give one of {', '.join(DATASETS)}.")
    return DATASETS[name]
