"""Write the report of a run as one HTML file, or the comparison of several runs.

    python -m jobs.report RUN
    python -m jobs.report RUN --to report.html
    python -m jobs.report RUN RUN --to comparison.html
    python -m jobs.report RUN RUN --json

RUN is the URL of a run's folder. The run may be still in training. The command prints the page's URL.

The report of one run goes to RUN/report.html; the trainer writes it at the end of the run. --to writes it to another
URL, for instance if RUN is read-only. The page has the curves of loss, learning rate, throughput and goodput with
all interruptions, the starts, samples, dataset, configuration, hardware and versions. The file needs no network.

The comparison of several runs goes to --to URL (default: comparison.html in the current folder). The page has the
differences of configuration and dataset, the curves on one axis, the summary of each run, and the samples of equal
epochs and diversities. --json prints the numbers instead, for one run or several.
"""

from collections.abc import Sequence

from jobs.cli import command
from jobs.pages.write import COMPARISON, REPORT, write_comparison, write_report
from preprocessing.errors import InputError
from preprocessing.json_format import format_json
from preprocessing.storage.urls import split_url
from trainer.runs.folder import open_run


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+")
    parser.add_argument("--to", metavar="URL", help=f"the page's file (default: RUN/{REPORT}; {COMPARISON})")
    parser.add_argument("--json", action="store_true", help="print the numbers, write no page")
    args = parser.parse_args(argv)
    if args.to is not None and args.json:
        raise InputError(f"--to {args.to}: only for a page: leave out --to or --json")
    if args.to is not None:
        split_url(args.to)  # refuse a wrong URL before the work
    if args.json:
        from jobs.history.comparison import comparison_json, read_runs

        print(format_json(comparison_json(read_runs(args.runs)), indent=1))
    elif len(args.runs) == 1:
        print(write_report(open_run(args.runs[0]), args.to))
    else:
        print(write_comparison(args.runs, COMPARISON if args.to is None else args.to))


if __name__ == "__main__":
    command.run(main)
