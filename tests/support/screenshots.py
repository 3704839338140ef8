"""Pictures of the demo's report and of jobs.watch, for the README and docs/: make screenshots."""

import io
import re
import sys
from pathlib import Path

from playwright.sync_api import FloatRect
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from jobs import report
from jobs.history.status import read_status
from jobs.terminal.status import status_view
from tests.support.browser import SIZES, chromium, shown
from trainer.runs.folder import open_run

DEMO = Path("demo/runs/demo")
FOLDER = Path("docs")
# (file, screen size, dark mode, height of the page's top in pixels)
PICTURES = (("report.png", "desktop", False, 1370), ("report-phone.png", "phone", True, 1195))


def main() -> None:
    report.main([str(DEMO)])
    terminal(FOLDER / "watch.svg")
    with chromium() as browser:
        if browser is None:
            sys.exit("screenshots: no Chromium: apt-get install chromium, or playwright install chromium")
        for name, size, dark, height in PICTURES:
            with shown(browser, DEMO / "report.html", size=size, dark=dark) as view:
                top: FloatRect = {"x": 0, "y": 0, "width": SIZES[size][0], "height": height}
                view.page.screenshot(path=FOLDER / name, full_page=True, clip=top)
                print(FOLDER / name)


def terminal(file: Path) -> None:
    """Render jobs.watch as an SVG of a terminal."""
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(status_view(read_status(open_run(str(DEMO)))))
    # rich's format loads fonts from the network, which a picture in a README must not do.
    offline = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.S)
    console.save_svg(str(file), title="python -m jobs.watch demo/runs/demo", code_format=offline)
    print(file)


if __name__ == "__main__":
    main()
