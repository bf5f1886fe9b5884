"""Commands that print recipes, settings and the environment."""

from __future__ import annotations

from typing import Annotated

import typer

from sivae_translate.cli.options import HELP
from sivae_translate.cli.terminal import say, terminal

commands = typer.Typer()

recipes_app = typer.Typer(help="The built-in recipes.", invoke_without_command=True)
commands.add_typer(recipes_app, name="recipes", rich_help_panel=HELP)


@recipes_app.callback()
def recipes(context: typer.Context) -> None:
    """List the built-in recipes, or show one."""
    if context.invoked_subcommand is None:
        list_recipes()


@recipes_app.command("list")
def list_recipes() -> None:
    """List the built-in recipes with a line about each."""
    with terminal():
        from sivae_translate.recipe import recipe_names, recipe_summary

        for name in recipe_names():
            say(f"{name:14} {recipe_summary(name)}")


@recipes_app.command("show")
def show_recipe(name: Annotated[str, typer.Argument(help="Name of the recipe.")]) -> None:
    """Print a recipe, to copy and change; a recipe with [choose] is followed by those it selects from."""
    with terminal():
        from sivae_translate.recipe import recipe_choices, recipe_text

        say(recipe_text(name).rstrip())
        for choice in recipe_choices(name):
            say(f"\n# --- {choice} ---\n{recipe_text(choice).rstrip()}")


@recipes_app.command("schema")
def print_schema() -> None:
    """Print the JSON schema of a recipe, with which an editor completes and checks recipes."""
    with terminal():
        import json

        from sivae_translate.training.settings_page import recipe_schema

        say(json.dumps(recipe_schema(), indent=2))


@recipes_app.command("settings", hidden=True)
def print_settings() -> None:
    """Print every key of a recipe with its range, default and effect: docs/settings.md."""
    with terminal():
        from sivae_translate.training.settings_page import settings_page

        say(settings_page().rstrip())


@commands.command(rich_help_panel=HELP)
def env() -> None:
    """Print versions and devices, for bug reports."""
    with terminal():
        from sivae_translate.cli.environment import describe

        for name, value in describe().items():
            say(f"{name:16} {value}")
