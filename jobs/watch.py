"""Watch a run in training. Everything is read from the run's folder, so that the run may train anywhere.

    python -m jobs.watch RUN
    python -m jobs.watch gs://BUCKET/runs/train --every 30
    python -m jobs.watch RUN --once --json

RUN is the URL of a run's folder. The status is as of the run's last save: step, epoch, rate, time left, losses, the
last sample, restarts. A terminal shows a live view; otherwise each save prints a line. The exit code is 0 once the
run is complete. Ctrl-C stops the command and not the run. An unreachable store is polled again.
The command needs the extra `describe`.
"""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

from pydantic import Field

from jobs.cli import command
from jobs.cli.command import checked
from preprocessing.extras import require_extra
from trainer.runs.folder import open_run

Seconds = Annotated[float, Field(gt=0, le=86400)]  # a day: time.sleep does not accept infinity


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument(
        "--every", type=checked(Seconds), default=5.0, metavar="SECONDS", help="between polls (default 5)"
    )
    parser.add_argument("--once", action="store_true", help="print the status and exit")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    args = parser.parse_args(argv)
    require_extra("describe")
    from jobs.terminal.status import poll_status, print_json, print_lines, show_live

    polls = islice(poll_status(open_run(args.run), every_seconds=args.every), 1 if args.once else None)
    if args.json:
        print_json(polls)
    elif sys.stdout.isatty():
        show_live(polls)
    else:
        print_lines(polls)


if __name__ == "__main__":
    command.run(main)
