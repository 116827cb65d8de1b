"""What the files in the data folder are, told by their checksums: the published set, a known copy, or neither.

Only files whose checksum is the publisher's, or that came out of an archive with the publisher's checksum, are called
``official``. Other copies that are known have their own names. What is left is ``local``.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lifroles.data.files import checksum, hash_lines, nature_of, remembered, sha256, tree_sha256
from lifroles.data.registry import DataSet, File
from lifroles.data.words import open_words, read_words
from lifroles.errors import DataError

RECEIPTS = ".lifroles-official.json"
"""Beside unpacked files: SHA-256 of each file that was unpacked from an archive with the publisher's checksum."""

# The Heidelberg Digits' audio turned into spikes again with the cochlea model of the published set: SHA-256 of labels,
# speakers, times (float16) and channels (uint16), because an HDF5 file's own bytes depend on who wrote it.
REGENERATED = {
    "shd_train.h5": "78e22b3c2d06441e9609afae0f6e48e1e93e811c9b771aa5b9c57d282ce4d768",
    "shd_test.h5": "eccf9e464f8c7dbfb45bfb6941a08c337a8dfb95ad2cf62eb4862a3ba79ef625",
}

# 960 + 100 recordings of N-MNIST: SHA-256 over the names and SHA-256 of all files.
SUBSETS = {
    "Train": "022317c95135a936567964f8c94ba668e127f3aeb06a820719bf0436d927334b",
    "Test": "e8a91c4acb91c3cabc8255710e9762e5f8520d7daeaf28e3c0469c6f4d635a37",
}

# CIFAR10's images stored as JPEG and decoded again: close to the published ones, and not equal.
JPEG = {
    "data_batch_1.bin": "8da035fc1631e8ce5f25904206b8993b0f3ad02a504c0584d662e806fd76c12b",
    "data_batch_2.bin": "106eeaad9f1fa7a999292fdafe68ee909080f58aee038a76994035aedf40ba26",
    "data_batch_3.bin": "99cb88ba00fca88bf28c517a74307b6b78a346c6ea747a561cb8e660c787d5cb",
    "data_batch_4.bin": "76b482bc3bb79c0370e48ea71bb6e4f567a3770d224dc09a9ddc8cfa2369f294",
    "data_batch_5.bin": "490f5ead4f04a3eb71d5898eb551e0d8d2c592feb778fb9b109a006b3f231495",
    "test_batch.bin": "0ce179d0c0a5220739d6223197952896644ceabb648dacfdebd7f06789af543f",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A file or folder, the source it is (``official``, ``regenerated``, ``subset``, ``jpeg``, ``local``), its hash."""

    path: Path
    source: str
    digest: str


def receipts(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each unpacked file of published archives, by name; empty where none was unpacked here."""
    try:
        found = json.loads((folder / RECEIPTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def published(dataset: DataSet, folder: Path, name: str) -> str | None:
    """Return the SHA-256 that an unpacked file has to have to be the published one; ``None`` where that is unknown.

    It is known from unpacking here, or from the archive where that still lies beside.
    """
    known = receipts(folder)
    if name in known:
        return known[name]
    for file in dataset.files:
        archive = folder / file.name
        if name in file.members and archive.is_file() and is_published(archive, file):
            return remembered(archive, f"member {name}", lambda a=archive, m=file.prefix + name: _member(a, m))
    return None


def is_published(path: Path, file: File) -> bool:
    """Return whether a file has its publisher's checksum."""
    kind, _, want = file.checksum.partition(":")
    return remembered(path, kind, lambda: checksum(path, kind)) == want


def _member(archive: Path, name: str) -> str:
    """Return the SHA-256 of a file in an archive, or of a folder in it as :func:`tree_checksum` has it.

    Raises:
        DataError: the archive lacks it or cannot be read, although its checksum is right.
    """
    hashes: dict[str, str] = {}
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as opened:
                for entry in opened.infolist():
                    if not entry.is_dir() and (entry.filename == name or entry.filename.startswith(f"{name}/")):
                        with opened.open(entry) as file:
                            hashes[entry.filename] = _stream_hash(file)
        else:
            with tarfile.open(archive) as opened:
                for member in opened:
                    file = opened.extractfile(member) if member.isfile() else None
                    if file is not None and (member.name == name or member.name.startswith(f"{name}/")):
                        hashes[member.name] = _stream_hash(file)
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{archive} cannot be read ({error}): delete it and fetch it again.") from error
    if not hashes:
        raise DataError(f"{archive} does not hold {name}: delete it and fetch it again.")
    if name in hashes:
        return hashes[name]
    lines = {key.removeprefix(f"{name}/"): value for key, value in hashes.items()}
    return hash_lines(lines)


def _stream_hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()


def word_content(path: Path, classes: int) -> str:
    """Return the SHA-256 of what a file of SHD's layout says, whoever wrote it."""
    words = open_words(path, classes)
    digest = hashlib.sha256(words.labels.astype("<u2").tobytes() + words.speakers.astype("<u2").tobytes())
    for spikes in read_words(words, trusted=True):
        digest.update(spikes.t.astype("<f2").tobytes() + spikes.unit.astype("<u2").tobytes())
    return digest.hexdigest()


def identify_words(dataset: DataSet, folder: Path, name: str, classes: int) -> Identity:
    """Return what an HDF5 file of SHD's layout is.

    Raises:
        DataError: it is missing or cannot be read.
    """
    path = folder / name
    if not path.is_file():
        raise _missing(path, dataset)
    digest = sha256(path)
    if digest == published(dataset, folder, name):
        return Identity(path, "official", digest)
    if name in REGENERATED and remembered(path, "words", lambda: word_content(path, classes)) == REGENERATED[name]:
        return Identity(path, "regenerated", digest)
    return Identity(path, "local", digest)


def identify_digits(dataset: DataSet, folder: Path, split: str) -> Identity:
    """Return what N-MNIST's ``Train`` or ``Test`` is; the publisher's archive is read as it is, without unpacking.

    Raises:
        DataError: there is neither the archive nor a folder, or the archive is not the published one.
    """
    archive = dataset.file(f"{split.lower()}.zip")
    path = folder / archive.name
    if path.is_file():
        return identify_archive(dataset, folder, archive.name)
    if not (folder / split).is_dir():
        raise DataError(
            f"{folder} holds neither {archive.name} nor {split}: `lifroles data fetch {dataset.name}` fetches it, or "
            "choose another source."
        )
    digest = tree_sha256(folder / split, ".bin")
    return Identity(folder, "subset" if SUBSETS[split] == digest else "local", digest)


def identify_archive(dataset: DataSet, folder: Path, name: str) -> Identity:
    """Return a publisher's archive that is read as it is.

    Raises:
        DataError: it is missing, or not the published one.
    """
    path = folder / name
    if not path.is_file():
        raise _missing(path, dataset)
    if not is_published(path, dataset.file(name)):
        raise DataError(
            f"{path} is not the published archive (its checksum says so; {nature_of(path)}): delete it and fetch it "
            "again."
        )
    return Identity(path, "official", dataset.file(name).checksum)


def identify_gestures(dataset: DataSet, folder: Path, split: str) -> Identity:
    """Return what DVS128 Gesture's ``train`` or ``test`` is: the camera's own files, or else tonic's recordings.

    Raises:
        DataError: neither is here.
    """
    camera, cut = folder / "DvsGesture", folder / f"ibmGesture{split.capitalize()}"
    for path, source in ((camera, "official"), (cut, "tonic")):
        if path.is_dir():
            digest = tree_sha256(path)
            return Identity(path, source if digest == published(dataset, folder, path.name) else "local", digest)
    raise _missing(cut, dataset)


def identify_images(dataset: DataSet, folder: Path, names: tuple[str, ...]) -> Identity:
    """Return what CIFAR10's binary files are.

    Raises:
        DataError: one is missing, or they are of different sources.
    """
    hashes: dict[str, str] = {}
    sources: set[str] = set()
    for name in names:
        path = folder / name
        if not path.is_file():
            raise _missing(path, dataset)
        hashes[name] = sha256(path)
        if hashes[name] == published(dataset, folder, name):
            sources.add("official")
        else:
            sources.add("jpeg" if hashes[name] == JPEG.get(name) else "local")
    if len(sources) > 1:
        raise DataError(
            f"{folder} mixes files of the sources {', '.join(sorted(sources))}: delete them and fetch again."
        )
    return Identity(folder, sources.pop(), hash_lines(hashes))


def _missing(path: Path, dataset: DataSet) -> DataError:
    return DataError(f"{path} is missing: `lifroles data fetch {dataset.name}` fetches it, or choose another source.")


def demand(found: Identity, source: str) -> Identity:
    """Return what was found, if it is the source asked for; anything may be used as ``local``.

    Raises:
        DataError: it is another one.
    """
    if source not in ("local", found.source):
        raise DataError(
            f"{found.path} is not {source} but {found.source} (told by its checksum): choose the source "
            f"{found.source}, or put the right files there."
        )
    return found
