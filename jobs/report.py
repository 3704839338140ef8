"""What became of a run, as one HTML file in its folder, RUN/report.html; or of several, compared.

    python -m jobs.report RUN
    python -m jobs.report RUN --to report.html
    python -m jobs.report RUN RUN --to comparison.html
    python -m jobs.report RUN RUN --json

RUN is the URL of a run's folder; the run may still be under way. The page has the curves of loss, learning rate,
speed and goodput with what interrupted them, the starts, the samples, the dataset, the configuration, the hardware
and the versions, and needs no network to be read. The trainer writes it at its end. --to a URL puts it elsewhere, as
where the run may only be read. Prints the page's URL.

Of several runs one page, --to a URL (default: comparison.html in this folder), has what differs between their
configurations and datasets, their curves on one axis, what each came to, and their samples at equal epochs and
diversities. --json prints the numbers instead, of one run or of several.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from jobs.cli import command
from preprocessing.errors import InputError
from preprocessing.sources.find import split_url
from preprocessing.storage.urls import absolute
from trainer.runs.folder import Run, open_run

log = logging.getLogger(__name__)

NAME = "report.html"
COMPARISON = "comparison.html"


@contextmanager
def _needed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"needs {str(error.name).partition('.')[0]}, which is not installed: it is in the extra `describe`"
        ) from None


@_needed()
def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("runs", metavar="RUN", nargs="+")
    arguments.add_argument("--to", metavar="URL", help=f"the page's file (default: RUN/{NAME}; {COMPARISON})")
    arguments.add_argument("--json", action="store_true", help="prints the numbers, writes no page")
    asked = arguments.parse_args(argv)
    if asked.to is not None and asked.json:
        raise InputError(f"--to {asked.to}: only for a page: leave it or --json out")
    if asked.to is not None:
        split_url(asked.to)  # refused before the work
    if asked.json:
        from jobs.history import comparison

        print(json.dumps(comparison.numbers(comparison.compared(asked.runs)), indent=1))
    elif len(asked.runs) == 1:
        print(write(open_run(asked.runs[0]), asked.to))
    else:
        print(compare(asked.runs, COMPARISON if asked.to is None else asked.to))


@_needed()
def write(run: Run, to: str | None = None) -> str:
    """Writes the report of a run as it stands, into its folder or `to` a URL, and gives the page's URL.

    InputError if a package for it is missing.
    """
    from jobs.history import run_history
    from jobs.pages.run import page

    name = absolute(run.bucket.url).rpartition("/")[2]
    data = page(name, run, run_history.read(run.bucket))
    if to is not None:
        return _put(data, to)
    run.bucket.write(NAME, data)
    return f"{run.bucket.url}/{NAME}"


def compare(urls: Sequence[str], to: str) -> str:
    """Writes the comparison of these runs, and gives its URL."""
    from jobs.history.comparison import compared
    from jobs.pages.comparison import page

    return _put(page(compared(urls)), to)


def _put(data: bytes, to: str) -> str:
    folder, name = split_url(to)
    folder.write(name, data)
    return to


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
