"""A page as one HTML file that needs no other: no script, nothing from a network. What is called text is escaped."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

PAGE = "page.html.j2"


def render(template: str, **values: object) -> bytes:
    """The file that a template in templates/ makes of the values, of which text is escaped."""
    text = _environment().get_template(template).render(values)
    return text.encode(errors="backslashreplace")  # half a surrogate pair is no text


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page(title: str, parts: Iterable[str]) -> bytes:
    """The file's bytes, of a title that is text and parts that are HTML."""
    return render(PAGE, title=title, parts=list(parts))


# Plain str, of which two can be put together: to a Markup a str would be text, and be escaped.
def heading(text: str, level: int = 2) -> str:
    return str(Markup("<h{0}>{1}</h{0}>").format(level, text))


def plain(lines: Sequence[str]) -> str:
    """Lines as they are, in a font of one width."""
    return str(Markup('<pre class="wide">{}</pre>').format("\n".join(lines)))


def paragraph(text: str, kind: str = "") -> str:
    return str(Markup('<p class="{}">{}</p>').format(kind, text) if kind else Markup("<p>{}</p>").format(text))


def block(kind: str, inner: str) -> str:
    """A division around HTML."""
    return str(Markup('<div class="{}">{}</div>').format(kind, Markup(inner)))
