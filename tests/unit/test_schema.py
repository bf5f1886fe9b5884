"""Settings of a callable come from its signature and docstring, and an error is one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from sivae_translate.errors import UsageError
from sivae_translate.schema import build, descriptions, quoted, settings_of, validate


@dataclass
class Base:
    """Settings of a base.

    Attributes:
        alpha: sharpness,
            on two lines.
    """

    alpha: float = 1.0


@dataclass
class Split(Base):
    """An objective.

    Attributes:
        alpha: as in `Base`.
        zdim, depth: sizes.
    """

    zdim: int = 4
    depth: int = 1
    widths: tuple[int, ...] = (1, 2)
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.alpha <= 0:
            raise ValueError("alpha: must be > 0")
        if self.zdim % 2:
            raise ValueError("zdim must be even")


def network(*, domains: int, width: int, patch: int = 2) -> tuple[int, int, int]:
    """A network.

    Args:
        domains: number of domains.
        width: channels.

    Raises:
        ValueError: never.
    """
    return domains, width, patch


def error(call: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(UsageError) as caught:
        call(*args, **named)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 400  # one line for any input
    return message


def test_parameters_become_fields_with_their_types_defaults_and_descriptions() -> None:
    fields = settings_of(network, given=["domains"]).model_fields
    assert list(fields) == ["width", "patch"]
    assert (fields["width"].annotation, fields["width"].is_required(), fields["width"].description) == (
        int, True, "channels.",
    )  # fmt: skip
    assert fields["patch"].default == 2 and fields["patch"].description is None


def test_a_class_inherits_descriptions_and_several_names_share_one() -> None:
    assert descriptions(Split) == {"alpha": "sharpness, on two lines.", "zdim": "sizes.", "depth": "sizes."}
    assert descriptions(int) == {} and descriptions(lambda: None) == {}


def test_settings_are_immutable() -> None:
    settings = validate("objective", settings_of(Split), {})
    with pytest.raises(ValidationError):
        settings.alpha = 2.0  # type: ignore[attr-defined]


def test_a_callable_is_called_with_validated_and_given_arguments() -> None:
    built = build("objective", Split, {"alpha": 2, "widths": [4]})
    assert built == Split(alpha=2.0, widths=(4,)) and type(built.alpha) is float
    assert build("model", network, {"width": 8}, domains=3) == (3, 8, 2)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"zdim": True}, "objective.zdim = True"),
        ({"zdim": 2.0}, "objective.zdim = 2.0"),
        ({"zdim": "2"}, "objective.zdim = '2'"),
        ({"alpha": False}, "objective.alpha = False"),
        ({"alpha": float("nan")}, "objective.alpha = nan"),
        ({"alpha": float("inf")}, "objective.alpha = inf"),
        ({"alpha": 1 << 40_000}, "objective.alpha = "),
        ({"alpha": None}, "objective.alpha = None"),
        ({"widths": [1, 2.0]}, "objective.widths = [1, 2.0]"),
        ({"widths": 3}, "objective.widths = 3"),
        ({"kind": "c"}, "objective.kind = 'c'"),
        ({"kind": "x" * 9999}, "objective.kind = 'xxx"),
        ({"alpha": -1}, "objective.alpha = -1.0"),
        ({"zdim": 3}, "zdim"),
        ({"alhpa": 3}, "objective.alhpa"),
        ({"zzz": 3}, "objective.zzz"),
    ],
)
def test_the_error_of_a_bad_value_is_one_line_with_the_key_and_the_value(values: dict[str, Any], part: str) -> None:
    assert part in error(build, "objective", Split, values)


def test_missing_and_given_arguments_are_errors() -> None:
    assert "model.width" in error(build, "model", network, {}, domains=2)
    assert "model.domains" in error(build, "model", network, {"width": 1, "domains": 3}, domains=2)
    assert "model.x" in error(build, "model", object, {"x": 1})


def test_a_long_value_is_cut() -> None:
    assert len(quoted("x" * 10_000)) < 40 and len(quoted(1 << 40_000)) < 40
