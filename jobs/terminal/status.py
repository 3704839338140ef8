"""A run's status as a terminal shows it."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.history.status import Status
from jobs.terminal.duration import duration
from jobs.terminal.table import visible
from trainer.runs.samples import Epoch

BARS = "▁▂▃▄▅▆▇█"
CURVE_CHARS = 60
COLOURS = {"complete": "green", "under way": "cyan", "begun": "yellow", "silent": "bold red"}
SHOWN_DIVERSITY = 0.5  # the sample nearest to it is shown


def view(status: Status, *, trouble: str = "") -> RenderableType:
    """The whole picture; `trouble`: why it is an old one."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row("", ProgressBar(total=status.steps, completed=status.step, width=CURVE_CHARS))
    for name, value in lines(status).items():
        facts.add_row(name, value)
    if len(status.training) > 1:
        facts.add_row("", Text(curve(status.training), style="cyan"))
    parts: list[RenderableType] = [facts]
    if trouble:
        parts.append(Text(trouble, style="bold red"))
    title = Text.assemble((status.run, "bold"), "  ", (status.state, COLOURS[status.state]))
    panels = [Panel(Group(*parts), title=title, title_align="left", box=box.ROUNDED)]
    if status.samples:
        above, text = sample(status.samples)
        panels.append(Panel(Text(text), title=above, title_align="left", box=box.ROUNDED))
    return Group(*panels)


def lines(status: Status) -> dict[str, str]:
    """Each fact that is known, in words."""
    found = {
        "step": f"{status.step:,} of {status.steps:,}, epoch {status.epoch:.2f} of {status.epochs:.3g}",
        "training": f"{status.training[-1]:.3f} bits per character" if status.training else "",
        "validation": _validation(status.validation),
        "rate": f"{status.chars_per_second:,.0f} characters/s" if status.chars_per_second else "",
        "left": duration(status.seconds_left) if status.seconds_left and status.state != "complete" else "",
        "saved": f"{duration(status.saved_seconds)} ago" if status.saved_seconds is not None else "",
        "restarts": str(status.restarts),
    }
    return {name: value for name, value in found.items() if value}


def plain(status: Status) -> str:
    """The same in one line."""
    return f"{status.state}: " + ", ".join(f"{name} {value}" for name, value in lines(status).items())


def sample(epoch: Epoch) -> tuple[str, str]:
    """A title and the text of the sample that is shown, with what it continues before it."""
    one = min(epoch.samples, key=lambda one: abs(one.diversity - SHOWN_DIVERSITY))
    title = f"sample, epoch {epoch.epoch}, diversity {one.diversity:g}"
    return title, f"{visible(one.prompt[-80:])}│{visible(one.text)}"


def curve(losses: Sequence[float]) -> str:
    """The losses from first to last as bars between the least and the largest of them."""
    count = min(CURVE_CHARS, len(losses))
    groups = [losses[k * len(losses) // count : (k + 1) * len(losses) // count] for k in range(count)]
    means = [sum(group) / len(group) for group in groups]
    least, span = min(means), max(means) - min(means) or 1.0
    return "".join(BARS[round((mean - least) / span * (len(BARS) - 1))] for mean in means)


def _validation(losses: Sequence[float]) -> str:
    if not losses:
        return ""
    best = min(losses)
    return f"{losses[-1]:.3f} bits per character" + ("" if losses[-1] == best else f", {best:.3f} at best")
