"""A parsed HTML page and its plots."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np


class Page(HTMLParser):
    """A parsed HTML file: tags, links, texts, samples, and plots by their `alt`."""

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
        attributes = dict(attrs)
        self.tags.add(tag)
        self.links += [
            attributes[key] or "" for key in ("src", "href", "srcset", "action", "data") if key in attributes
        ]
        assert not [key for key in attributes if key.startswith("on")]
        if tag == "meta" and "name" in attributes:
            self.named[attributes["name"] or ""] = attributes["content"] or ""
        if tag == "img":
            svg = base64.b64decode((attributes["src"] or "").removeprefix("data:image/svg+xml;base64,"))
            self.plots[attributes["alt"] or ""] = ElementTree.fromstring(svg)
        if tag not in ("meta", "img"):
            self._open.append((tag, attributes.get("class")))
        if attributes.get("class") == "sample":
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
    """Return the points [N, 2] of a curve in SVG coordinates, in which y grows downwards."""
    [path] = page.plots[plot].findall(f".//*[@id='{name}']/{{http://www.w3.org/2000/svg}}path")
    return np.array(re.findall(r"[ML] (\S+) (\S+)", path.attrib["d"]), np.float64)


def marked(page: Page, plot: str, kind: str) -> list[str]:
    """Return the ids in a plot that start with `kind`."""
    return [
        element.attrib["id"] for element in page.plots[plot].iter() if element.attrib.get("id", "").startswith(kind)
    ]


def written(page: Page, plot: str) -> list[str]:
    """Return all texts in a plot."""
    return [element.text or "" for element in page.plots[plot].iter("{http://www.w3.org/2000/svg}text")]
