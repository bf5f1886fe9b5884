"""Typed settings: pydantic models, written by hand or made from the signature of a callable, with one-line errors."""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from sivae_translate.errors import UsageError, did_you_mean

S = TypeVar("S", bound="Settings")
T = TypeVar("T")


class Settings(BaseModel):
    """Base of all settings: immutable, without unknown keys, conversions of type, NaN or infinity.

    Two conversions remain: an integer is accepted for a float, and a list for a tuple. A field's docstring is its
    description.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def validate(section: str, model: type[S], values: Mapping[str, Any]) -> S:
    """`values` as the settings `model`, defaults filled in.

    Raises:
        UsageError: an unknown or missing key, or a value of another type or out of its range.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(_one_line(section, model, values, error)) from error


def settings_of(target: Callable[..., Any], given: Collection[str] = ()) -> type[Settings]:
    """The settings of a callable: its parameters with their types and defaults, described by its docstring.

    Args:
        target: class or function with a Google-style docstring.
        given: parameters that the program passes, which are no settings.
    """
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    texts = descriptions(target)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if name not in given:
            default = ... if parameter.default is parameter.empty else parameter.default
            strict = False if get_origin(hints[name]) is tuple else None  # TOML has lists
            fields[name] = (hints[name], Field(default, description=texts.get(name), strict=strict))
    return create_model(getattr(target, "__name__", "Settings"), __base__=Settings, **fields)


def build(section: str, target: Callable[..., T], values: Mapping[str, Any], /, **given: Any) -> T:
    """The result of `target(**values, **given)`; `values` are validated by the signature of `target`.

    The target checks its own ranges. Its ValueError("alpha: must be > 0") becomes the UsageError
    "objective.alpha = -1.0: must be > 0".

    Raises:
        UsageError: as in `validate`, or the target raises ValueError.
    """
    settings = validate(section, settings_of(target, given), values).model_dump()
    try:
        return target(**settings, **given)
    except ValueError as error:
        key, _, reason = str(error).partition(": ")
        if key in settings and reason:
            raise UsageError(f"{section}.{key} = {quoted(settings[key])}: {reason}") from error
        raise UsageError(f"[{section}] {error}") from error


def descriptions(target: Callable[..., Any]) -> dict[str, str]:
    """Parameter -> description, from `Args:` or `Attributes:` of a Google-style docstring.

    A class inherits the descriptions of its bases.
    """
    found: dict[str, str] = {}
    for owner in inspect.getmro(target) if inspect.isclass(target) else (target,):
        block = re.search(r"^(?:Args|Attributes):\n((?: {4}.*\n?)+)", inspect.cleandoc(owner.__doc__ or ""), re.M)
        for names, text in re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", block[1] if block else "", re.M):
            if not text.startswith("as in"):  # the description of a base class holds
                found = {name: " ".join(text.split()) for name in names.split(", ")} | found
    return found


def quoted(value: object) -> str:
    """A value on one line for an error message, shortened where it is long."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to write thousands of digits
        return "a huge number"


def _one_line(section: str, model: type[Settings], values: Mapping[str, Any], error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    key, *item = first["loc"]
    if first["type"] == "extra_forbidden":
        known = list(model.model_fields)
        nearest = did_you_mean(str(key), known) if known else "it has no settings"
        return f"unknown key {section}.{key}: {nearest}"
    reason = re.sub("^Value error, ", "", first["msg"]).replace("Field required", "is missing").replace("tuple", "list")
    reason = re.sub(r"^\w+ should", "must", reason)
    if key not in values:
        return f"{section}.{key} {reason}"
    return f"{section}.{key} = {quoted(values[str(key)])}: {f'item {item[0]} ' if item else ''}{reason}"
