"""The gate before the page: tokens, host names, sizes, and the files that a request may name."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from sivae_translate.errors import UsageError
from sivae_translate.web import access
from sivae_translate.web.access import Access, is_local
from sivae_translate.web.server import address, listen, token_for
from sivae_translate.web.uploads import Uploads

TOKEN = "open; sesame"


class Inner:
    """An app that reads the body of each request, and answers 200 to a whole one."""

    def __init__(self) -> None:
        self.bodies = list[bytes]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})


def ask(app: Any, path: str = "/", query: str = "", *parts: bytes, method: str = "GET", **headers: str) -> Any:
    """The first message of the answer to a request; None without one."""
    given = {"host": "127.0.0.1:7860", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "server": ("127.0.0.1", 7860),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    queue = [{"type": "http.request", "body": part, "more_body": i < len(parts)} for i, part in enumerate(parts, 1)]
    sent = list[Any]()

    async def receive() -> Any:
        return queue.pop(0) if queue else {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0] if sent else None


def status(*request: Any, **headers: str) -> int | None:
    message = ask(*request, **headers)
    return None if message is None else message["status"]


@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/gradio_api/heartbeat/x", "/gradio_api/upload"])
def test_without_the_token_every_path_is_closed(path: str) -> None:
    inner = Inner()
    app = Access(inner, TOKEN)
    for query in ("", "token=", "token=open", "token=open; sesame!", "token=%ff"):
        assert status(app, path, query) == 401
    for cookie in ("", "sivae-translate-7860=other", "sivae-translate-7861=open%3B%20sesame", "=;;\x01"):
        assert status(app, path, cookie=cookie) == 401
    assert not inner.bodies


def test_the_token_in_the_address_becomes_a_cookie() -> None:
    app = Access(Inner(), TOKEN)
    message = ask(app, "/", "token=open%3B%20sesame")
    headers = dict(message["headers"])
    cookie = headers[b"set-cookie"].decode()
    assert message["status"] == 303 and headers[b"location"] == b"/"
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert status(app, "/config", cookie=cookie.split("; ")[0], host="a.machine:7860") == 200


@pytest.mark.parametrize(
    ("host", "code"),
    [("127.0.0.1:7860", 200), ("localhost", 200), ("[::1]:7860", 200), ("evil.example", 403), ("", 403), ("[", 403)],
)
def test_without_a_token_only_names_of_this_machine_are_answered(host: str, code: int) -> None:
    assert status(Access(Inner()), host=host) == code


@pytest.mark.parametrize("path", ["/gradio_api/file=http://a.example/x", "/gradio_api/proxy=HTTPS://a.example/x"])
def test_the_server_fetches_nothing(path: str) -> None:
    assert status(Access(Inner()), path) == 403


def test_a_web_socket_is_closed_and_a_life_span_passes() -> None:
    sent, passed = list[Any](), list[Any]()

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    for kind in ("websocket", "lifespan"):
        asyncio.run(Access(inner, TOKEN)({"type": kind}, None, send))  # type: ignore[arg-type]
    assert sent == ["websocket.close"] and passed == ["lifespan"]


def test_a_large_request_is_refused_or_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_REQUEST", 10)
    monkeypatch.setattr(access, "MAX_UPLOAD", 20)
    inner = Inner()
    app = Access(inner)
    assert status(app, "/x", content_length="11") == 413
    assert status(app, "/gradio_api/upload", content_length="11") == 200
    assert status(app, "/gradio_api/upload", content_length="21") == 413
    inner.bodies.clear()
    assert status(app, "/x", "", b"12345", b"67890") == 200 and inner.bodies == [b"1234567890"]
    assert status(app, "/x", "", b"12345", b"678901") is None and len(inner.bodies) == 1  # of unknown length


# --- the files that a request names ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    (uploads / "a.png").write_text("an upload")
    (tmp_path / "secret").write_text("not an upload")
    (uploads / "link.png").symlink_to(tmp_path / "secret")
    return uploads


def post(folder: Path, value: object, path: str = "/gradio_api/queue/join") -> tuple[int | None, list[bytes]]:
    """Status of a request with a value as JSON, in two parts, and the bodies that arrive."""
    inner, body = Inner(), json.dumps(value).encode()
    return status(Uploads(inner, folder), path, "", body[:5], body[5:], method="POST"), inner.bodies


def test_an_upload_can_be_named(folder: Path) -> None:
    value = {"data": [{"path": str(folder / "a.png"), "meta": {}}, [1.5, "x", None]], "fn_index": 3}
    code, bodies = post(folder, value)
    assert code == 200 and [json.loads(body) for body in bodies] == [value]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "http://a.example/x.png", "{folder}/../secret", "{folder}/link.png", "{folder}/gone.png", "",
        "a\0b", 3, None, {"path": "/etc/passwd"}, "secret",
    ],
)  # fmt: skip
def test_nothing_else_can_be_named(folder: Path, path: object) -> None:
    named = path.format(folder=folder) if isinstance(path, str) else path
    for value in ({"data": [{"path": named}]}, [[{"a": {"path": named}}]]):
        assert post(folder, value) == (400, [])


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b"path=/etc/passwd"])
def test_a_body_that_is_no_json_is_refused(folder: Path, body: bytes) -> None:
    assert status(Uploads(Inner(), folder), "/gradio_api/run/predict", "", body, method="POST") == 400


def test_requests_without_json_pass(folder: Path) -> None:
    inner = Inner()
    app = Uploads(inner, folder)
    assert status(app, "/gradio_api/upload", "", b"--x", b"--x--", method="POST") == 200
    assert status(app, "/gradio_api/cancel", method="POST") == 200
    assert status(app, "/config") == 200
    assert inner.bodies == [b"--x--x--", b"", b""]


# --- where the server listens ---------------------------------------------------------------------------------------


def test_a_token_is_needed_for_other_machines() -> None:
    assert token_for("127.0.0.1", None) is token_for("::1", None) is token_for("localhost", None) is None
    for host in ("0.0.0.0", "::", "192.168.1.7", "a.machine"):
        assert not is_local(host)
        first, second = token_for(host, None), token_for(host, None)
        assert first and second and first != second and len(first) >= 22  # 128 bits
    assert token_for("127.0.0.1", TOKEN) == TOKEN


@pytest.mark.parametrize("token", ["", "short", "a token\n of two lines", "\udcff" * 9])
def test_a_token_that_cannot_be_used_is_an_error(token: str) -> None:
    with pytest.raises(UsageError, match="token"):
        token_for("127.0.0.1", token)


def test_a_taken_port_is_an_error_that_names_another() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is taken.*--port {port % 65535 + 1}"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", port) as free:
        assert address(free, None) == f"http://127.0.0.1:{port}/"
        assert address(free, TOKEN) == f"http://127.0.0.1:{port}/?token=open%3B%20sesame"


def test_a_server_on_all_addresses_is_named_by_this_machine() -> None:
    with listen("0.0.0.0", 0) as server:
        assert address(server, None).startswith(f"http://{socket.gethostname()}:")


@pytest.mark.parametrize(("host", "port"), [("", 70_000), ("203.0.113.1", 0), ("ü..b", 0), ("a\0b", 0), ("", -1)])
def test_an_address_that_cannot_be_had_is_an_error(host: str, port: int) -> None:
    with pytest.raises(UsageError, match=r"--host|--port"):
        listen(host, port)
