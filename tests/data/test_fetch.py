"""Fetching: resumed where it broke off, checked before it counts, unpacked whole or not at all."""

import hashlib
import io
import json
import random
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lifroles.data import identity
from lifroles.data.fetch import fetch, fetch_file
from lifroles.data.registry import DATASETS, DataSet, File
from lifroles.errors import DataError

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Server:
    """A publisher on this machine: what it holds, what it was asked, and how it misbehaves."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"file": CONTENT}
        self.asked: list[str | None] = []
        self.break_after: list[int] = []
        self.ranges = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        content = self.files.get(request.path.lstrip("/"))
        if content is None:
            request.send_error(404)
            return
        low = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if low >= len(content) and wanted and self.ranges:
            request.send_error(416)
            return
        request.send_response(206 if low else 200)
        request.send_header("Content-Length", str(len(content) - low))
        request.end_headers()
        part = content[low:]
        if self.break_after:
            part = part[: self.break_after.pop(0)]
        request.wfile.write(part)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def file(server: Server, name: str = "file", content: bytes = CONTENT, **more) -> File:
    return File(name, f"sha256:{hashlib.sha256(content).hexdigest()}", server.url + name, **more)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_fetched_once_and_then_only_checked(server, tmp_path):
    seen = []
    path = fetch_file(file(server), tmp_path / "new", lambda name, done, total: seen.append((name, done, total)))
    assert path.read_bytes() == CONTENT and seen[-1] == ("file", len(CONTENT), len(CONTENT))
    assert fetch_file(file(server), tmp_path / "new") == path and len(server.asked) == 1
    assert left(path.parent) == ["file"]


def test_a_connection_that_breaks_goes_on_where_it_broke(server, tmp_path):
    server.break_after = [100_000, 300_000]
    path = fetch_file(file(server), tmp_path)
    assert path.read_bytes() == CONTENT
    # what came last, less than a chunk of 32 KiB, is asked for again
    assert server.asked == [None, f"bytes={3 << 15}-", f"bytes={12 << 15}-"]


def test_a_later_command_goes_on_with_what_an_earlier_one_got(server, tmp_path):
    server.break_after = [100_000, 0]
    with pytest.raises(DataError, match=r"after 98304 bytes\): run the same command again, it goes on"):
        fetch_file(file(server), tmp_path)
    assert left(tmp_path) == [".file.part"]
    assert fetch_file(file(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=98304-" and left(tmp_path) == ["file"]


def test_a_server_that_cannot_resume_begins_anew(server, tmp_path):
    server.ranges = False
    server.break_after = [100_000]
    assert fetch_file(file(server), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_taken(server, tmp_path):
    (tmp_path / ".file.part").write_bytes(CONTENT)
    assert fetch_file(file(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_another_content_than_the_published_one_is_not_kept(server, tmp_path):
    server.files["file"] = CONTENT[:-1] + b"x"
    with pytest.raises(DataError, match=r"is not the published file \(its SHA256 says so\): nothing was kept"):
        fetch_file(file(server), tmp_path)
    assert left(tmp_path) == []


def test_a_web_page_in_place_of_an_archive_is_called_one(server, tmp_path):
    server.files["file"] = b"<!DOCTYPE html><html><body>Please log in</body></html>"
    with pytest.raises(DataError, match="gave a web page, probably an error message: nothing was kept"):
        fetch_file(file(server), tmp_path)
    assert left(tmp_path) == []
    (tmp_path / "file").write_bytes(server.files["file"])
    with pytest.raises(DataError, match=r"file is not the published file .* it is a web page.*delete it"):
        fetch_file(file(server), tmp_path)


def test_a_file_that_is_gone_and_a_server_that_is_gone_are_named(server, tmp_path):
    with pytest.raises(DataError, match=r"other could not be fetched from http.*404"):
        fetch_file(file(server, "other"), tmp_path)
    nowhere = File("file", "sha256:00", "http://127.0.0.1:9/file")
    with pytest.raises(DataError, match=r"file could not be fetched from http://127.0.0.1:9/file \(ConnectionError"):
        fetch_file(nowhere, tmp_path)
    with pytest.raises(DataError, match="has to be put there by hand"):
        fetch_file(File("file", "sha256:00", None), tmp_path)
    assert left(tmp_path) == []


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def dataset(*files: File) -> DataSet:
    return DataSet("own", "Own", "OWN", files, "", "", "")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_members_of_a_fetched_archive_are_known_as_the_published_ones(server, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    make = zipped if kind == "zip" else tarred
    content = make(
        **{"top/a.bin": b"first", "top/folder/b.npy": b"second", "top/folder/c/d.npy": b"3", "../evil": b"x"}
    )
    server.files["own"] = content
    own = dataset(file(server, "own", content, members=("a.bin", "folder"), prefix="top/"))
    own = dataset(File(f"own.{kind}", own.files[0].checksum, own.files[0].url, own.files[0].members, "top/"))
    paths = fetch(own)
    assert [path.name for path in paths] == ["a.bin", "folder"] and paths[0].read_bytes() == b"first"
    assert left(tmp_path / "OWN") == [identity.RECEIPTS, "a.bin", "folder"] and not (tmp_path / "evil").exists()
    for path in paths:
        digest = identity.sha256(path) if path.is_file() else identity.tree_sha256(path)
        assert identity.published(own, tmp_path / "OWN", path.name) == digest
    fetch(own)
    assert len(server.asked) == 1, "what is unpacked is not fetched again"
    # an archive that lies beside its members, as other programs leave it, says the same without a note
    (tmp_path / "OWN" / identity.RECEIPTS).unlink()
    assert identity.published(own, tmp_path / "OWN", "a.bin") is None
    (tmp_path / "OWN" / f"own.{kind}").write_bytes(content)
    for path in paths:
        digest = identity.sha256(path) if path.is_file() else identity.tree_sha256(path)
        assert identity.published(own, tmp_path / "OWN", path.name) == digest


def test_an_archive_without_its_member_leaves_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    for name, content, sentence in (
        ("own.zip", zipped(**{"b.bin": b"x"}), r"own.zip lacks a.bin: delete it"),
        ("own.zip", b"PK not a zip", r"own.zip cannot be unpacked"),
        ("own.tar.gz", tarred(**{"a.bin": random.Random(0).randbytes(10**5)})[:2000], r"own.tar.gz cannot be unpacked"),
    ):
        server.files[name] = content
        with pytest.raises(DataError, match=sentence):
            fetch(dataset(file(server, name, content, members=("a.bin",))))
        assert left(tmp_path / "OWN") == [name]
        (tmp_path / "OWN" / name).unlink()


def test_what_lies_in_a_members_place_is_not_overwritten(server, tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    content = zipped(**{"a.bin": b"published"})
    server.files["own.zip"] = content
    own = dataset(file(server, "own.zip", content, members=("a.bin",)))
    path = tmp_path / "OWN" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"a.bin is not the published one, .*: move it away"):
        fetch(own)
    assert path.read_bytes() == b"mine" and server.asked == []
    path.unlink()
    fetch(own)
    path.write_bytes(b"damaged since")
    with pytest.raises(DataError, match=r"a.bin is not the published one"):
        fetch(own)


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written .* or set LIFROLES_DATA to another"):
        fetch(dataset(file(server)))


def test_what_is_put_there_by_hand_is_used_before_anything_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setenv("LIFROLES_DATA", str(tmp_path))
    content = tarred(**{"mine/x": b"1"})
    by_hand = File("hand.tar.gz", f"sha256:{hashlib.sha256(content).hexdigest()}", None, members=("mine",))
    own = dataset(by_hand, file(server))
    assert [path.name for path in fetch(own)] == ["file"]
    (tmp_path / "OWN" / "hand.tar.gz").write_bytes(content)
    assert [path.name for path in fetch(own)] == ["mine"]
    assert (tmp_path / "OWN" / "hand.tar.gz").is_file(), "nobody can fetch it again, so it stays"


def test_the_registry_says_what_tonic_says():
    """tonic has its own download; the addresses and checksums here are to be the same."""
    from tonic.datasets import NMNIST, POKERDVS, SHD, SSC, DVSGesture

    def known(name: str) -> dict[str, tuple[str | None, str]]:
        return {one.name: (one.url, one.checksum.removeprefix("md5:")) for one in DATASETS[name].files}

    assert known("nmnist") == {
        "train.zip": (NMNIST.train_url, NMNIST.train_md5),
        "test.zip": (NMNIST.test_url, NMNIST.test_md5),
    }
    assert known("shd") == {
        SHD.train_zip: (SHD.base_url + SHD.train_zip, SHD.train_md5),
        SHD.test_zip: (SHD.base_url + SHD.test_zip, SHD.test_md5),
    }
    assert known("ssc") == {
        getattr(SSC, f"{s}_zip"): (SSC.base_url + getattr(SSC, f"{s}_zip"), getattr(SSC, f"{s}_md5"))
        for s in ("train", "valid", "test")
    }
    gesture = known("dvs_gesture")
    assert gesture[DVSGesture.train_filename] == (DVSGesture.train_url, DVSGesture.train_md5)
    assert gesture[DVSGesture.test_filename] == (DVSGesture.test_url, DVSGesture.test_md5)
    assert {name: md5 for name, (_, md5) in known("poker").items()} == {
        POKERDVS.train_filename: POKERDVS.train_md5,
        POKERDVS.test_filename: POKERDVS.test_md5,
    }
    assert json.dumps(known("mnist")) and all(one.checksum.startswith("sha256:") for one in DATASETS["mnist"].files)
