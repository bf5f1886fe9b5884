"""The pages of docs/ agree with the code: messages that are quoted exist, and every public name has its docstring."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sivae_translate

ROOT = Path(__file__).parents[1]
FOREIGN = {"operator torchvision::nms does not exist"}  # torchvision's own message
HOLE = "\0"  # a value in a message


def quoted_messages() -> list[str]:
    """The messages that faults.md quotes: in the first column, the code that has a space."""
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs/faults.md").read_text(), re.MULTILINE)
    return [quote for row in rows for quote in re.findall("`(.+?)`", row) if " " in quote and quote not in FOREIGN]


@pytest.fixture(scope="module")
def texts() -> str:
    """Every text in the package, a line each, with a hole for each value."""
    trees = (ast.parse(path.read_text()) for path in (ROOT / "sivae_translate").rglob("*.py"))
    return "\n".join(as_text(node).replace("\n", " ") for tree in trees for node in ast.walk(tree))


def as_text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(as_text, node.values))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return HOLE if isinstance(node, ast.FormattedValue) else ""


@pytest.mark.parametrize("quote", quoted_messages())
def test_a_quoted_message_is_in_the_code(texts: str, quote: str) -> None:
    parts = [re.escape(part.strip()) for part in quote.split("...") if part.strip()]
    if not re.search(".*".join(parts), texts):
        pytest.fail(f"docs/faults.md quotes a message that no code has: {quote}")


def test_messages_are_quoted() -> None:
    assert len(quoted_messages()) > 15


def test_the_reference_has_the_docstring_of_every_public_name() -> None:
    shown = set(re.findall(r"^::: (\S+)$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE))
    public = {f"sivae_translate.{home}.{name}" for name, home in sivae_translate._HOMES.items()}
    assert public - shown == set()
