"""A verdict for people, as Markdown: the decision, the numbers, and samples of both models."""

from collections.abc import Sequence
from dataclasses import asdict

from jobs.promotion.decision import Judged, Verdict
from preprocessing.settings import as_mapping, list_differences
from trainer.runs.folder import Run
from trainer.runs.samples import Sample, last


def page(verdict: Verdict, candidate: Run, production: Run | None) -> str:
    """The report MODELS/reports/*.md, of a verdict on these two; InputError if the samples of one are damaged."""
    parts = [
        f"# {'Promoted' if verdict.promoted else 'Not promoted'}: {verdict.reason}",
        f"{verdict.decided}, on the {verdict.split} split of dataset {verdict.dataset[:8]}.",
        _list([f"candidate: {_named(verdict.candidate)}", *_production(verdict)]),
        _table(verdict),
    ]
    if production is not None:
        parts += ["## Configuration", _list(_changed(production, candidate)) or "No difference."]
    parts += ["## Samples", *_samples(candidate, production)]
    return "\n\n".join(parts) + "\n"


def _production(verdict: Verdict) -> list[str]:
    if verdict.production is not None:
        return [f"production: number {verdict.replaces}, {_named(verdict.production)}"]
    return ["production: none"] if verdict.replaces is None else [f"production: number {verdict.replaces}, not judged"]


def _named(judged: Judged) -> str:
    return f"{judged.run}, {judged.checkpoint}, SHA-256 {judged.sha256}"


def _table(verdict: Verdict) -> str:
    rows = [("bits per character", "bits_per_char", ".4f"), ("characters", "chars", ","), ("step", "step", ",")]
    ours = asdict(verdict.candidate)
    theirs = asdict(verdict.production) if verdict.production else {}
    lines = ["| | candidate | production | difference |", "|---|---:|---:|---:|"]
    for title, key, form in rows:
        cells = [format(ours[key], form)]
        cells += [format(theirs[key], form), format(ours[key] - theirs[key], "+" + form)] if theirs else ["", ""]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _changed(production: Run, candidate: Run) -> list[str]:
    """Each key that differs between the two runs."""
    return list_differences(as_mapping(production.config), as_mapping(candidate.config))


def _samples(candidate: Run, production: Run | None) -> list[str]:
    """Those of each run's last epoch, at the diversities that both have, one after the other."""
    ours, theirs = last_samples(candidate), last_samples(production) if production else []
    shared = [sample.diversity for sample in ours if not theirs or sample.diversity in {s.diversity for s in theirs}]
    parts = []
    for diversity in shared:
        parts.append(f"### Diversity {diversity:g}")
        for who, samples in (("Candidate", ours), ("Production", theirs)):
            parts += [
                f"{who}, after the prompt and then its own text:\n\n{_quoted(s.prompt)}\n\n{_quoted(s.text)}"
                for s in samples
                if s.diversity == diversity
            ]
    return parts or ["None at equal diversities."]


def last_samples(run: Run) -> Sequence[Sample]:
    """Those of the run's last epoch; () before the first epoch's end."""
    epoch = last(run.bucket)
    return epoch.samples if epoch else ()


def _quoted(text: str) -> str:
    """As Markdown shows it unchanged, whatever its symbols mean there: indented, within a quotation."""
    return "\n".join(f">     {line}" for line in text.splitlines() or [""])


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
