"""The package's map: rooms import from earlier rooms only, modules have no circles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from sextet_train.__main__ import COMMANDS

PACKAGE = Path(__file__).resolve().parent.parent / "sextet_train"
ROOMS = ("songs", "data", "model", "optim", "train", "eval")
LONGEST_FUNCTION = 40
FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """The package's own modules that a file imports, anywhere in it."""
    known = {module_name(p) for p in FILES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module in known:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= names or {node.module}
    return found


def room(module: str) -> int:
    """The room's place in the row; modules beside the rooms belong to all."""
    parts = module.split(".")
    return ROOMS.index(parts[1]) if len(parts) > 1 and parts[1] in ROOMS else -1


def test_modules_import_no_circles_and_no_later_room() -> None:
    graph = {module_name(path): imports(path) for path in FILES}
    assert len(graph) > 40
    list(TopologicalSorter(graph).static_order())  # CycleError names a circle
    for module, imported in graph.items():
        if module == "sextet_train.__main__":
            continue
        late = [other for other in imported if room(other) > room(module)]
        assert not late, f"{module} imports {late}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_has_short_functions_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert "fmt: skip" not in text and "__import__" not in text
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    if path.stem.endswith("_kernels"):  # a kernel is one loop over registers: parts would copy them
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_has_its_module(command: tuple[str, str]) -> None:
    path = PACKAGE.joinpath(*command[0].split(".")).with_suffix(".py")
    names = [n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    assert "main" in names
