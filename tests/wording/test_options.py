"""The arguments, options and defaults of every command, in cli.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from snapshots import Snapshot

from sivae_translate.cli import app


@pytest.fixture(scope="module")
def options() -> Snapshot:
    return Snapshot(Path(__file__).with_name("cli.txt"), ":")


def words(parameter: click.Parameter) -> str:
    """`NAME` of an argument, `--name` of an option, `=default` after it where there is one."""
    names = "/".join([*parameter.opts, *parameter.secondary_opts])
    names = names if names.startswith("-") else names.upper()
    return names if parameter.required or parameter.default is None else f"{names}={parameter.default}"


def commands(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Name and stored line of a command and of every command below it."""
    yield name, " ".join([f"{name}:", *map(words, command.params)])
    for below in getattr(command, "commands", {}).values():
        yield from commands(below, f"{name} {below.name}")


COMMANDS = dict(commands(typer.main.get_command(app), "sivae-translate"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_stored_options(options: Snapshot, name: str) -> None:
    options.compare(name, COMMANDS[name])


def test_every_stored_command_exists(options: Snapshot) -> None:
    options.finish(list(COMMANDS))
