"""Reports as files: report.html in a run's folder, or a page at a URL."""

import logging
from collections.abc import Sequence
from threading import Lock

from preprocessing.extras import require_extra
from preprocessing.storage.urls import open_for_writing
from trainer.runs.folder import Run, open_run

log = logging.getLogger(__name__)

REPORT = "report.html"
COMPARISON = "comparison.html"


def write_report(run: Run, url: str | None = None) -> str:
    """Write the report of a run to `url`, or into its folder, and return its URL.

    Raises InputError if a package is not installed, or if an object of the run is damaged.
    """
    require_extra("describe")
    from jobs.pages.run import report_page

    page = report_page(run)
    if url is not None:
        return _write(page, url)
    run.bucket.write(REPORT, page)
    return f"{run.bucket.url}/{REPORT}"


def write_comparison(urls: Sequence[str], url: str) -> str:
    """Write the comparison of the runs at `urls` to `url`, and return `url`. Raises InputError as write_report does."""
    require_extra("describe")
    from jobs.pages.comparison import comparison_page

    return _write(comparison_page(urls), url)


def _write(page: bytes, url: str) -> str:
    with open_for_writing(url) as file:
        file.write(page)
    return url


class ReportWriter:
    """The reports of a run in training. An error in a report becomes a line in the log and never stops the run.

    `when` is the configuration key `report`: never, end, epoch or checkpoint.
    """

    def __init__(self, url: str, when: str) -> None:
        self._url, self._when = url, when
        self._lock = Lock()  # matplotlib's settings belong to the whole process

    def after_save(self, validated: bool) -> None:
        """Write a report if one is due. Any thread may call this; it returns at once if a report is being written."""
        due = self._when == "checkpoint" or (self._when == "epoch" and validated)
        if due and self._lock.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._lock.release()

    def after_end(self) -> None:
        """Write the last report, unless `when` is never."""
        if self._when != "never":
            with self._lock:
                self._write()

    def _write(self) -> None:
        try:
            log.info("report: %s", write_report(open_run(self._url)))
        except Exception as error:
            log.warning("no %s: %s", REPORT, " ".join(str(error).split()) or type(error).__name__)
