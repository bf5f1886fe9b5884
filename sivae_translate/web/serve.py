"""Serve the page until the process is interrupted. Uploads and results lie in a folder that is deleted then."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sivae_translate.extras import require
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator
from sivae_translate.web.access import Access
from sivae_translate.web.uploads import Uploads

ENDING = 1  # second that open connections get when the server ends


def serve(
    translator: Translator,
    threshold: Threshold | None,
    server: socket.socket,
    *,
    token: str | None,
    title: str,
    examples: Sequence[Path],
    announce: Callable[[], None],
) -> None:
    """Serve the page on a listening socket. Ctrl-C ends it, by KeyboardInterrupt after the last answer.

    Args:
        threshold: below its bound a picture is out of distribution; None for no warning.
        token: what a visitor must know; None for a server that only this machine reaches.
        title: name of the model on the page.
        examples: pictures to pick from; none for samples of the model.
        announce: called when the page can be opened.
    """
    uvicorn = require("uvicorn", "web")
    with TemporaryDirectory(prefix="sivae-web-", ignore_cleanup_errors=True) as folder:
        os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False")  # gradio has no other way
        from sivae_translate.web.page import application

        app = Access(Uploads(application(translator, threshold, title, examples, Path(folder)), Path(folder)), token)
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, ws="none", timeout_graceful_shutdown=ENDING
        )
        announce()
        uvicorn.Server(config).run(sockets=[server])
