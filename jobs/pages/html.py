"""HTML pages: one self-contained file each, without script or network. Jinja escapes all text.

A page is a template in templates/ that extends page.html.j2. Only Markup, which svg.py returns, is not escaped.
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(template: str, **values: object) -> bytes:
    """Render a template to the bytes of an HTML file. The same values give the same bytes."""
    text = _environment().get_template(template).render(values)
    return text.encode(errors="backslashreplace")  # a lone surrogate has no UTF-8


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
