"""A viewer that only its own page commands.

viser 1.1 takes a WebSocket from anywhere: every page that is open in the same browser could steer the robot. A browser
says in `Origin` which page asks, and in `Host` whom it believes to talk to.
"""

import contextlib
import errno
import http
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import websockets.asyncio.server as websocket_server
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

_lock = threading.Lock()


def refusal(host: str | None, origin: str | None, own: str) -> str:
    """Why a request is refused; empty where it is not.

    Args:
        host: Header `Host`: name or address and port, as the browser was told.
        origin: Header `Origin` of a WebSocket; None where no browser sends it.
        own: What the viewer listens on.
    """
    name = _name(host)
    # A page can give its own name the address of this machine, but not its name an address.
    if not name or not (_is_address(name) or name in ("localhost", own.lower(), socket.gethostname().lower())):
        return f"Host {host!r:.100} is not this viewer"
    if origin is not None and urlsplit(origin).netloc.lower() != str(host).lower():
        return f"Origin {origin!r:.100} is not the viewer's own page at {host!r:.100}"
    return ""


def _name(host: str | None) -> str:
    try:
        return urlsplit(f"//{host or ''}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def guarded(own: str) -> Iterator[None]:
    """WebSocket servers that begin to listen within the block refuse the requests of strangers' pages."""
    with _lock:
        serve = websocket_server.serve

        def guarded_serve(*args: Any, process_request: Any = None, **options: Any) -> Any:
            return serve(*args, process_request=_checked(process_request, own), **options)

        websocket_server.serve = guarded_serve  # pyright: ignore[reportAttributeAccessIssue]
        try:
            yield
        finally:
            websocket_server.serve = serve  # pyright: ignore[reportAttributeAccessIssue]


def _checked(inner: Callable[[ServerConnection, Request], Any] | None, own: str) -> Any:
    def process(connection: ServerConnection, request: Request) -> Response | None:
        # Twice the same header: which one is meant?
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        problem = "two headers of one name" if len(hosts) != 1 or len(origins) > 1 else ""
        if problem := problem or refusal(hosts[0], origins[0] if origins else None, own):
            return connection.respond(http.HTTPStatus.FORBIDDEN, f"{problem}\n")
        return inner(connection, request) if inner is not None else None

    return process


def check_bindable(host: str, port: int) -> None:
    """Refuse what cannot be listened on; a port that is taken is not refused, viser goes on to the next.

    Raises:
        OSError: With the reason.
    """
    if not 0 <= port < 65536:
        raise OSError(f"a port is a number from 0 to 65535, got {port}")
    try:
        places = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:
        raise OSError("no such host") from None
    for family, kind, protocol, _, address in places:
        with socket.socket(family, kind, protocol) as trial:
            # Port 0 finds out about the host alone; a port below 1024 may need rights.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((address[0], port if port < 1024 else 0, *address[2:]))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
