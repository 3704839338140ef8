"""A page as a browser reads it, and the plots in it."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np


class Page(HTMLParser):
    """What a browser makes of the file: the tags in it, all that it would fetch, its texts, and its plots by alt."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.named: dict[str, str] = {}
        self.texts: list[str] = []
        self.samples: list[str] = []
        self.plots: dict[str, ElementTree.Element] = {}
        self._open: list[tuple[str, str | None]] = []
        self.feed(file.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.links += [found[key] or "" for key in ("src", "href", "srcset", "action", "data") if key in found]
        assert not [key for key in found if key.startswith("on")]
        if tag == "meta" and "name" in found:
            self.named[found["name"] or ""] = found["content"] or ""
        if tag == "img":
            drawn = base64.b64decode((found["src"] or "").removeprefix("data:image/svg+xml;base64,"))
            self.plots[found["alt"] or ""] = ElementTree.fromstring(drawn)
        if tag not in ("meta", "img"):
            self._open.append((tag, found.get("class")))
        if found.get("class") == "sample":
            self.samples.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._open and self._open[-1] == ("div", "sample"):
            self.samples[-1] += data

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def curve(page: Page, plot: str, name: str) -> np.ndarray:
    """The points [n, 2] of a curve as they are drawn, in the SVG's coordinates; y goes down."""
    [path] = page.plots[plot].findall(f".//*[@id='{name}']/{{http://www.w3.org/2000/svg}}path")
    return np.array(re.findall(r"[ML] (\S+) (\S+)", path.attrib["d"]), np.float64)


def marked(page: Page, plot: str, kind: str) -> list[str]:
    """The ids of this kind in a plot."""
    return [one.attrib["id"] for one in page.plots[plot].iter() if one.attrib.get("id", "").startswith(kind)]


def written(page: Page, plot: str) -> list[str]:
    """All that is written in a plot."""
    return [one.text or "" for one in page.plots[plot].iter("{http://www.w3.org/2000/svg}text")]
