"""What every command shares: its arguments, its log lines and its exit code.

0 done; 2 the user's mistake, one line on stderr; 143 stopped by SIGTERM after saving; anything else is a
fault of the world, in one line, or of ours, with a traceback; both worth a retry.
"""

import argparse
import difflib
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from jobs.cli.config import as_template, help_text, load
from preprocessing.errors import Conflict, InputError, Stopped
from preprocessing.settings import Config
from trainer.runtime.stop import stop_at_once

log = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """Answers a mistake with an InputError in one line."""

    def nearest(self, option: str) -> str | None:
        """The option that this one may have been meant for."""
        return next(iter(difflib.get_close_matches(option, self._option_string_actions, n=1, cutoff=0.75)), None)

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--[^ =]+)", message)
        near = self.nearest(unknown[1]) if unknown else None
        hint = f"did you mean {near}?" if near else "see --help"
        raise InputError(f"{message} ({hint})")  # one line, as for any other mistake, instead of a usage text


def parser(doc: str | None) -> Parser:
    """A parser whose --help is the module's docstring. InputError for arguments that it cannot take."""
    return Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)


def configured(
    arguments: argparse.ArgumentParser, job: type[Config], argv: Sequence[str] | None
) -> tuple[Config, argparse.Namespace, list[str]]:
    """Return the configuration, the values of the other arguments, and the arguments that `arguments` does not know."""
    arguments.add_argument("--config", type=Path, metavar="FILE", help="YAML with values for some of the keys below")
    arguments.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="sets", help="after --config; repeatable"
    )
    arguments.add_argument(
        "--print-config", action=_PrintConfig, nargs=0, const=job, help="print all keys as a YAML file and exit"
    )
    arguments.epilog = f"keys:\n{help_text(job)}"
    known, rest = arguments.parse_known_args(argv)
    return load(job, config=known.config, sets=known.sets), known, rest


class _PrintConfig(argparse.Action):
    """Print a configuration's keys before argparse asks for required arguments, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(as_template(self.const), end="")
        parser.exit()


def refuse(rest: Sequence[str]) -> None:
    """InputError for arguments that a command without options of its own does not know."""
    if rest:
        raise InputError(f"unknown argument {rest[0]}: expected --config FILE or --set key=value (see --help)")


def run(main: Callable[[], None]) -> None:
    """Runs a command and ends the process with its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    name = Path(sys.argv[0]).stem
    if sys.stdin is None:  # closed by whoever started it: as empty as /dev/null
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 (for the rest of the process)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal or a pipe may know fewer symbols than a dataset
    try:
        stop_at_once()
        main()
    except InputError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(InputError.exit_code)
    except Stopped:
        log.info("stopped, as asked")
        sys.exit(Stopped.exit_code)
    except Conflict as error:
        log.error("another process was first, nothing of its work was changed: %s", error)
        sys.exit(Conflict.exit_code)
    except BrokenPipeError:  # nobody reads on, as after `| head`; Python would say so once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a disk, a GPU or the network, which a traceback through a library explains to nobody
        log.error("stopped by a fault of the machine or the network: %s", error)
        sys.exit(1)
