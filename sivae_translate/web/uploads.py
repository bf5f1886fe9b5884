"""Let a browser name only files that were uploaded: not other files of this machine, and no addresses to download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sivae_translate.web.access import App, Message, Receive, Scope, Send, answer, is_upload


class Uploads:
    """An ASGI app before gradio, which would copy or download whatever "path" a visitor's JSON names.

    Args:
        app: gets the allowed requests.
        folder: holds all uploads.
    """

    def __init__(self, app: App, folder: Path) -> None:
        self.app, self.folder = app, folder.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or is_upload(scope):
            return await self.app(scope, receive, send)
        messages = await whole_body(receive)
        body = b"".join(message.get("body", b"") for message in messages)
        if not self.names_uploads(body):
            return await answer(send, 400, "Only uploaded files can be translated: upload this one.")

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, again, send)

    def names_uploads(self, body: bytes) -> bool:
        """Whether a body is empty, or JSON in which each "path" is an uploaded file."""
        try:
            values = [json.loads(body)] if body else []
        except (ValueError, RecursionError):
            return False
        while values:
            value = values.pop()
            if isinstance(value, dict) and "path" in value and not self.is_ours(value["path"]):
                return False
            values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return True

    def is_ours(self, path: Any) -> bool:
        """Whether a value is the path of a file in the folder, links followed."""
        try:
            return isinstance(path, str) and Path(path).resolve(strict=True).is_relative_to(self.folder)
        except (OSError, ValueError):  # no file, or no path
            return False


async def whole_body(receive: Receive) -> list[Message]:
    """The messages of a request up to the end of its body."""
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
        messages.append(await receive())
    return messages
