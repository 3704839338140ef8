"""A real browser without a window, on local files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZES = {"desktop": (1200, 900), "phone": (375, 812)}


def executable(playwright: Playwright) -> str | None:
    """Chromium's path: the machine's, else the one that `playwright install chromium` brought; None without any."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    own = playwright.chromium.executable_path
    return found or (own if Path(own).exists() else None)


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """None where there is no Chromium."""
    with sync_playwright() as playwright:
        path = executable(playwright)
        if path is None:
            yield None
            return
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # which Chromium refuses to root
        with playwright.chromium.launch(executable_path=path, args=sandbox) as browser:
            yield browser


@dataclass
class Shown:
    """A page in a browser: what its console said, and all that it asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def shown(browser: Browser, file: Path, *, size: str = "desktop", dark: bool = False) -> Iterator[Shown]:
    """The file as the browser shows it."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    seen = Shown(context.new_page())

    def say(message: ConsoleMessage) -> None:
        seen.said.append(message.text)

    def ask(request: Request) -> None:
        seen.requests.append(request.url)

    seen.page.on("console", say)
    seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
    seen.page.on("request", ask)
    seen.page.goto(file.absolute().as_uri())
    yield seen
    context.close()
