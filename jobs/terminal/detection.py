"""The evaluation of a detector as a table, as JSON, and its limits in words."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from jobs.terminal.table import format_table
from trainer.detection.evaluate import EvaluationRow
from trainer.detection.rates import CONFIDENCE, FALSE_POSITIVE_RATES

HEAD = ("source", "diversity", "characters", "texts", "AUROC", "AUPR")
LIMITS = (
    "The detector fails, or is weak, on:",
    "- text of other generators. The rows for n-grams and other runs show how well it generalizes. Text of large "
    "language models was not tried.",
    "- short text. Below the smallest length in the table there is no verdict.",
    "- high diversity. At diversity 1 the model writes text that it finds as likely as genuine text.",
    "- edited text, which a person wrote or changed in part.",
    "- genuine text in common phrases, or from the training data. The model predicts such text as well as its own, and "
    "the detector may call it generated.",
    "The genuine texts are held-out reviews of the same kind as the training data. For other text train "
    "a detector with its own threshold: jobs.detect train --reviews.",
)


def rates_table(rows: Sequence[EvaluationRow]) -> list[str]:
    """Format the rates as a table, with intervals of CONFIDENCE in brackets."""
    rates = [f"TPR at {rate:.0%} FPR" for rate in FALSE_POSITIVE_RATES]
    return format_table("<>>>>>>>>>", [(*HEAD, *rates, "TPR", "FPR"), *map(_cells, rows)])


def rates_note(rows: Sequence[EvaluationRow]) -> str:
    """Describe the table's numbers."""
    genuine = ", ".join(f"{row.genuine} of {row.chars}" for row in {row.chars: row for row in rows}.values())
    return (
        f"Genuine texts: {genuine} characters. Brackets: {CONFIDENCE:.0%} confidence intervals by bootstrap of the "
        "texts. AUPR is for these numbers of genuine and generated texts. TPR (true positive rate) is the share of "
        "generated texts that are detected. FPR (false positive rate) is the share of genuine texts called generated. "
        "The last two columns use the detector's own threshold."
    )


def rates_json(rows: Sequence[EvaluationRow]) -> list[dict[str, Any]]:
    """Return the rates as JSON values, one object for each row."""
    names = [f"tpr_at_{rate:g}" for rate in FALSE_POSITIVE_RATES]
    return [
        {key: value for key, value in asdict(row).items() if key != "rates"}
        | {"auroc": asdict(row.rates.auroc), "aupr": asdict(row.rates.aupr)}
        | {name: asdict(tpr) for name, tpr in zip(names, row.rates.tpr, strict=True)}
        for row in rows
    ]


def _cells(row: EvaluationRow) -> Sequence[str]:
    texts = (row.source, row.label, f"{row.chars}", f"{row.generated}")
    rates = map(str, (row.rates.auroc, row.rates.aupr, *row.rates.tpr))
    return *texts, *rates, f"{row.found:.3f}", f"{row.false_alarms:.3f}"
