"""The report of a decision as Markdown: the reason, the numbers, configuration changes, samples of both models."""

from collections.abc import Sequence

from jobs.promotion.decision import Decision, EvaluatedModel
from preprocessing.settings import as_mapping, list_differences
from trainer.runs.folder import Run
from trainer.runs.samples import Sample, read_last_samples

NUMBERS = (("bits per character", "bits_per_char", ".4f"), ("characters", "chars", ","), ("step", "step", ","))


def decision_report(decision: Decision, candidate: Run, production: Run | None) -> str:
    """Return the Markdown of MODELS/reports/*.md. Raises InputError if samples of a run are damaged."""
    parts = [
        f"# {'Promoted' if decision.promoted else 'Not promoted'}: {decision.reason}",
        f"{decision.decided}, on the {decision.split} split of dataset {decision.dataset[:8]}.",
        _list([f"candidate: {_checkpoint(decision.candidate)}", f"production: {_production(decision)}"]),
        _table(decision.candidate, decision.production),
    ]
    if production is not None:
        changes = list_differences(as_mapping(production.config), as_mapping(candidate.config))
        parts += ["## Configuration", _list(changes) or "No difference."]
    parts += ["## Samples", *_samples(candidate, production)]
    return "\n\n".join(parts) + "\n"


def _production(decision: Decision) -> str:
    if decision.replaces is None:
        return "none"
    evaluated = decision.production
    return f"number {decision.replaces}, {_checkpoint(evaluated) if evaluated else 'not evaluated'}"


def _checkpoint(model: EvaluatedModel) -> str:
    return f"{model.run}, {model.checkpoint}, SHA-256 {model.sha256}"


def _table(candidate: EvaluatedModel, production: EvaluatedModel | None) -> str:
    lines = ["| | candidate | production | difference |", "|---|---:|---:|---:|"]
    for title, name, form in NUMBERS:
        value, other = getattr(candidate, name), getattr(production, name, None)
        cells = ["", ""] if other is None else [format(other, form), format(value - other, "+" + form)]
        lines.append(f"| {title} | {format(value, form)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _samples(candidate: Run, production: Run | None) -> list[str]:
    """Return samples of each run's last epoch, side by side, at the diversities that both runs have."""
    samples = {"Candidate": _last_samples(candidate), "Production": _last_samples(production) if production else {}}
    parts = []
    for diversity in samples["Candidate"]:
        if not samples["Production"] or diversity in samples["Production"]:
            parts.append(f"### Diversity {diversity:g}")
            parts += [_sample(who, runs[diversity]) for who, runs in samples.items() if diversity in runs]
    return parts or ["No samples of equal diversities."]


def _last_samples(run: Run) -> dict[float, Sample]:
    """Return the samples of the last epoch by diversity, empty before the end of the first epoch."""
    epoch = read_last_samples(run.bucket)
    return {sample.diversity: sample for sample in epoch.samples} if epoch else {}


def _sample(who: str, sample: Sample) -> str:
    return f"{who}, the prompt and then the sample:\n\n{_quote(sample.prompt)}\n\n{_quote(sample.text)}"


def _quote(text: str) -> str:
    """Format a text as an indented quotation, so that Markdown shows its symbols unchanged."""
    return "\n".join(f">     {line}" for line in text.splitlines() or [""])


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
