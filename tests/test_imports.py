"""The table of who may import whom, held against the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("jobs", "trainer", "preprocessing")
ALL = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]

# From the top down: a room imports only rooms below it. A module that stands in no room is a room of its own.
COMMANDS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py") if path.stem not in ("__init__", "retrain"))
ROOMS = [
    *("jobs.retrain", *(f"jobs.{name}" for name in COMMANDS)),
    *("jobs.pages", "jobs.terminal", "jobs.history", "jobs.promotion", "jobs.cli"),
    *("trainer.detection", "trainer.export", "trainer.scoring", "trainer.training", "trainer.sampling"),
    *("trainer.runs", "trainer.model", "trainer.data", "trainer.runtime", "trainer.config"),
    *("preprocessing.pipeline", "preprocessing.dataset", "preprocessing.sources", "preprocessing.storage"),
    *("preprocessing.settings", "preprocessing.json_format", "preprocessing.synthetic_reviews"),
    *("preprocessing.progress", "preprocessing.errors"),
]
BEAM = {f"preprocessing/pipeline/{name}.py" for name in ("beam", "graph", "read", "write")}
BEAM |= {"trainer/scoring/on_beam.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module imports, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides what it imports"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text())))


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def reads_the_environment(tree: ast.AST) -> bool:
    """Whether a module takes anything from argv or the environment."""
    names = {"sys.argv", "os.environ", "os.getenv", "os.environb", "os.putenv"}
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return bool(names & (used | set(imports(tree))))


def test_an_import_is_seen_wherever_it_stands() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    import e\n    if f:\n        from g.h import i as j\n"
    assert set(imports(ast.parse(source))) == {"a.b", "c.d", "e", "g.h.i"}


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['A']", "from os import environ", "import sys\nprint(sys.argv)", "os.getenv('A')"]
)
def test_a_look_at_the_environment_is_seen(source: str) -> None:
    assert reads_the_environment(ast.parse(source))


def test_a_look_elsewhere_is_none() -> None:
    assert not reads_the_environment(ast.parse("import os, sys\nos.fsync(1)\nsys.stderr.write('argv')"))


def test_google_cloud_is_imported_in_one_place() -> None:
    found = [name_of(path) for path in ALL if any(name.startswith("google.cloud") for name in imported(path))]
    assert found == ["preprocessing/storage/gcs.py"]


def room_of(name: str) -> str:
    """Return the room of a module by its dotted name."""
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("path", [path for path in ALL if path.name != "__init__.py"], ids=name_of)
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    room = room_of(name_of(path).removesuffix(".py").replace("/", "."))
    rooms = {room_of(name) for name in imported(path) if name.partition(".")[0] in PACKAGES}
    assert rooms <= {room, *ROOMS[ROOMS.index(room) + 1 :]}


def test_beam_is_imported_by_the_pipelines_alone() -> None:
    assert {name_of(path) for path in ALL if "apache_beam" in top(imported(path))} == BEAM


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_the_product_imports_no_test(path: Path) -> None:
    assert not top(imported(path)) & {"tests", "benchmarks", "pytest"}


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils.py", "util.py", "common.py", "helpers.py", "helper.py", "misc.py"}
    assert [name_of(path) for path in ALL if path.name in drawers] == []
