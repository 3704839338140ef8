"""A Beam pipeline run to its end, on whatever runner its options name, and its errors told apart."""

import contextlib
import io
import re
from collections.abc import Callable, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from preprocessing.errors import InputError

MISTAKE = re.compile(r"InputError: (.*?)(?: \[while running .*\])?$")
# Errors of disks, networks and object stores, by the names of their classes.
WORLD = re.compile(
    r"(RuntimeError: )?(?P<what>(\w+\.)*"
    r"(OSError|ServiceUnavailable|InternalServerError|BadGateway|TooManyRequests"
    r"|\w*(Connect|Timeout|BeamIO|FileNotFound|Permission|BrokenPipe|Transport|Retry|Chunked|SSL)\w*): .*)"
)


def run(add_steps: Callable[[beam.Pipeline], None], options: Sequence[str], *, urls: Sequence[str]) -> None:
    """Runs the pipeline of these steps, which read and write at `urls`, and waits for it.

    Raises InputError for an option that Beam does not know, or with which it would not run to its end; OSError for
    a fault of a worker's disk or network.
    """
    parsed = _parsed(options)
    local = [url for url in urls if not url.startswith("gs://")]
    if "Dataflow" in str(parsed.view_as(StandardOptions).runner) and local:
        raise InputError(f"{local[0]}: on this machine, where Dataflow's workers are not; expected gs://bucket/path")
    try:
        # A worker prints the traceback that the exception brings along as well.
        with contextlib.redirect_stderr(io.StringIO()), _pipeline(parsed) as pipeline:
            add_steps(pipeline)
    except InputError:
        raise
    except Exception as error:
        # A worker's error comes as a text, its traceback before it.
        last = str(error).strip().rpartition("\n")[2]
        if mistake := MISTAKE.search(last):
            raise InputError(mistake[1]) from None
        if fault := WORLD.match(last):
            raise OSError(fault["what"]) from error
        raise


def _parsed(options: Sequence[str]) -> PipelineOptions:
    """Beam itself would only warn of a misspelt option and go on without it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = PipelineOptions(list(options))
            parsed.get_all_options()
    except SystemExit:  # argparse's way, after a usage text of a hundred lines
        raise InputError(said.getvalue().strip().rpartition("\n")[2].partition("error: ")[2]) from None
    given = parsed.get_all_options(drop_default=True, retain_unknown_options=True)
    unknown = sorted(given.keys() - parsed.get_all_options(drop_default=True).keys())
    if unknown:
        raise InputError(f"unknown option --{unknown[0]}: expected --set key=value or an option of Beam's")
    for option in ("no_wait_until_finish", "template_location", "output_executable_path", "dry_run"):
        if given.get(option):
            raise InputError(f"--{option}: the job has to run to its end, where its result is put in place")
    return parsed


def _pipeline(options: PipelineOptions) -> beam.Pipeline:
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:  # no such runner, or none without an option that is missing
        raise InputError(str(error)) from None
