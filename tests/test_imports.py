"""The table of rooms: which room may import which, held against the source.

A room is a folder of a package; the files right in a package form a room of that package's name.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("jobs", "trainer", "preprocessing")
SOURCE = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]

# Each room, and the rooms that it may import. A room imports only what stands above it in this table.
GROUND = ("preprocessing",)  # errors, settings, JSON, progress
STORAGE = (*GROUND, "preprocessing/storage")
DATASET = (*STORAGE, "preprocessing/sources", "preprocessing/dataset")
TRAINER_GROUND = (*DATASET, "trainer", "trainer/runtime", "trainer/data")
RUNS = (*TRAINER_GROUND, "trainer/model", "trainer/runs", "trainer/sampling")
FEATURES = ("trainer/training", "trainer/scoring", "trainer/detection", "trainer/export", "trainer/check")
HISTORY = (*RUNS, *FEATURES, "jobs/history")
ROOMS = {
    "preprocessing": (),
    "preprocessing/storage": GROUND,
    "preprocessing/sources": STORAGE,
    "preprocessing/dataset": (*STORAGE, "preprocessing/sources"),
    "preprocessing/pipeline": DATASET,
    "trainer": GROUND,
    "trainer/runtime": (*STORAGE, "trainer"),
    "trainer/data": (*DATASET, "trainer", "trainer/runtime"),
    "trainer/model": TRAINER_GROUND,
    "trainer/runs": (*TRAINER_GROUND, "trainer/model"),
    "trainer/sampling": (*TRAINER_GROUND, "trainer/model"),
    "trainer/training": RUNS,
    "trainer/scoring": RUNS,
    "trainer/detection": (*RUNS, "trainer/scoring"),
    "trainer/export": RUNS,
    "trainer/check": (*RUNS, "trainer/training"),
    "jobs/cli": (*STORAGE, "preprocessing/sources", "trainer", "trainer/runtime"),
    "jobs/history": RUNS,
    "jobs/terminal": HISTORY,
    "jobs/pages": (*HISTORY, "jobs/terminal"),
    "jobs/promotion": (*HISTORY, "jobs/pages"),
    "jobs": (*HISTORY, "preprocessing/pipeline", "jobs/cli", "jobs/terminal", "jobs/pages", "jobs/promotion"),
}
# Modules that import what their room may not.
EXCEPTIONS = {"trainer/scoring/on_beam.py": ("preprocessing/pipeline/beam.py",)}
# Libraries that only these rooms or modules import.
LIBRARIES = {
    "apache_beam": ("preprocessing/pipeline", "trainer/scoring/on_beam.py"),
    "google": tuple(f"preprocessing/storage/gcs{part}.py" for part in ("", "_client", "_errors")),
    "argparse": ("jobs",),
    # Commands print JSON by format_json, which writes no NaN.
    "json": ("preprocessing", "trainer/runtime", "trainer/runs", "trainer/export", "trainer/scoring/on_beam.py"),
    "matplotlib": ("jobs/pages", "jobs/describe.py"),
    "jinja2": ("jobs/pages",),
    "rich": ("jobs/terminal",),
    "sklearn": ("trainer/detection", "jobs/pages"),
    "tensorflow": ("trainer",),
    "keras": ("trainer",),
}
ENVIRONMENT = (
    "jobs",
    "trainer/runtime",
    "trainer/scoring/on_beam.py",
    "preprocessing/storage/gcs_client.py",
)  # may read it
MOST_FILES = 14  # in a folder, packages' __init__.py not counted
MOST_COMMANDS = 20  # files right in jobs/, each a command that a user knows by name
MOST_FLOORS = 5  # of imports within a folder


def name_of(path: Path) -> str:
    """Return a file's path below the project, with slashes."""
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides what it imports"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the dotted names that a file imports."""
    return frozenset(imports(ast.parse(path.read_text(encoding="utf-8"))))


def own_files(path: Path) -> set[str]:
    """Return the project's files that a file imports."""
    files = set()
    for name in imported(path):
        parts = name.split(".")
        for length in (len(parts), len(parts) - 1):
            file = ROOT.joinpath(*parts[:length]).with_suffix(".py")
            if parts[0] in PACKAGES and file.is_file():
                files.add(name_of(file))
                break
    return files


def room_of(name: str) -> str:
    """Return the room of a file."""
    return name.rpartition("/")[0]


def floors(folder: Path) -> int:
    """Return the length of the longest chain of imports within a folder."""
    files = {name_of(path): path for path in folder.glob("*.py")}

    @cache
    def height(name: str) -> int:
        below = [height(other) for other in own_files(files[name]) & files.keys() if other != name]
        return 1 + max(below, default=0)

    return max(map(height, files), default=0)


def reads_the_environment(tree: ast.AST) -> bool:
    """Return whether a module reads arguments or environment variables."""
    names = {"sys.argv", "os.environ", "os.getenv", "os.environb", "os.putenv"}
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return bool(names & (used | set(imports(tree))))


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['A']", "from os import environ", "import sys\nprint(sys.argv)", "os.getenv('A')"]
)
def test_a_read_of_the_environment_is_seen(source: str) -> None:
    assert reads_the_environment(ast.parse(source))


def test_other_uses_of_os_and_sys_are_no_read_of_the_environment() -> None:
    assert not reads_the_environment(ast.parse("import os, sys\nos.fsync(1)\nsys.stderr.write('argv')"))


@pytest.mark.parametrize("path", SOURCE, ids=lambda path: name_of(path))
def test_arguments_and_environment_are_read_where_the_table_says(path: Path) -> None:
    name = name_of(path)
    if reads_the_environment(ast.parse(path.read_text(encoding="utf-8"))):
        assert any(name == place or name.startswith(f"{place}/") for place in ENVIRONMENT)


def test_an_import_is_seen_wherever_it_stands() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    import e\n    if f:\n        from g.h import i as j\n"
    assert set(imports(ast.parse(source))) == {"a.b", "c.d", "e", "g.h.i"}


def test_each_folder_of_the_source_is_in_the_table() -> None:
    assert {room_of(name_of(path)) for path in SOURCE} == set(ROOMS)


def test_the_table_has_no_arrow_back_up() -> None:
    order = list(ROOMS)
    for number, room in enumerate(order):
        assert set(ROOMS[room]) <= set(order[:number]), room


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_a_room_imports_what_the_table_allows(path: Path) -> None:
    name = name_of(path)
    room = room_of(name)
    allowed = {room, *ROOMS[room]}
    wrong = {file for file in own_files(path) if room_of(file) not in allowed}
    assert wrong <= set(EXCEPTIONS.get(name, ()))


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_a_library_is_imported_where_the_table_says(path: Path) -> None:
    name = name_of(path)
    for library in {dotted.partition(".")[0] for dotted in imported(path)} & LIBRARIES.keys():
        assert any(name == place or name.startswith(f"{place}/") for place in LIBRARIES[library]), library


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_the_product_imports_no_test(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imported(path)} & {"tests", "benchmarks", "pytest"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_folder_can_be_taken_in_at_a_glance(room: str) -> None:
    files = [path for path in (ROOT / room).glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= (MOST_COMMANDS if room == "jobs" else MOST_FILES)
    assert floors(ROOT / room) <= MOST_FLOORS


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils.py", "util.py", "common.py", "helpers.py", "helper.py", "misc.py"}
    assert [name_of(path) for path in SOURCE if path.name in drawers] == []
