"""A run as it goes, from its folder alone, wherever it trains.

    python -m jobs.watch RUN
    python -m jobs.watch gs://BUCKET/runs/train --every 30
    python -m jobs.watch RUN --once --json

RUN is the URL of a run's folder. What is shown is as of the run's last save: step, epoch, rate, time left, losses, the
last sample, restarts. On a terminal a picture that is drawn anew, else a line whenever something was saved. Ends with
0 once the run is complete; Ctrl-C leaves the run alone. A store that is away is asked again.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from rich.live import Live

from jobs.cli import command
from jobs.history.status import Status, status
from jobs.terminal.status import plain, sample, view
from preprocessing.errors import InputError
from trainer.runs.folder import Run, open_run

log = logging.getLogger(__name__)

MAX_SECONDS = 86400  # a day; time.sleep takes no infinity
Looks = Iterator[tuple[Status, str]]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("run", metavar="RUN")
    arguments.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="between two looks (default 5)")
    arguments.add_argument("--once", action="store_true", help="say how the run stands now, and leave")
    arguments.add_argument("--json", action="store_true", help="one JSON object a line")
    asked = arguments.parse_args(argv)
    if not 0 < asked.every <= MAX_SECONDS:  # so that NaN is caught as well
        raise InputError(f"--every {asked.every}: expected more than 0 and at most {MAX_SECONDS} seconds")
    watch(open_run(asked.run), asked)


def watch(run: Run, asked: argparse.Namespace) -> None:
    """Shows the run until it is complete, or once."""
    looks = islice(looked(run, every=asked.every), 1 if asked.once else None)
    if asked.json:
        as_json(looks)
    elif sys.stdout.isatty():
        live(looks)
    else:
        as_lines(looks)


def looked(run: Run, *, every: float) -> Looks:
    """How the run stands, each `every` seconds until it is complete; while the store is away how it stood, and why.

    Raises what `status` raises at the first look; OSError only then.
    """
    found = status(run)
    yield found, ""
    while found.state != "complete":
        time.sleep(every)
        trouble = ""
        try:
            found = status(run)
        except OSError as error:
            trouble = f"as of the last look, asked again: {error}"
        yield found, trouble


def live(looks: Looks) -> None:
    """One picture, drawn anew at each look."""
    with Live(auto_refresh=False) as screen:
        for found, trouble in looks:
            screen.update(view(found, trouble=trouble), refresh=True)


def as_lines(looks: Looks) -> None:
    """A line at each look that finds something new, and one for each epoch's sample."""
    epoch = None
    for found in new(looks):
        print(f"{datetime.now():%H:%M:%S} {plain(found)}", flush=True)
        if found.samples and found.samples.epoch != epoch:
            epoch = found.samples.epoch
            print(f"{datetime.now():%H:%M:%S} {': '.join(sample(found.samples))}", flush=True)


def as_json(looks: Looks) -> None:
    """An object at each look that finds something new."""
    for found in new(looks):
        print(json.dumps(found.as_json(), ensure_ascii=False), flush=True)


def new(looks: Looks) -> Iterator[Status]:
    """Those of which more than the clock has changed; a store that is away is said on stderr."""
    before = None
    for found, trouble in looks:
        now = found.state, found.step, len(found.training), len(found.validation), found.restarts, bool(trouble)
        if now != before and trouble:
            log.warning(trouble)
        elif now != before:
            yield found
        before = now


if __name__ == "__main__":
    command.run(main)
