"""Tables of bad input for the command line: one case for each message, and variants that get the same message."""

from __future__ import annotations

from bad_input import evaluation, export, latent, sets, sharing, training, translation, web
from bad_input.workspace import Case, Workspace

TABLES = (training, translation, latent, evaluation, export, sets, sharing, web)
CASES: list[Case] = [case for table in TABLES for case in table.CASES]
VARIANTS: list[Case] = [case for table in TABLES for case in table.VARIANTS]

__all__ = ["CASES", "VARIANTS", "Case", "Workspace"]
