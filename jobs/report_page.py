"""The report of a run as an HTML page."""

import html
from collections.abc import Iterator, Sequence

from jobs import config, curves, html_page
from jobs.description import facts
from jobs.drawing import image
from jobs.goodput import goodput
from jobs.history import History
from jobs.html_page import block, heading, paragraph, plain
from jobs.run import Run, plan_of
from jobs.summary import summary
from jobs.table import table
from jobs.versions import versions
from trainer.plan import Plan
from trainer.rows import Validated
from trainer.samples import Epoch


def page(name: str, run: Run, history: History) -> bytes:
    """The file's bytes, the same for the same run and versions."""
    plan = plan_of(run.config, run.manifest)
    parts = [
        paragraph(summary(run, plan, history)),
        *_loss(history),
        *_speed(plan, history),
        *_samples(history.samples),
        *_dataset(run),
        heading("Configuration"),
        plain(config.as_yaml(run.config).splitlines()),
        heading("Versions"),
        plain(table("<<", versions())),
        paragraph("of the process that made this report", "quiet"),
    ]
    return html_page.page(f"Run {name}", parts)


def _loss(history: History) -> Iterator[str]:
    yield heading("Loss")
    if not history.trained and not history.validated:
        yield paragraph("No rows of metrics yet.")
        return
    plots = [image(curves.loss(history.trained, history.validated), alt="bits per character over steps")]
    if history.trained:
        plots.append(image(curves.learning_rate(history.trained), alt="learning rate over steps"))
    yield block("plots", "".join(plots))
    if history.validated:
        yield plain(table(">>>>", _validations(history.validated)))


def _validations(rows: Sequence[Validated]) -> Iterator[tuple[str, ...]]:
    yield "epoch", "step", "validation, bits per character", "over characters"
    for row in rows:
        yield f"{row.epoch}", f"{row.step:,}", f"{row.bits_per_char:.4f}", f"{row.chars:,}"


def _speed(plan: Plan, history: History) -> Iterator[str]:
    yield heading("Throughput")
    starts = history.starts
    for name in history.damaged:
        yield paragraph(f"{name}: damaged; what follows the damage is left out.")
    if not any(start.speeds for start in starts):
        yield paragraph("No TensorBoard events that can be read.")
        return
    yield block("plots", image(curves.throughput(starts), alt="characters a second over time"))
    restarts = len(starts) - 1
    yield paragraph(f"Restarts: {restarts}{', each a dashed line' if restarts else ''}.")
    told = None if history.damaged else goodput(starts, chars_per_step=plan.chars_per_step)
    if told:
        yield paragraph(
            f"Goodput {told.step_seconds / told.wall_seconds:.1%}: of {told.wall_seconds:,.0f} seconds from the first "
            f"event to the last at least {told.step_seconds:,.0f} went into steps that count. The rest is validation, "
            "samples, starting, the time between two starts, steps made again, and those before each start's first row."
        )


def _samples(epochs: Sequence[Epoch]) -> Iterator[str]:
    yield heading("Samples")
    if not epochs:
        yield paragraph("No samples yet.")
        return
    yield block("wide", "<table>\n" + "".join(map(_row, reversed(epochs))) + "</table>")


def _row(epoch: Epoch) -> str:
    """An epoch's samples side by side; a prompt that they share once, before them."""
    prompts = dict.fromkeys(sample.prompt for sample in epoch.samples)
    head = [f"epoch {epoch.epoch}, step {epoch.step:,}", block("quiet", "prompt")]
    head += [block("sample", html.escape(prompt)) for prompt in prompts]
    cells = [
        block("quiet", f"diversity {sample.diversity:g}") + block("sample", html.escape(sample.text))
        for sample in epoch.samples
    ]
    return f'<tr><th scope="row">{"".join(head)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'


def _dataset(run: Run) -> Iterator[str]:
    yield heading("Dataset")
    for section in facts(run.manifest):
        yield heading(section.title, level=3)
        yield plain(section.lines)
