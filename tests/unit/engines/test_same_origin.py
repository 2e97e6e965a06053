"""Only the viewer's own page commands it, and what cannot be listened on is one line."""

import asyncio
import threading
import time

import pytest

pytest.importorskip("viser")
pytest.importorskip("mjviser")

import viser
import websockets
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from surefoot.engines.drawing.same_origin import refusal
from surefoot.engines.drawing.viewer import listen
from surefoot.errors import EngineError


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("localhost:9000", "http://localhost:9000"),  # through a tunnel of ssh
        ("robot.lab:8080", "http://robot.lab:8080"),
        ("localhost:8080", None),
    ],
)
def test_the_own_page_is_let_in(host: str, origin: str | None):
    assert refusal(host, origin, "robot.lab") == ""


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://evil.example"),
        ("localhost:8080", "http://localhost:3000"),
        ("localhost:8080", "null"),
        ("localhost:8080", ""),
        ("localhost:8080", "http://localhost:8080.evil.example"),
        ("evil.example:8080", "http://evil.example:8080"),  # its name leads to this machine
        ("localhost.evil.example", None),
        ("", None),
        (None, None),
        ("[::1", None),
    ],
)
def test_others_are_not(host: str | None, origin: str | None):
    assert refusal(host, origin, "127.0.0.1")


def test_a_strangers_page_is_refused_by_the_server_itself():
    server = listen("127.0.0.1", 0)
    port = server.get_port()
    protocol = Subprotocol(f"viser-v{viser.__version__}")

    async def answer(origin: str) -> str:
        try:
            async with connect(f"ws://127.0.0.1:{port}", origin=origin, subprotocols=[protocol]) as socket:
                await asyncio.wait_for(socket.recv(), 5)
                return "let in"
        except websockets.exceptions.InvalidStatus as error:
            return f"{error.response.status_code} {error.response.body.decode()}"

    try:
        assert asyncio.run(answer(f"http://127.0.0.1:{port}")) == "let in"
        refused = asyncio.run(answer("http://evil.example"))
    finally:
        server.stop()
    assert refused.startswith("403 Origin 'http://evil.example' is not the viewer's own page")


@pytest.mark.parametrize(
    ("host", "port"), [("no.such.host.invalid", 8080), ("203.0.113.7", 8080), ("127.0.0.1", 70_000), ("x" * 300, 80)]
)
def test_what_cannot_be_listened_on_is_one_line_at_once(host: str, port: int):
    before, threads = time.monotonic(), threading.active_count()
    with pytest.raises(EngineError, match=r"The viewer cannot listen on .*; choose another") as caught:
        listen(host, port)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - before < 10
    assert threading.active_count() == threads
