"""The one door for packages that only some commands need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sivae_translate.errors import UsageError


def require(module: str, extra: str) -> Any:
    """This module; UsageError with the command that installs it, as part of `extra`, where it is not there."""
    try:
        return import_module(module)
    except ImportError as error:
        fix = f"pip install 'sivae-translate[{extra}]'"
        raise UsageError(f"this needs {module.split('.')[0]}, which cannot be imported ({error}): {fix}") from None
