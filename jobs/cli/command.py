"""A command: its argument parser, its log format and its exit code.

Exit codes: 0 done; 2 the user's mistake, in one line on stderr; 143 stopped by SIGTERM after saving. Any other code is
worth a retry: a fault of the machine or the network, in one log line, or a fault of this project, with a traceback.
"""

import argparse
import difflib
import io
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from jobs.cli.config import format_help, format_template, load_config
from jobs.cli.logs import configure_logs, report_mistake
from preprocessing.errors import Conflict, InputError, Stopped
from preprocessing.settings import Config
from preprocessing.sources.review import DEFAULT_COLUMNS
from trainer.config import CheckpointChoice
from trainer.runtime.stop import leave_at_once, stop_at_once

log = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError, in one line, instead of printing its usage."""

    def nearest(self, option: str) -> str | None:
        """Return the known option that is most like a mistyped option, or None."""
        return next(iter(difflib.get_close_matches(option, self._option_string_actions, n=1, cutoff=0.75)), None)

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--[^ =]+)", message)
        near = self.nearest(unknown[1]) if unknown else None
        hint = f"did you mean {near}?" if near else "see --help"
        raise InputError(f"{message} ({hint})")


def parser(doc: str | None) -> Parser:
    """Return a parser whose --help is a module's docstring."""
    return Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)


def checked(annotation: Any) -> Callable[[str], Any]:
    """Return an argparse type that parses and checks a value as pydantic does: `type=checked(PositiveInt)`."""
    adapter = TypeAdapter(annotation)

    def parse(text: str) -> Any:
        try:
            return adapter.validate_strings(text)
        except ValidationError as error:
            expectation = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise argparse.ArgumentTypeError(f"{text}: expected {expectation}") from None

    return parse


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the columns of reviews."""
    text, review_id = DEFAULT_COLUMNS
    what = "column of a table, or key of a JSON object, that holds a review"
    parser.add_argument("--text-column", metavar="NAME", default=text, help=f"{what} (default {text})")
    parser.add_argument("--id-column", metavar="NAME", default=review_id, help=f"its id (default {review_id})")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses a checkpoint of a run."""
    help_text = "newest, best (by validation loss) or a step (default newest)"
    parser.add_argument("--checkpoint", type=checked(CheckpointChoice), default="newest", help=help_text)


def parse_args(parser: Parser, config: type[Config], argv: Sequence[str] | None) -> tuple[Config, argparse.Namespace]:
    """Parse a command's arguments. Returns its configuration and the values of its other options."""
    _add_config_options(parser, config)
    args = parser.parse_args(argv)
    return load_config(config, file=args.config, sets=args.sets), args


def parse_beam_args(
    parser: Parser, config: type[Config], argv: Sequence[str] | None
) -> tuple[Config, argparse.Namespace, list[str]]:
    """Parse a command's arguments, as `parse_args` does. Returns also the unknown arguments, for Beam."""
    _add_config_options(parser, config)
    args, beam_options = parser.parse_known_args(argv)
    return load_config(config, file=args.config, sets=args.sets), args, beam_options


def _add_config_options(parser: Parser, config: type[object]) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML with values for some of the keys below")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="sets", help="after --config; repeatable"
    )
    parser.add_argument(
        "--print-config", action=_PrintConfig, nargs=0, const=config, help="print all keys as a YAML file and exit"
    )
    parser.epilog = f"keys:\n{format_help(config)}"


class _PrintConfig(argparse.Action):
    """An option that acts before argparse asks for required arguments, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(format_template(self.const), end="")
        parser.exit()


def run(main: Callable[[], None]) -> None:
    """Run a command and end the process with its exit code."""
    name = Path(sys.argv[0]).stem
    if sys.stdin is None:  # closed by the caller: read it as empty
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 (for the rest of the process)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack some of a dataset's symbols
    try:
        configure_logs(os.environ)
        stop_at_once()
        main()
    except InputError as error:
        report_mistake(f"{name}: {' '.join(str(error).split())}")
        sys.exit(InputError.exit_code)
    except Stopped:
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            sys.stdout.flush()
            leave_at_once()  # Python would wait for these threads, and a request of theirs may stall
        log.info("stopped, as asked")
        sys.exit(Stopped.exit_code)
    except Conflict as error:
        log.error("another process was first, nothing of its work was changed: %s", error)
        sys.exit(Conflict.exit_code)
    except BrokenPipeError:  # no reader, as after `| head`; Python would report it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a disk, a GPU or the network: a traceback through a library explains nothing
        log.error("stopped by a fault of the machine or the network: %s", error)
        sys.exit(1)
