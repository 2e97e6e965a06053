"""A PostgreSQL server of one test session, from the binaries of the system; tests skip where there are none."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest

_NUMBERS = count(1)


def _binary(name: str) -> str | None:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else shutil.which(name)


def _as_user() -> list[str]:
    """The server refuses to run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


@cache
def _server() -> int | str:
    """The port, or why there is none."""
    initdb, control = _binary("initdb"), _binary("pg_ctl")
    if initdb is None or control is None:
        return "no PostgreSQL here: apt-get install postgresql"
    folder = tempfile.mkdtemp(prefix="surefoot-postgres-")
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    data = f"{folder}/data"
    try:
        make = [*_as_user(), initdb, "-D", data, "-U", "surefoot", "-A", "trust"]
        subprocess.run(make, check=True, capture_output=True, cwd="/")
        start = [*_as_user(), control, "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", timeout=60)
    except (subprocess.SubprocessError, OSError) as error:
        return f"PostgreSQL does not start here: {error}"

    def stop() -> None:
        subprocess.run([*_as_user(), control, "-D", data, "-m", "immediate", "stop"], capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return port


@contextmanager
def postgres_url() -> Iterator[str]:
    """An empty database."""
    psycopg = pytest.importorskip("psycopg", reason="no psycopg: pip install 'surefoot[postgres]'")
    port = _server()
    if isinstance(port, str):
        pytest.skip(port)
    name = f"ledger_{next(_NUMBERS)}"
    server = f"postgresql://surefoot@127.0.0.1:{port}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
