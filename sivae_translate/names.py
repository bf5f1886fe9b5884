"""Names of domains: Unicode text, the same under every locale, and the names of folders that stand for them.

Python decodes the bytes of a folder's name by the locale, so that one folder has different names under different
locales. A model must know its domains under all of them.
"""

from __future__ import annotations

import os
from pathlib import PurePath


def domain_name(name: str) -> str:
    """The domain that a folder's name, or a word of the command line, stands for: its bytes as UTF-8."""
    try:
        return os.fsencode(name).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # text that the locale cannot write, such as a name read from a file
        return name


def folder_name(domain: str) -> str:
    """The name of a domain's folder under this locale."""
    return os.fsdecode(domain.encode("utf-8", "surrogateescape"))


def names_a_folder(domain: str) -> bool:
    """Whether a folder can stand for a domain of this name, under every locale."""
    try:
        domain.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return PurePath(domain).name == domain and domain not in ("", "..") and "\0" not in domain
