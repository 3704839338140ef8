"""What became of a run, as one HTML file in its folder: RUN/report.html.

    python -m jobs.report RUN

RUN is the URL of a run's folder; the run may still be under way. The page has the curves of loss, learning rate and
speed, the samples, the dataset, the configuration and the versions, and needs no network to be read. It is drawn by
matplotlib. The trainer writes it at its end. Prints the page's URL.
"""

import logging
from collections.abc import Sequence
from threading import Lock

from jobs import command
from jobs.run import Run, open_run
from jobs.storage import absolute
from preprocessing.errors import InputError

log = logging.getLogger(__name__)

NAME = "report.html"


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("run", metavar="RUN")
    print(write(open_run(arguments.parse_args(argv).run)))


def write(run: Run) -> str:
    """Writes the report of a run as it stands, and gives its URL. InputError if a package for it is missing."""
    try:
        from jobs import history
        from jobs.report_page import page
    except ImportError as error:
        raise InputError(f"needs {str(error.name).partition('.')[0]}, which is not installed") from None
    name = absolute(run.bucket.url).rpartition("/")[2]
    run.bucket.write(NAME, page(name, run, history.read(run.bucket)))
    return f"{run.bucket.url}/{NAME}"


class Reports:
    """The reports that a run in training leaves, at the times that `when` names: never, end, epoch or checkpoint.

    No fault of one may change how the run goes on, or ends.
    """

    def __init__(self, url: str, when: str) -> None:
        self._url, self._when = url, when
        self._at_work = Lock()  # matplotlib's settings are the process's

    def saved(self, epoch_ended: bool) -> None:
        """To be called after each save, by any thread; while a report is still being made it leaves it at that."""
        due = self._when == "checkpoint" or (self._when == "epoch" and epoch_ended)
        if due and self._at_work.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._at_work.release()

    def end(self) -> None:
        """To be called when all of the run stands."""
        if self._when != "never":
            with self._at_work:
                self._write()

    def _write(self) -> None:
        try:
            log.info("report: %s", write(open_run(self._url)))
        except Exception as error:
            log.warning("no %s: %s", NAME, " ".join(str(error).split()) or type(error).__name__)


if __name__ == "__main__":
    command.run(main)
