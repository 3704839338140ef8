"""The log on stderr: lines for people, or a JSON object a line for a log collector.

The environment variable LOG_FORMAT decides: json or text. Without LOG_FORMAT, a pod logs JSON unless stderr is a
terminal. An object has the keys that Google Cloud reads from a pod's log: severity, message and time, and step where
training knows it. Without a severity Google Cloud shows each line of stderr as an error. A traceback is part of its
message. Lines of TensorFlow's C++ code, and the stacks of a process that hangs, stay text.
"""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType

from preprocessing.errors import InputError
from preprocessing.json_format import format_json

log = logging.getLogger(__name__)

FORMATS = ("json", "text")


def configure_logs(environment: Mapping[str, str]) -> None:
    """Set the format of this process's log. Raises InputError for an unknown LOG_FORMAT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    name = environment.get("LOG_FORMAT", "")
    if name and name not in FORMATS:
        raise InputError(f"LOG_FORMAT={name}: expected {' or '.join(FORMATS)}")
    if (name or _default_format(environment)) == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())
        logging.captureWarnings(True)
        sys.excepthook = _log_exception


def report_mistake(line: str) -> None:
    """Print the line of a user's mistake, as JSON if the log is JSON."""
    if any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        log.error("%s", line)
    else:
        print(line, file=sys.stderr)


class JsonFormatter(logging.Formatter):
    """Formats a log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's object."""
        values = {
            "severity": record.levelname,
            "message": super().format(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        }
        step = getattr(record, "step", None)
        return format_json(values if step is None else values | {"step": step})


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("stopped by a fault of this project", exc_info=(kind, error, trace))


def _default_format(environment: Mapping[str, str]) -> str:
    in_pod = "KUBERNETES_SERVICE_HOST" in environment
    return "json" if in_pod and not sys.stderr.isatty() else "text"
