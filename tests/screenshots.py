"""README's pictures of the demo's pages: make screenshots."""

import sys
from pathlib import Path

from jobs import report
from tests.browser import chromium, shown

DEMO = Path("demo/runs/demo")
FOLDER = Path("docs")


def main() -> None:
    report.main([str(DEMO)])
    with chromium() as browser:
        if browser is None:
            sys.exit("screenshots: no Chromium: apt-get install chromium, or playwright install chromium")
        for size, dark, name in (("desktop", False, "report.png"), ("phone", True, "report-phone.png")):
            with shown(browser, DEMO / "report.html", size=size, dark=dark) as seen:
                seen.page.screenshot(path=FOLDER / name)
                print(FOLDER / name)


if __name__ == "__main__":
    main()
