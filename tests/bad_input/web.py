"""Bad input of `web`, as far as it is seen before gradio is needed."""

from __future__ import annotations

from bad_input.workspace import Case

CASES = [
    Case("web: short token", lambda w: ["web", w.trained, "--token", "secret"], 2, ["token", "8"]),
    Case("web: port out of range", lambda w: ["web", w.trained, "--port", 70_000], 2, ["--port", "70000"]),
    Case("web: no address", lambda w: ["web", w.trained, "--host", "ü..b", "--port", 0], 2, ["--host", "ü..b"]),
]

VARIANTS: list[Case] = []
