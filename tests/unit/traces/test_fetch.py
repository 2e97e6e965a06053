"""Files come from a server or a folder, only with the right content."""

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from surefoot.errors import ManifestError, TraceError, UnknownName
from surefoot.manifest.document import read_document
from surefoot.traces.fetch import OFFLINE, RemoteSources, fetch, licence_text, read_sources
from surefoot_tasks import manifest_root

COMMIT = "a" * 40
FILES = {"LICENSE": b"MIT", "data/log.csv": b"stamp_ns,q\n1,2\n"}


class Quiet(SimpleHTTPRequestHandler):
    """Counts requests; prints nothing."""

    seen: list[str] = []  # noqa: RUF012

    def log_message(self, format: str, *args: object) -> None:
        self.seen.append(self.path)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(OFFLINE, raising=False)
    folder = tmp_path / "mirror"
    for path, content in FILES.items():
        target = folder / "lab" / "robot" / COMMIT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


@pytest.fixture
def server(mirror: Path) -> Iterator[str]:
    Quiet.seen.clear()
    served = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(mirror)))
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    served.server_close()
    thread.join()


def sources(folder: Path, log: str = "data/log.csv", sha256: str = "", licence: str = "LICENSE") -> RemoteSources:
    """One source with two files."""
    entries = ""
    for path, content in FILES.items():
        found = hashlib.sha256(content).hexdigest()
        name, digest = (log, sha256 or found) if path != "LICENSE" else (path, found)
        entries += f"      - {{path: '{name}', bytes: {len(content)}, sha256: '{digest}'}}\n"
    path = folder / "sources.yaml"
    path.write_text(
        f"schema_version: 1\nsources:\n  walk:\n    owner: lab\n    repository: robot\n    commit: '{COMMIT}'\n"
        f"    licence: MIT\n    licence_file: {licence}\n    profile: go2_columns\n    log: data/log.csv\n"
        f"    description: a walk\n    files:\n{entries}"
    )
    return read_document(path, RemoteSources)


def test_files_and_licence_come_once(tmp_path: Path, server: str):
    source = sources(tmp_path).get("walk")
    log = fetch(source, tmp_path / "out", server)
    assert log.read_bytes() == FILES["data/log.csv"]
    assert licence_text(source, tmp_path / "out") == "MIT"
    count = len(Quiet.seen)
    assert count == 2
    fetch(source, tmp_path / "out", server)
    assert len(Quiet.seen) == count
    log.write_bytes(b"edited")
    assert fetch(source, tmp_path / "out", server).read_bytes() == FILES["data/log.csv"]


@pytest.mark.parametrize("content", [b"other", b"stamp_ns,q\n1,2\n and more", b""])
def test_another_content_is_refused_and_not_written(tmp_path: Path, mirror: Path, server: str, content: bytes):
    (mirror / "lab" / "robot" / COMMIT / "data/log.csv").write_bytes(content)
    with pytest.raises(TraceError, match=r"data/log\.csv: sha256 .*, expected .*; not written"):
        fetch(sources(tmp_path).get("walk"), tmp_path / "out", server)
    assert not list((tmp_path / "out").rglob("log.csv"))


def test_an_absent_file_and_an_absent_server(tmp_path: Path, mirror: Path, server: str):
    (mirror / "lab" / "robot" / COMMIT / "data/log.csv").unlink()
    with pytest.raises(TraceError, match=r"cannot be downloaded .*404.* set SUREFOOT_TRACES"):
        fetch(sources(tmp_path).get("walk"), tmp_path / "out", server)
    with pytest.raises(TraceError, match="cannot be downloaded"):
        fetch(sources(tmp_path).get("walk"), tmp_path / "other", "http://127.0.0.1:1")
    with pytest.raises(TraceError, match="expected an address with http"):
        fetch(sources(tmp_path).get("walk"), tmp_path / "other", f"file://{mirror}")


def test_a_folder_instead_of_the_network(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(OFFLINE, str(mirror))
    log = fetch(sources(tmp_path).get("walk"), tmp_path / "out", "http://127.0.0.1:1")
    assert log.read_bytes() == FILES["data/log.csv"]
    (mirror / "lab" / "robot" / COMMIT / "data/log.csv").unlink()
    with pytest.raises(TraceError, match="SUREFOOT_TRACES is set, so that nothing is downloaded"):
        fetch(sources(tmp_path).get("walk"), tmp_path / "new", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"log": "../log.csv"}, "expected a path within the repository"),
        ({"log": "/etc/passwd"}, "expected a path within the repository"),
        ({"log": "log.pkl"}, "is a pickle"),
        ({"sha256": "abc"}, "string should match pattern"),
        ({"licence": "COPYING"}, "a licence goes with the data"),
    ],
)
def test_what_cannot_be_a_source(tmp_path: Path, options: dict[str, str], message: str):
    with pytest.raises(ManifestError, match=message):
        sources(tmp_path, **options)


def test_shipped_sources_are_complete():
    shipped = read_sources(manifest_root())
    for source in shipped.sources.values():
        assert (manifest_root() / "traces" / "formats" / f"{source.profile}.yaml").is_file()
        assert any(file.path.startswith(source.log) for file in source.files)
    with pytest.raises(UnknownName, match=r"Did you mean 'orl_go2_test_1'\?"):
        shipped.get("orl_go2_test1")
