"""The extras of setup.py that a command may lack: packages for pages, displays and detectors."""

from importlib.util import find_spec

from preprocessing.errors import InputError

PACKAGES = {"describe": ("jinja2", "matplotlib", "rich"), "detect": ("sklearn",)}


def require_extra(extra: str) -> None:
    """Raise InputError, with the package and the extra, if a package of the extra is not installed."""
    for package in PACKAGES[extra]:
        if find_spec(package) is None:
            raise InputError(f"needs {package}, which is not installed: it is in the extra `{extra}`")
