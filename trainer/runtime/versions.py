"""The versions of what a report is made with."""

import platform
from collections.abc import Iterator
from importlib import metadata

PACKAGES = ("tensorflow", "keras", "numpy")


def versions() -> Iterator[tuple[str, str]]:
    """Of Python and the packages, as installed: not imported for it."""
    yield "python", platform.python_version()
    for package in PACKAGES:
        yield package, _version(package)


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):  # TensorFlow's CPU build has another name
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return "not installed"
