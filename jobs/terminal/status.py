"""The status of a run in a terminal: a live view, log lines, or JSON lines."""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.history.status import Status, read_status
from jobs.history.summary import format_duration
from jobs.terminal.table import escape_invisible
from preprocessing.json_format import format_json
from trainer.runs.folder import Run
from trainer.runs.samples import EpochSamples

log = logging.getLogger(__name__)

BARS = "▁▂▃▄▅▆▇█"
CURVE_CHARS = 60
COLORS = {"complete": "green", "under way": "cyan", "begun": "yellow", "silent": "bold red"}
SHOWN_DIVERSITY = 0.5  # the sample of the nearest diversity is shown

Polls = Iterator[tuple[Status, str]]  # a status, and the error for which it is old, or ""


def poll_status(run: Run, *, every_seconds: float) -> Polls:
    """Yield the status until the run is complete. If the store is unreachable, yield the last status and the error.

    The first poll raises what read_status raises; later polls do not raise OSError.
    """
    status = read_status(run)
    yield status, ""
    while status.state != "complete":
        time.sleep(every_seconds)
        error = ""
        try:
            status = read_status(run)
        except OSError as failure:
            error = f"status of the last poll; retrying: {failure}"
        yield status, error


def show_live(polls: Polls) -> None:
    """Show the status, redrawn at each poll."""
    with Live(auto_refresh=False) as screen:
        for status, error in polls:
            screen.update(status_view(status, error=error), refresh=True)


def print_lines(polls: Polls) -> None:
    """Print a line for each new status, and a line for each new sample."""
    step = None
    for status in changes(polls):
        print(f"{datetime.now():%H:%M:%S} {status_line(status)}", flush=True)
        if status.samples and status.samples.step != step:
            step = status.samples.step
            print(f"{datetime.now():%H:%M:%S} {': '.join(shown_sample(status.samples))}", flush=True)


def print_json(polls: Polls) -> None:
    """Print a JSON object for each new status."""
    for status in changes(polls):
        print(format_json(status.as_json()), flush=True)


def changes(polls: Polls) -> Iterator[Status]:
    """Yield each status in which more than the clock has changed. Log an error once."""
    last_key, last_error = None, ""
    for status, error in polls:
        if error and not last_error:
            log.warning(error)
        last_error = error
        key = status.state, status.step, len(status.training), len(status.validation), status.restarts
        if key != last_key:
            last_key = key
            yield status


def status_view(status: Status, *, error: str = "") -> RenderableType:
    """Render the status as panels."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row("", ProgressBar(total=status.steps, completed=status.step, width=CURVE_CHARS))
    for name, value in status_facts(status).items():
        facts.add_row(name, value)
    if len(status.training) > 1:
        facts.add_row("", Text(curve(status.training), style="cyan"))
    title = Text.assemble((status.run, "bold"), "  ", (status.state, COLORS[status.state]))
    panels = [_panel(Group(facts, *([Text(error, style="bold red")] if error else [])), title)]
    if status.samples:
        sample_title, text = shown_sample(status.samples)
        panels.append(_panel(Text(text), sample_title))
    return Group(*panels)


def status_line(status: Status) -> str:
    """Format the status as one line."""
    return f"{status.state}: " + ", ".join(f"{name} {value}" for name, value in status_facts(status).items())


def status_facts(status: Status) -> dict[str, str]:
    """Format each known fact of the status, by name."""
    facts = {
        "step": f"{status.step:,} of {status.steps:,}, epoch {status.epoch:.2f} of {status.epochs:.3g}",
        "training": f"{status.training[-1]:.3f} bits per character" if status.training else "",
        "validation": _validation(status.validation),
        "rate": f"{status.chars_per_second:,.0f} characters/s" if status.chars_per_second else "",
        "left": format_duration(status.seconds_left) if status.seconds_left and status.state != "complete" else "",
        "saved": f"{format_duration(status.saved_seconds)} ago" if status.saved_seconds is not None else "",
        "restarts": str(status.restarts),
    }
    return {name: value for name, value in facts.items() if value}


def shown_sample(epoch: EpochSamples) -> tuple[str, str]:
    """Return the title and the text, after its prompt, of the sample nearest to SHOWN_DIVERSITY."""
    sample = min(epoch.samples, key=lambda sample: abs(sample.diversity - SHOWN_DIVERSITY))
    title = f"sample, epoch {epoch.epoch}, diversity {sample.diversity:g}"
    return title, f"{escape_invisible(sample.prompt[-80:])}│{escape_invisible(sample.text)}"


def curve(losses: Sequence[float]) -> str:
    """Draw losses as a line of at most CURVE_CHARS bars, scaled between the lowest and the highest."""
    count = min(CURVE_CHARS, len(losses))
    groups = [losses[k * len(losses) // count : (k + 1) * len(losses) // count] for k in range(count)]
    means = [sum(group) / len(group) for group in groups]
    lowest, span = min(means), max(means) - min(means) or 1.0
    return "".join(BARS[round((mean - lowest) / span * (len(BARS) - 1))] for mean in means)


def _panel(content: RenderableType, title: str | Text) -> Panel:
    return Panel(content, title=title, title_align="left", box=box.ROUNDED)


def _validation(losses: Sequence[float]) -> str:
    if not losses:
        return ""
    best = min(losses)
    return f"{losses[-1]:.3f} bits per character" + ("" if losses[-1] == best else f", {best:.3f} at best")
