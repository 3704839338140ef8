"""A page as one HTML file that needs no other: no script, nothing from a network. What is called text is escaped."""

import html
from collections.abc import Iterable, Sequence

# A browser told so loads and runs nothing, should escaping ever fail.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# Plots are dark on white: in the dark they lie on a light card.
STYLE = """
:root { color-scheme: light dark; --line: #ddd; --quiet: #666 }
@media (prefers-color-scheme: dark) { :root { --line: #444; --quiet: #aaa } body { background: #161616; color: #ddd } }
body { margin: 1em auto; max-width: 72em; padding: 0 1em; font-family: sans-serif; line-height: 1.4 }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22em), 1fr)); gap: 1em }
img { max-width: 100%; border-radius: 6px; background: #fff }
.plots img { width: 100%; max-width: 40em }
.wide { overflow-x: auto }
table { border-collapse: collapse }
td, th { min-width: 12em; padding: .5em; border: 1px solid var(--line); text-align: left; vertical-align: top }
.sample { font-family: monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.quiet { color: var(--quiet); font-size: .9em }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<h1>{title}</h1>
{parts}
</html>
"""


def page(title: str, parts: Iterable[str]) -> bytes:
    """The file's bytes, of a title that is text and parts that are HTML."""
    text = PAGE.format(policy=POLICY, style=STYLE, title=html.escape(title), parts="\n".join(parts))
    return text.encode(errors="backslashreplace")  # half a surrogate pair is no text


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{html.escape(text)}</h{level}>"


def plain(lines: Sequence[str]) -> str:
    """Lines as they are, in a font of one width."""
    return f'<pre class="wide">{html.escape(chr(10).join(lines))}</pre>'


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def block(kind: str, inner: str) -> str:
    """A division around HTML."""
    return f'<div class="{kind}">{inner}</div>'
