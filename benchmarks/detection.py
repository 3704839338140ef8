"""Detection rates of this project's detector and three simpler methods, on the same texts.

    python -m benchmarks.detection [--count 120] [--run RUN --foreign RUN]

Without --run, the benchmark trains the demo's recipe on the real reviews, or on invented reviews. Then it trains the
foreign generator, a model of another size, seed and length. Both take half an hour on two cores. The simpler methods:

- a threshold on the mean log rank, GLTR's idea as one number (Gehrmann et al., 2019)
- a threshold on the mean bits
- a logistic regression on TF-IDF of character n-grams, fitted to the same texts as the detector, without a model
"""

import argparse
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.corpus import REAL
from benchmarks.quality import job, prepare, sets
from jobs.pages.detection import detection_page
from jobs.terminal.detection import rates_note, rates_table
from jobs.terminal.table import format_table
from trainer.detection.evaluate import compute_log_odds, evaluate, generate_sources, pool_diversities
from trainer.detection.examples import generate_with_model
from trainer.detection.fit import fit_detector
from trainer.detection.rates import Numbers, measure_rates
from trainer.detection.review_scorer import THIS_RUN, ReviewScorer, ReviewSettings, ScoredTexts
from trainer.runs.folder import open_run
from trainer.scoring.detector import LengthClassifier
from trainer.scoring.scored_reviews import TextCodec

LENGTHS = (100, 200, 400, 800)
TRAINED, EVALUATED = (0.2, 0.4, 0.6, 0.8), (0.2, 0.4, 0.6, 0.8, 1.0)
INVENTED = 10_000
FOREIGN = ("model.lstm_units=[256]", "seed=7", "batch_windows=64", "max_chars=12000000")
Method = Callable[[ScoredTexts], Numbers]  # a larger number means generated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=120, help="generated reviews at each diversity")
    parser.add_argument("--run", help="a trained run (default: train one)")
    parser.add_argument("--foreign", help="a separately trained run, with --run")
    parser.add_argument("--page", type=Path, help="also write the evaluation's HTML page to this file")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    with tempfile.TemporaryDirectory(prefix="bench-detect-") as folder:
        if args.run:
            measure(args.run, [args.foreign] if args.foreign else [], count=args.count, page=args.page)
        else:
            measure(*train_runs(Path(folder)), count=args.count, page=args.page)


def train_runs(folder: Path) -> tuple[str, list[str]]:
    """Train the run and the foreign generators. Returns their URLs."""
    source = str(REAL)
    if not REAL.exists():
        source = str(folder / "reviews.jsonl")
        job("demo_reviews", *sets(f"output={source}", f"reviews={INVENTED}"))
    urls = [f"dataset={prepare(source, folder)}", f"runs={folder / 'runs'}"]
    job("train", "--config", "jobs/demo.yaml", "--run", "own", *sets(*urls))
    job("train", "--config", "jobs/demo.yaml", "--run", "foreign", *sets(*urls, *FOREIGN))
    return str(folder / "runs/own"), [str(folder / "runs/foreign")]


def measure(url: str, foreign: Sequence[str], *, count: int, page: Path | None) -> None:
    """Train a detector and the simpler methods, and print the rates of all on the test split."""
    scorer = ReviewScorer(open_run(url))
    settings = ReviewSettings(count, TRAINED, 1, ())
    genuine = scorer.score_genuine(settings, "validation")
    diversities = settings.list_diversities()
    ids = generate_with_model(scorer.run, scorer.model, diversities, chars=max(LENGTHS), seed=settings.seed)
    generated = scorer.score_generated(THIS_RUN, settings, ids)
    detector = fit_detector(scorer.checkpoint, genuine, generated, LENGTHS, rate=0.01, seed=settings.seed)

    unseen_settings = ReviewSettings(count, EVALUATED, 2, ())
    unseen = scorer.score_genuine(unseen_settings, "test")
    others = list(generate_sources(scorer, unseen_settings, chars=max(LENGTHS), foreign=foreign))
    rows = list(evaluate(detector, unseen, others, seed=unseen_settings.seed))
    print("\n".join([*rates_table(rows), "", rates_note(rows), ""]))
    codec = TextCodec(scorer.run.manifest)
    if page:
        page.write_bytes(detection_page("benchmark", detector, unseen, others, rows, codec))
    table = []
    for classifier in detector.lengths:
        methods = fit_methods(classifier, codec, genuine, generated)
        for texts in (texts.at_least(classifier.chars) for texts in pool_diversities(detector, others)):
            if texts.scores:
                genuine_texts = unseen.at_least(classifier.chars)
                cells = [measure_rates(method(genuine_texts), method(texts)) for method in methods.values()]
                table.append(
                    (
                        texts.source,
                        texts.label,
                        str(classifier.chars),
                        *(f"{auroc:.3f} {last:.3f}" for auroc, *_, last in cells),
                    )
                )
    print("AUROC, and the share found at 1% false alarms")
    print("\n".join(format_table("<>>>>>>", [("reviews by", "diversity", "characters", *methods), *table])))


def fit_methods(
    classifier: LengthClassifier, codec: TextCodec, genuine: ScoredTexts, generated: Sequence[ScoredTexts]
) -> dict[str, Method]:
    """Return all methods by name. A method gives each text a number, from its first `classifier.chars` characters."""
    chars = classifier.chars

    def decode(texts: ScoredTexts) -> list[str]:
        return [codec.decode(ids[1 : 1 + chars]) for ids in texts.at_least(chars).ids]

    known = [decode(texts) for texts in (genuine, *generated)]
    tfidf = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
        LogisticRegression(class_weight="balanced", C=10, max_iter=1000),
    )
    truth = np.repeat([0, 1], [len(known[0]), sum(map(len, known[1:]))])
    tfidf.fit([text for texts in known for text in texts], truth)
    return {
        "this detector": lambda texts: compute_log_odds(classifier, texts),
        "mean log rank": lambda texts: np.array([-scores.first(chars).mean_log_rank for scores in texts.scores]),
        "mean bits": lambda texts: np.array([-scores.first(chars).bits_per_char for scores in texts.scores]),
        "TF-IDF": lambda texts: tfidf.decision_function(decode(texts)),
    }


if __name__ == "__main__":
    main()
