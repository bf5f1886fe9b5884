"""The import graph of the package: subpackages import only lower ones, without cycles, deferred imports included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

import sivae_translate

PACKAGE = Path(sivae_translate.__file__).parent
# A room is a subpackage, or a module beside them. Rooms of one floor may import each other, but not in a cycle.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset(
        {"types", "errors", "allocator", "signals", "device", "progress", "memory", "console", "pictures", "names"}
        | {"extras", "host", "plugins", "video"}
    ),
    frozenset(
        {"schema", "recipe", "untrusted", "untrusted_tensors", "atomic", "checkpoint", "reports", "pages", "data"}
    ),
    frozenset({"datasets", "models", "objectives"}),
    frozenset({"training"}),
    frozenset({"inference", "toy"}),
    frozenset({"evaluation", "export"}),
    frozenset({"bench", "sharing", "web"}),
    frozenset({"cli"}),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FRONT = {"__init__", "__main__"}  # entry points: they import rooms, and no room imports them
HEAVY = {"torch", "torchvision", "kornia", "albumentations", "accelerate", "scipy", "skimage", "numpy", "PIL"}
Arrow = tuple[str, str]


def imports(source: str, top_level_only: bool = False) -> set[str]:
    """Full names of the modules, and of names in them, that a file imports at any depth."""
    tree = ast.parse(source)
    found: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_sources() -> dict[str, str]:
    """Dotted module name below the package -> its text."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_text() for path in paths}


def arrows(sources: Mapping[str, str]) -> set[Arrow]:
    """(importer, imported) between modules of the package; a package's own `__init__` goes by the package's name."""
    names = {name.removesuffix(".__init__"): name for name in sources}
    found = set()
    for importer, source in sources.items():
        for full in imports(source):
            parts = full.split(".")
            if parts[0] != "sivae_translate":
                continue
            inside = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
            target = next((names[name] for name in inside if name in names), None)
            if target and target != importer:
                found.add((importer, target))
    return found


def room(module: str) -> str:
    return module.split(".")[0]


def upward(sources: Mapping[str, str]) -> set[Arrow]:
    """Arrows from a lower floor to a higher one."""
    pairs = {(a, b) for a, b in arrows(sources) if room(a) not in FRONT}
    return {(a, b) for a, b in pairs if FLOOR[room(b)] > FLOOR[room(a)]}


def cycle(edges: Iterable[Arrow]) -> list[str]:
    """The nodes of some cycle; empty where there is none."""
    following: dict[str, set[str]] = {}
    for a, b in edges:
        following.setdefault(a, set()).add(b)
    finished: set[str] = set()

    def visit(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return trail[trail.index(node) :]
        if node in finished:
            return []
        for after in sorted(following.get(node, ())):
            if found := visit(after, [*trail, node]):
                return found
        finished.add(node)
        return []

    return next((found for node in sorted(following) if (found := visit(node, []))), [])


def between_rooms(edges: Iterable[Arrow]) -> set[Arrow]:
    pairs = {(room(a), room(b)) for a, b in edges if room(a) not in FRONT}
    return {(a, b) for a, b in pairs if a != b}


def test_every_module_is_in_a_room() -> None:
    assert {room(module) for module in package_sources()} - FRONT == set(FLOOR)


def test_arrows_point_down() -> None:
    assert upward(package_sources()) == set()


def test_no_room_imports_itself_through_others() -> None:
    assert cycle(between_rooms(arrows(package_sources()))) == []


def test_no_module_imports_itself_through_others() -> None:
    inner = {(a, b) for a, b in arrows(package_sources()) if not {a, b} & FRONT}
    assert cycle(inner) == []


def test_objectives_know_a_model_by_its_protocol_alone() -> None:
    below = {b for a, b in arrows(package_sources()) if room(a) == "objectives" and room(b) != "objectives"}
    assert below <= {"types", "errors", "plugins"}


def test_the_loop_is_handed_its_objects() -> None:
    wired = {room(b) for a, b in arrows(package_sources()) if a == "training.loop"}
    assert wired <= {"types", "training"}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("models.layers", "from sivae_translate.training.loop import train"),
        ("types", "def f():\n    from sivae_translate.inference.translator import Translator"),
        ("data.images", "def f():\n    import sivae_translate.cli.common"),
    ],
)
def test_an_upward_arrow_is_caught(module: str, line: str) -> None:
    sources = package_sources()
    sources[module] += f"\n{line}\n"
    assert {a for a, _ in upward(sources)} == {module}


@pytest.mark.parametrize(
    ("a", "b"), [("models.layers", "objectives.functional"), ("recipe", "data.batches"), ("data.images", "checkpoint")]
)
def test_a_cycle_is_caught(a: str, b: str) -> None:
    sources = package_sources()
    for importer, imported in ((a, b), (b, a)):
        sources[importer] += f"\ndef f():\n    import sivae_translate.{imported}\n"
    assert cycle(arrows(sources))
    assert cycle(between_rooms(arrows(sources)))


def test_the_command_line_imports_nothing_heavy() -> None:
    light = [
        module for module in package_sources() if room(module) in {"cli", "errors", "recipe", "signals", "__init__"}
    ]
    assert len(light) > 8
    for module in light:
        heavy = {name.split(".")[0] for name in imports(package_sources()[module], top_level_only=True)} & HEAVY
        assert not heavy or module == "cli.demo", f"{module} imports {heavy} at start-up"


def test_nothing_is_ever_unpickled() -> None:
    for module, source in package_sources().items():
        assert not {name.split(".")[0] for name in imports(source)} & {"pickle", "dill", "joblib", "cloudpickle"}, (
            module
        )
        assert not re.search(r"(?<!safetensors\.)torch\.load\((?!.*\bweights_only=True\))", source), module
