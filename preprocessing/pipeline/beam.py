"""Beam's runners, and the files that their workers read and write. No other module of preprocessing calls a runner."""

import contextlib
import hashlib
import io
import itertools
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from preprocessing.errors import InputError
from preprocessing.storage.checksum import Crc32c
from preprocessing.storage.retry import retry_outage
from preprocessing.storage.streams import OUTAGE_SECONDS, create_stream
from preprocessing.storage.urls import is_local, open_bucket

DEFAULT_OPTIONS = (
    # Not Beam's default, DirectRunner, which downloads a program and runs it.
    "--runner=FnApiRunner",
    "--direct_running_mode=multi_threading",
    "--direct_num_workers=0",
    # Seconds, a week. Beam's default gives up on a job server after 300 s, however well the job goes.
    "--job_server_timeout=604800",
)
# These loggers report the ports they open, and repeat the exception of a failed pipeline up to three times.
NOISY_LOGGERS = (
    "apache_beam.runners.common",
    "apache_beam.runners.worker",
    "apache_beam.runners.portability.fn_api_runner",
    "apache_beam.runners.portability.local_job_service",
)
INPUT_ERROR = re.compile(r"InputError: (.*?)(?: \[while running .*\])?$")
# Errors of disks, networks and object stores, by their class names.
OS_ERROR = re.compile(
    r"(RuntimeError: )?(?P<message>(\w+\.)*"
    r"(OSError|ServiceUnavailable|InternalServerError|BadGateway|TooManyRequests"
    r"|\w*(Connect|Timeout|BeamIO|FileNotFound|Permission|BrokenPipe|Transport|Retry|Chunked|SSL)\w*"
    r"|google(\.\w+)+): .*?)(?: \[while running .*\])?$"
)


def run_pipeline(
    add_steps: Callable[[beam.Pipeline], None], options: Sequence[str] = (), *, urls: Sequence[str]
) -> None:
    """Run a pipeline to its end, on DEFAULT_OPTIONS changed by `options`. It reads and writes at `urls`.

    Raises InputError for an option that Beam does not know, or that would return before the pipeline's end.
    Raises OSError for an error of a worker's disk or network.
    """
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    parsed = _parse_options([*DEFAULT_OPTIONS, *options])
    local = [url for url in urls if is_local(url)]
    if "Dataflow" in str(parsed.view_as(StandardOptions).runner) and local:
        raise InputError(f"{local[0]}: a local path, which Dataflow's workers cannot read; expected gs://bucket/path")
    try:
        # A worker also prints the traceback, which is part of the exception.
        with contextlib.redirect_stderr(io.StringIO()), _create_pipeline(parsed) as pipeline:
            add_steps(pipeline)
    except InputError:
        raise
    except Exception as error:
        # A worker's exception arrives as text: its traceback, then its message.
        last_line = str(error).strip().rpartition("\n")[2]
        if match := INPUT_ERROR.search(last_line):
            raise InputError(match[1]) from None
        if match := OS_ERROR.match(last_line):
            raise OSError(match["message"]) from error
        raise


def _parse_options(options: Sequence[str]) -> PipelineOptions:
    """Return Beam's options. Raise InputError for an unknown option, of which Beam would only warn."""
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            parsed = PipelineOptions(list(options))
            parsed.get_all_options()
    except SystemExit:  # argparse exits, after a usage text of a hundred lines
        raise InputError(stderr.getvalue().strip().rpartition("\n")[2].partition("error: ")[2]) from None
    given = parsed.get_all_options(drop_default=True, retain_unknown_options=True)
    unknown = sorted(given.keys() - parsed.get_all_options(drop_default=True).keys())
    if unknown:
        raise InputError(f"unknown option --{unknown[0]}: expected --set key=value or an option of Beam's")
    for option in ("no_wait_until_finish", "template_location", "output_executable_path", "dry_run"):
        if given.get(option):
            raise InputError(
                f"--{option}: not supported: the command must wait for the pipeline's end, to publish its dataset"
            )
    return parsed


def _create_pipeline(options: PipelineOptions) -> beam.Pipeline:
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:  # an unknown runner, or a runner without an option that it needs
        raise InputError(str(error)) from None


class WrittenFile(NamedTuple):
    """A file in a build's folder. Its random name is unique to one attempt at the work."""

    file: str
    bytes: int
    sha256: str
    crc32c: str  # base64, as Cloud Storage reports it


def read_file(folder: str, name: str, *, crc32c: str) -> bytes:
    """Return a file's bytes. Raises OSError if they are not as they were written."""
    data, checksum = retry_outage(lambda: open_bucket(folder).read(name), seconds=OUTAGE_SECONDS), Crc32c()
    checksum.update(data)
    if str(checksum) != crc32c:
        raise OSError(f"{folder}/{name}: arrived damaged: CRC-32C {checksum}, expected {crc32c}")
    return data


def write_file(folder: str, chunks: Iterable[bytes]) -> WrittenFile | None:
    """Write the chunks to a new file. Return None, and write no file, if there are no chunks."""
    rest = iter(chunks)
    first = next(rest, None)
    if first is None:
        return None
    name, size, sha256, crc32c = uuid.uuid4().hex, 0, hashlib.sha256(), Crc32c()
    with create_stream(folder, name) as stream:
        for chunk in itertools.chain([first], rest):
            stream.write(chunk)
            sha256.update(chunk)
            crc32c.update(chunk)
            size += len(chunk)
    return WrittenFile(name, size, sha256.hexdigest(), str(crc32c))
