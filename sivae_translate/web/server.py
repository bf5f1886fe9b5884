"""Where the server listens, and what a visitor must know to reach it."""

from __future__ import annotations

import errno
import secrets
import socket
from urllib.parse import quote

from sivae_translate.errors import UsageError, shown
from sivae_translate.web.access import is_local

SHORTEST_TOKEN = 8  # characters


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 picks a free one. Raises UsageError where the host or the port cannot be had."""
    if not 0 <= port < 1 << 16:
        raise UsageError(f"--port {port}: expected 0 to 65535; 0 picks a free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} is taken: choose another with --port {port % 65535 + 1}") from None
        reason = str(error.strerror or error).split(" (while")[0]  # Python adds the address
        raise UsageError(
            f"cannot listen on {shown(host)}, port {port} ({reason}): choose others with --host 127.0.0.1 --port 7860"
        ) from None
    except TypeError:  # a name that no host can have
        raise UsageError(f"--host {shown(host)}: expected an address or a name, such as 127.0.0.1") from None


def token_for(host: str, given: str | None) -> str | None:
    """The token that a server on this host asks for: the given one, or for other machines a new one of 128 bits.

    Raises:
        UsageError: a given token that is too short or that a browser cannot send.
    """
    if given is None:
        return None if is_local(host) else secrets.token_urlsafe(16)
    if len(given) < SHORTEST_TOKEN or not given.isprintable():
        raise UsageError(f"the token has {len(given)} characters: expected {SHORTEST_TOKEN} or more printable ones")
    return given


def address(server: socket.socket, token: str | None) -> str:
    """The address of the page, with its token. A server on all addresses is named by this machine's name."""
    host, port = server.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")
