"""A headless Chromium that opens local files."""

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
    """Return the path of the installed Chromium, else of playwright's Chromium, else None."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    downloaded = playwright.chromium.executable_path
    return installed or (downloaded if Path(downloaded).exists() else None)


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """Start Chromium. Yields None if no Chromium is installed."""
    with sync_playwright() as playwright:
        path = executable(playwright)
        if path is None:
            yield None
            return
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium as root has no sandbox
        with playwright.chromium.launch(executable_path=path, args=sandbox) as browser:
            yield browser


@dataclass
class Shown:
    """A page in a browser, with its console messages and the URLs of its requests."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def shown(browser: Browser, file: Path, *, size: str = "desktop", dark: bool = False) -> Iterator[Shown]:
    """Open a file in the browser at a screen size."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    view = Shown(context.new_page())

    def record_message(message: ConsoleMessage) -> None:
        view.messages.append(message.text)

    def record_request(request: Request) -> None:
        view.requests.append(request.url)

    view.page.on("console", record_message)
    view.page.on("pageerror", lambda error: view.messages.append(str(error)))
    view.page.on("request", record_request)
    view.page.goto(file.absolute().as_uri())
    yield view
    context.close()
