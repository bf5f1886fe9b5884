"""`python -m sivae_translate`, as launchers want it."""

from sivae_translate.cli import app

app()
