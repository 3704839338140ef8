"""The package that Beam sends to its workers: complete, and without TensorFlow."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.test_imports import imported

ROOT = Path(__file__).parents[1]
PACKAGES = ("jobs", "preprocessing", "trainer")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the packages to a new folder, and build a source distribution and a wheel in its `dist`."""
    folder = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    build = [sys.executable, "setup.py", "sdist", "--dist-dir=dist", "bdist_wheel", "--dist-dir=dist"]
    subprocess.run(build, cwd=folder, capture_output=True, check=True)
    return folder


def package_files(project: Path) -> set[str]:
    paths = (path for package in PACKAGES for path in (project / package).rglob("*"))
    return {path.relative_to(project).as_posix() for path in paths if path.is_file()}


def test_source_distribution_holds_each_file_of_the_packages(project: Path) -> None:
    (path,) = (project / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert package_files(project) - names == set()


def test_wheel_holds_each_file_of_the_packages(project: Path) -> None:
    (path,) = (project / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    assert package_files(project) - names == set()


def required_packages(wheel: Path) -> set[str]:
    """Return the packages that pip installs with the wheel without extras, and with Beam for Google Cloud."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        text = archive.read(name).decode()
    beam = [line.replace("extra == 'gcp'", "") for line in importlib.metadata.requires("apache-beam") or []]
    found, due = {"apache-beam"}, [*re.findall(r"^Requires-Dist: (.+)", text, re.M), *beam]
    while due:
        line = due.pop()
        package = normalized(re.split(r"[^\w.-]", line)[0])
        if "extra ==" not in line and package not in found:
            found.add(package)
            with suppress(importlib.metadata.PackageNotFoundError):  # of another platform
                due += importlib.metadata.requires(package) or []
    return found


def normalized(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_what_workers_import_is_installed_without_extras(project: Path) -> None:
    (wheel,) = (project / "dist").glob("*.whl")
    packages, owners = required_packages(wheel), importlib.metadata.packages_distributions()
    assert {"orjson", "backports-zstd", "google-cloud-storage"} <= packages
    assert "tensorflow" not in packages
    names = {name for path in (ROOT / "preprocessing").rglob("*.py") for name in imported(path)}
    for name in sorted(names):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top in PACKAGES:
            continue
        distributions = {normalized(owner) for owner in owners[top]}
        assert distributions & packages, f"{name}: of {distributions}, which no worker has"


def test_pipeline_workers_import_neither_tensorflow_nor_the_other_packages() -> None:
    # graph imports every DoFn and every function that a worker unpickles.
    script = "import sys, preprocessing.pipeline.graph; print(*{name.partition('.')[0] for name in sys.modules})"
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(ended.stdout.split())
    assert {"apache_beam", "preprocessing"} <= modules
    assert not modules & {"tensorflow", "keras", "jobs", "trainer"}
