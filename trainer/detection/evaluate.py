"""A detector of generated reviews made, and tried on other reviews: what jobs.detect does."""

import functools
import logging
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.errors import InputError
from trainer.detection import examples
from trainer.detection.examples import Ids
from trainer.detection.fit import fit
from trainer.detection.rates import Numbers, Rates, rates
from trainer.runs.folder import Run, open_run
from trainer.runs.load import load_checkpoint
from trainer.runtime.machine import versions
from trainer.scoring.detector import AtLength, Detector
from trainer.scoring.reviews import Alphabet
from trainer.scoring.scorer import Scorer
from trainer.scoring.scores import FEATURES, Scores

log = logging.getLogger(__name__)

GENUINE, OWN, NGRAMS = "genuine", "this run", "n-grams"


@dataclass(frozen=True)
class Texts:
    """Reviews of one origin as ids with their braces, and their scores by the run's model without the closing one.

    label: the diversity, or from which to which; empty of genuine ones.
    """

    source: str
    label: str
    ids: list[Ids]
    scores: list[Scores]

    def of_length(self, chars: int) -> "Texts":
        """Those of at least so many characters; not cut."""
        kept = [place for place, scores in enumerate(self.scores) if len(scores) >= chars]
        return Texts(self.source, self.label, [self.ids[k] for k in kept], [self.scores[k] for k in kept])

    def __add__(self, other: "Texts") -> "Texts":
        """Both, of one source, in order of their diversities."""
        label = f"{self.label.partition('-')[0]}-{other.label}"
        return Texts(self.source, label, self.ids + other.ids, self.scores + other.scores)


@dataclass(frozen=True)
class Row:
    """How well one source's texts of a label are told from the genuine reviews, by the first `chars` characters.

    found, false_alarms: the shares of generated and genuine texts above the detector's own threshold.
    """

    source: str
    label: str
    chars: int
    genuine: int
    generated: int
    rates: Rates
    found: float
    false_alarms: float


@dataclass(frozen=True)
class Asked:
    """How many reviews at each of the diversities, the seed that decides them, and the user's own genuine ones."""

    count: int
    diversities: tuple[float, ...]
    seed: int
    reviews: tuple[str, ...]


class Judge:
    """A run's model as what scores reviews."""

    def __init__(self, run: Run) -> None:
        saved, self.net = load_checkpoint(run)
        self.run, self.checkpoint = run, saved.sha256
        self._scorer = Scorer(self.net)

    def texts(self, source: str, label: str, ids: list[Ids]) -> Texts:
        return Texts(source, label, ids, [scores.first(len(scores) - 1) for scores in self._scorer(ids)])

    def genuine(self, asked: Asked, split: str) -> Texts:
        """The user's own reviews, or those of a split of the run's dataset."""
        if asked.reviews:
            found = examples.of_files(asked.reviews, Alphabet(self.run.manifest))
        else:
            found = examples.of_split(dataset_of(self.run), split)
        log.info("%d genuine reviews", len(found))
        return self.texts(GENUINE, "", found)

    def generated(self, source: str, asked: Asked, ids: Sequence[Ids]) -> list[Texts]:
        """Of ids in the order of `each`, those at each diversity."""
        count = asked.count
        return [
            self.texts(source, f"{diversity:g}", list(ids[place * count : (place + 1) * count]))
            for place, diversity in enumerate(asked.diversities)
        ]


def dataset_of(run: Run) -> Dataset:
    """The run's dataset, as far as it is still the one."""
    dataset = open_dataset(run.config.dataset)
    run.refuse_other_symbols(dataset)
    return dataset


def each(asked: Asked) -> list[float]:
    """The diversity of each review that is to be generated."""
    return np.repeat(asked.diversities, asked.count).tolist()


def train(run: Run, asked: Asked, *, lengths: Sequence[int], false_positive_rate: float) -> Detector:
    """A detector for the run's newest checkpoint. InputError if there are too few reviews of each length."""
    judge = Judge(run)
    genuine = judge.genuine(asked, "validation")
    ids = examples.by_model(run, judge.net, each(asked), chars=max(lengths), seed=asked.seed)
    generated = judge.generated(OWN, asked, ids)
    return detector(judge.checkpoint, genuine, generated, lengths, rate=false_positive_rate, seed=asked.seed)


def detector(
    checkpoint: str, genuine: Texts, generated: Sequence[Texts], lengths: Sequence[int], *, rate: float, seed: int
) -> Detector:
    """A detector made from these texts, all diversities together."""
    together = [scores for texts in generated for scores in texts.scores]
    return Detector(
        checkpoint=checkpoint,
        false_positive_rate=rate,
        diversities=tuple(float(texts.label) for texts in generated),
        features=tuple(FEATURES),
        lengths=fit(genuine.scores, together, lengths, rate=rate, seed=seed),
        versions=dict(versions()),
    )


def sources(judge: Judge, asked: Asked, *, chars: int, foreign: Sequence[str]) -> Iterator[Texts]:
    """Generated reviews: the run's own, an n-gram model's of its training split, and those of other runs."""
    run = judge.run
    own = examples.by_model(run, judge.net, each(asked), chars=chars, seed=asked.seed)
    yield from judge.generated(OWN, asked, own)
    try:
        dataset = dataset_of(run)
        ids = examples.by_ngrams(run, dataset, each(asked), chars=chars, seed=asked.seed)
    except InputError as error:
        log.warning("%s are left out: %s", NGRAMS, error)
    else:
        yield from judge.generated(NGRAMS, asked, ids)
    for url in foreign:
        other = open_run(url)
        if other.manifest.vocabulary != run.manifest.vocabulary:
            raise InputError(f"--foreign {url}: its vocabulary is not that of {run.bucket.url}")
        _, net = load_checkpoint(other)
        ids = examples.by_model(other, net, each(asked), chars=chars, seed=asked.seed)
        yield from judge.generated(f"run {url.rstrip('/').rpartition('/')[2]}", asked, ids)


def pooled(by: Detector, generated: Sequence[Texts]) -> Iterator[Texts]:
    """After each source's texts those of the diversities that the detector was made from, all together."""
    for _, group in groupby(generated, key=lambda texts: texts.source):
        of_source = list(group)
        yield from of_source
        known = [texts for texts in of_source if float(texts.label) in by.diversities]
        if len(known) > 1:
            yield functools.reduce(operator.add, known)


def rows(by: Detector, genuine: Texts, generated: Sequence[Texts], *, seed: int) -> Iterator[Row]:
    """The table of an evaluation: for each length, source and diversity that there are texts of."""
    for at in by.lengths:
        real = genuine.of_length(at.chars)
        for texts in pooled(by, generated):
            made = texts.of_length(at.chars)
            if real.scores and made.scores:
                true, false = log_odds(at, made), log_odds(at, real)
                yield Row(
                    texts.source,
                    texts.label,
                    at.chars,
                    len(false),
                    len(true),
                    rates(false, true, seed=seed),
                    found=float((true > at.threshold).mean()),
                    false_alarms=float((false > at.threshold).mean()),
                )


def log_odds(at: AtLength, texts: Texts) -> Numbers:
    """Of texts that are all as long as it takes, [n]."""
    return np.array([at.log_odds(scores) for scores in texts.scores])
