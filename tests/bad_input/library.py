"""Bad input of library calls: each raises a `SivaeError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from bad_input.workspace import Workspace
from sivae_translate.data.domains import find_domains
from sivae_translate.inference.edit import along
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.translator import Translator
from sivae_translate.recipe import load_recipe
from sivae_translate.types import Code


class Call(NamedTuple):
    """A call of the library, given the translator of the trained run."""

    name: str
    call: Callable[[Workspace, Translator], Any]


def code(*content: float) -> Code:
    """A code of one content and one style number."""
    return Code(torch.tensor(content, dtype=torch.float32)[None, :, None, None], torch.zeros(1, 1))


CALLS = [
    Call("image: floats", lambda _, t: t(np.zeros((4, 4, 3), np.float32), to="car001")),
    Call("image: two channels", lambda _, t: t(np.zeros((4, 4, 2), np.uint8), to="car001")),
    Call("image: NaN", lambda _, t: t(torch.full((3, 4, 4), torch.nan), to="car001")),
    Call("image: of -1 to 1", lambda _, t: t(torch.full((3, 4, 4), -1.0), to="car001")),
    Call("image: of 0 to 255", lambda _, t: t(torch.full((3, 4, 4), 255.0), to="car001")),
    Call("image: levels", lambda _, t: t(torch.zeros(3, 4, 4, dtype=torch.uint8), to="car001")),
    Call("image: none given", lambda _, t: t([], to="car001")),
    Call("image: a number", lambda _, t: t(7, to="car001")),
    Call("image: a number in a list", lambda w, t: t([w.view, 7], to="car001")),  # type: ignore[list-item]
    Call("image: unreadable in a list", lambda w, t: t([w.view, w.make("bad.png", "text")], to="car001")),
    Call("image: unreadable end of a path", lambda w, t: t.interpolate(w.view, w.make("bad.png", "text"))),
    Call("style: unreadable", lambda w, t: t(w.view, style=w.make("bad.png", "text"))),
    Call("styles: none", lambda _, t: t.random_styles("car001", 0)),
    Call("output: unknown", lambda w, t: t(w.view, to="car001", output="np")),  # type: ignore[call-overload]
    Call("folder: no source", lambda w, t: translate_folder(t, [], w.here / "out")),
    Call("folder: a number", lambda w, t: translate_folder(t, 7, w.here / "out")),  # type: ignore[arg-type]
    Call("domains: a number", lambda *_: find_domains(7)),  # type: ignore[arg-type]
    Call("image: unreadable", lambda w, t: t(w.make("bad.png", "text"), to="car001")),
    Call("style: none given", lambda w, t: t(w.view)),
    Call("style: other shape", lambda w, t: t(w.view, to=torch.zeros(5, 64))),
    Call("style: NaN", lambda w, t: t(w.view, to=torch.full((64,), torch.nan))),
    Call("style: a number", lambda w, t: t(w.view, to=3)),  # type: ignore[arg-type]
    Call("sample: none", lambda _, t: t.sample(0)),
    Call("score: negative batch", lambda w, t: t.score(w.view, batch=-1)),
    Call("edit: no strength", lambda *_: along(code(1, 2), code(3, 4), [], "both")),
    Call("edit: direction of another shape", lambda *_: along(code(1, 2), code(1, 2, 3), [1], "both")),
    Call("recipe: value out of range", lambda *_: load_recipe("tiny", ["training.lr=-1"])),
]
