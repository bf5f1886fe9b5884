"""Who may ask the web server for what: the token, the host names, and the size of a request, for every path alike."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "sivae-translate"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
MAX_UPLOAD = 1 << 30  # bytes of a request that uploads files
MAX_REQUEST = 1 << 20  # bytes of any other request


class Access:
    """An ASGI app before another one, which gets only the requests that are allowed.

    Without a token, requests must name this machine as their host. Otherwise a page of any website could reach the
    server by a host name that it points to 127.0.0.1 (DNS rebinding). With a token, the first request carries it as
    `?token=...`, and the later ones as a cookie.

    Args:
        app: gets the allowed requests.
        token: None for a server that only this machine reaches.
    """

    def __init__(self, app: App, token: str | None = None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # the page uses no web socket; to close one unopened is to refuse it
            return await send({"type": "websocket.close"})
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self.refusal(scope, headers):
            return await answer(send, *refusal)
        if self.token is not None and self.is_token(query_token(scope)):
            cookie = f"{cookie_name(scope)}={quote(self.token)}; HttpOnly; SameSite=Lax; Path=/"
            return await answer(send, 303, "", (b"location", b"/"), (b"set-cookie", cookie.encode()))
        await self.app(scope, limited(receive, limit_of(scope)), send)

    def refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and text for a request that is refused."""
        if self.token is None:
            if host_name(headers.get("host", "")) not in LOCAL_NAMES:
                return 403, "This page answers to 127.0.0.1 and localhost alone: open it by one of these names."
        elif not self.is_token(query_token(scope)) and not self.is_token(cookie_token(scope, headers)):
            return 401, "This page needs its token: open the address with ?token=... that the server printed."
        if "=http:" in scope["path"].lower() or "=https:" in scope["path"].lower():
            return 403, "This server fetches nothing from other addresses."
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit_of(scope):
            return 413, f"The request is larger than {limit_of(scope) >> 20} MiB."
        return None

    def is_token(self, given: str) -> bool:
        """Whether a text is the token, in a time that does not depend on the place of the first difference."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server that listens on a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_name(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def query_token(scope: Scope) -> str:
    """The token in the query of a request; empty without one."""
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("token", [""])[0]


def cookie_token(scope: Scope, headers: dict[str, str]) -> str:
    """The token in the cookies of a request; empty without one."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(cookie_name(scope))
    except CookieError:
        return ""
    return unquote(cookie.value) if cookie else ""


def cookie_name(scope: Scope) -> str:
    """Browsers share cookies among the ports of a host, so that the name holds the port."""
    return f"{COOKIE}-{scope['server'][1]}"


def limit_of(scope: Scope) -> int:
    """The largest body of a request, in bytes."""
    return MAX_UPLOAD if is_upload(scope) else MAX_REQUEST


def is_upload(scope: Scope) -> bool:
    """Whether a request uploads files."""
    path: str = scope["path"]
    return path.rstrip("/").endswith("/upload")


def limited(receive: Receive, limit: int) -> Receive:
    """The body of a request up to a limit in bytes; a longer one, of unknown length, ends like a lost connection."""
    received = 0

    async def next_part() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        return message if received <= limit else {"type": "http.disconnect"}

    return next_part


async def answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    """Answer a request with a line of text."""
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [plain, *headers]})
    await send({"type": "http.response.body", "body": text.encode()})
