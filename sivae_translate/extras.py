"""Imports of optional packages, which only some commands need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sivae_translate.errors import UsageError


def require(module: str, extra: str) -> Any:
    """The imported module. Raises UsageError with the command that installs `extra` where the import fails."""
    try:
        return import_module(module)
    except ImportError as error:
        fix = f"pip install 'sivae-translate[{extra}]'"
        raise UsageError(f"this needs {module.split('.')[0]}, which cannot be imported ({error}): {fix}") from None
