"""The report of a run as one HTML file that needs no other: no script, nothing from a network.

All text in it that is not this file's own is escaped: samples and prompts may be anything.
"""

import html
from collections.abc import Iterator, Sequence

from jobs import config, curves
from jobs.description import facts
from jobs.drawing import image
from jobs.goodput import goodput
from jobs.history import History
from jobs.run import Run, plan_of
from jobs.summary import summary
from jobs.table import table
from jobs.versions import versions
from trainer.plan import Plan
from trainer.rows import Validated
from trainer.samples import Epoch

# A browser told so loads and runs nothing, should escaping ever fail.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# Plots are dark on white: in the dark they lie on a light card.
STYLE = """
:root { color-scheme: light dark; --line: #ddd; --quiet: #666 }
@media (prefers-color-scheme: dark) { :root { --line: #444; --quiet: #aaa } body { background: #161616; color: #ddd } }
body { margin: 1em auto; max-width: 72em; padding: 0 1em; font-family: sans-serif; line-height: 1.4 }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22em), 1fr)); gap: 1em }
img { width: 100%; max-width: 40em; border-radius: 6px; background: #fff }
.wide { overflow-x: auto }
table { border-collapse: collapse }
td, th { min-width: 12em; padding: .5em; border: 1px solid var(--line); text-align: left; vertical-align: top }
.sample { font-family: monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.quiet { color: var(--quiet); font-size: .9em }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{parts}
</body>
</html>
"""


def page(name: str, run: Run, history: History) -> bytes:
    """The file's bytes, the same for the same run and versions."""
    plan = plan_of(run.config, run.manifest)
    parts = [
        _paragraph(summary(run, plan, history)),
        *_loss(history),
        *_speed(plan, history),
        *_samples(history.samples),
        *_dataset(run),
        "<h2>Configuration</h2>",
        _plain(config.as_yaml(run.config).splitlines()),
        "<h2>Versions</h2>",
        _plain(table("<<", versions())),
        _paragraph("of the process that made this report", "quiet"),
    ]
    title = html.escape(f"Run {name}")
    text = PAGE.format(policy=POLICY, style=STYLE, title=title, parts="\n".join(parts))
    return text.encode(errors="backslashreplace")  # half a surrogate pair is no text


def _loss(history: History) -> Iterator[str]:
    yield "<h2>Loss</h2>"
    if not history.trained and not history.validated:
        yield _paragraph("No rows of metrics yet.")
        return
    plots = [image(curves.loss(history.trained, history.validated), alt="bits per character over steps")]
    if history.trained:
        plots.append(image(curves.learning_rate(history.trained), alt="learning rate over steps"))
    yield _block("plots", "".join(plots))
    if history.validated:
        yield _plain(table(">>>>", _validations(history.validated)))


def _validations(rows: Sequence[Validated]) -> Iterator[tuple[str, ...]]:
    yield "epoch", "step", "validation, bits per character", "over characters"
    for row in rows:
        yield f"{row.epoch}", f"{row.step:,}", f"{row.bits_per_char:.4f}", f"{row.chars:,}"


def _speed(plan: Plan, history: History) -> Iterator[str]:
    yield "<h2>Throughput</h2>"
    starts = history.starts
    for name in history.damaged:
        yield _paragraph(f"{name}: damaged; what follows the damage is left out.")
    if not any(start.speeds for start in starts):
        yield _paragraph("No TensorBoard events that can be read.")
        return
    yield _block("plots", image(curves.throughput(starts), alt="characters a second over time"))
    restarts = len(starts) - 1
    yield _paragraph(f"Restarts: {restarts}{', each a dashed line' if restarts else ''}.")
    told = None if history.damaged else goodput(starts, chars_per_step=plan.chars_per_step)
    if told:
        yield _paragraph(
            f"Goodput {told.step_seconds / told.wall_seconds:.1%}: of {told.wall_seconds:,.0f} seconds from the first "
            f"event to the last at least {told.step_seconds:,.0f} went into steps that count. The rest is validation, "
            "samples, starting, the time between two starts, steps made again, and those before each start's first row."
        )


def _samples(epochs: Sequence[Epoch]) -> Iterator[str]:
    yield "<h2>Samples</h2>"
    if not epochs:
        yield _paragraph("No samples yet.")
        return
    yield _block("wide", "<table>\n" + "".join(map(_row, reversed(epochs))) + "</table>")


def _row(epoch: Epoch) -> str:
    """An epoch's samples side by side; a prompt that they share once, before them."""
    prompts = dict.fromkeys(sample.prompt for sample in epoch.samples)
    head = [f"epoch {epoch.epoch}, step {epoch.step:,}", _block("quiet", "prompt")]
    head += [_block("sample", html.escape(prompt)) for prompt in prompts]
    cells = [
        _block("quiet", f"diversity {sample.diversity:g}") + _block("sample", html.escape(sample.text))
        for sample in epoch.samples
    ]
    return f'<tr><th scope="row">{"".join(head)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'


def _dataset(run: Run) -> Iterator[str]:
    yield "<h2>Dataset</h2>"
    for section in facts(run.manifest):
        yield f"<h3>{html.escape(section.title)}</h3>"
        yield _plain(section.lines)


def _plain(lines: Sequence[str]) -> str:
    return f'<pre class="wide">{html.escape(chr(10).join(lines))}</pre>'


def _paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def _block(kind: str, inner: str) -> str:
    """A division around HTML."""
    return f'<div class="{kind}">{inner}</div>'
