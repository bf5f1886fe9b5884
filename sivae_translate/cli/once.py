"""Options that are given twice are refused: the parser would keep the last value and drop the others in silence."""

from __future__ import annotations

from collections import Counter

import typer
from typer.core import TyperCommand, TyperGroup


class Once:
    """Refuses an option given twice, unless the option takes several values."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # of shell completion, which must not fail
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]
        _, _, order = self.make_parser(ctx).parse_args(list(args))  # type: ignore[attr-defined]
        for parameter, count in Counter(order).items():
            if parameter.param_type_name == "option" and count > 1 and not parameter.multiple:
                ctx.fail(f"{parameter.opts[-1]} is given {count} times: expected it once")
        rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        return rest


class OnceCommand(Once, TyperCommand):  # type: ignore[misc]
    pass


class OnceGroup(Once, TyperGroup):  # type: ignore[misc]
    pass


def once(app: typer.Typer) -> None:
    """Let every command of an app, and of the apps inside it, refuse options that are given twice."""
    for command in app.registered_commands:
        command.cls = OnceCommand
    if app.registered_callback is not None:
        app.registered_callback.cls = OnceGroup
    for group in app.registered_groups:
        if group.typer_instance is not None:
            once(group.typer_instance)
