"""What an evaluation of a detector found, as a table for a terminal, as JSON, and in words what cannot be told."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from jobs.terminal.table import table
from trainer.detection.evaluate import Row
from trainer.detection.rates import CONFIDENCE, FALSE_POSITIVE_RATES

HEAD = ("reviews by", "diversity", "characters", "texts", "AUROC", "AUPR")
LIMITS = (
    "What cannot be told, or only badly:",
    "- text of another generator: the rows of n-grams and of other runs show how far this one carries, and a large "
    "language model's text was not tried at all;",
    "- short texts: of fewer characters than the least length above there is no verdict;",
    "- a high diversity: at 1 the model writes what it expects people to write, so the number for it says little;",
    "- an edited text, of which a person wrote or changed a part;",
    "- a person's text in worn phrases, or one that stood in the training data, which the model finds as easy as its "
    "own: it may be called generated.",
    "The genuine texts here are held-out reviews of the same kind as the training data: with text of another kind set "
    "the threshold anew (jobs.detect train --reviews).",
)


def lines(rows: Sequence[Row]) -> list[str]:
    """The table, with intervals of CONFIDENCE in brackets."""
    rates = [f"found at {rate:.0%} false alarms" for rate in FALSE_POSITIVE_RATES]
    return table("<>>>>>>>>>", [(*HEAD, *rates, "by its threshold", "false alarms"), *map(_cells, rows)])


def about(rows: Sequence[Row]) -> str:
    """What the table's numbers are, in a sentence."""
    genuine = ", ".join(f"{row.genuine} of {row.chars}" for row in {row.chars: row for row in rows}.values())
    return (
        f"Genuine texts: {genuine} characters. In brackets {CONFIDENCE:.0%} confidence by a bootstrap of the texts. "
        "AUPR is for as many generated texts to each genuine one as there are here."
    )


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    names = [f"tpr_at_{rate:g}" for rate in FALSE_POSITIVE_RATES]
    return [
        {key: value for key, value in asdict(row).items() if key != "rates"}
        | {"auroc": asdict(row.rates.auroc), "aupr": asdict(row.rates.aupr)}
        | {name: asdict(tpr) for name, tpr in zip(names, row.rates.tpr, strict=True)}
        for row in rows
    ]


def _cells(row: Row) -> Sequence[str]:
    rates = map(str, (row.rates.auroc, row.rates.aupr, *row.rates.tpr))
    place = (row.source, row.label, f"{row.chars}", f"{row.generated}")
    return *place, *rates, f"{row.found:.3f}", f"{row.false_alarms:.3f}"
