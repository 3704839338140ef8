"""Reviews scored by Beam's workers, of which each loads the model once.

    read and parse -> score some at a time -> lines -> OUTPUT/scores-00000-of-00004.jsonl ...

Beam writes the files under other names first, and OUTPUT/summary.json, how many reviews there are and how many are
unreadable for what reason, comes last: without it the folder is not complete.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.pvalue import AsDict

from preprocessing.errors import InputError
from preprocessing.pipeline.beam import create_file, open_file, run_pipeline
from preprocessing.sources.find import find_sources
from preprocessing.sources.reader import FilePart, read_part, split_file
from preprocessing.storage.urls import absolute, open_bucket
from trainer.runs import checkpoint_index
from trainer.runs.folder import Run, open_run
from trainer.scoring.detector import Detector
from trainer.scoring.review_texts import Text
from trainer.scoring.reviews import TEXTS_AT_ONCE, Alphabet, Scored, Unread, as_line, scored

log = logging.getLogger(__name__)

SCORES, SUMMARY = "scores", "summary.json"
SCORED = "scored"


class RunsModel(ModelHandler):
    """The model of a run's checkpoint that has this SHA-256."""

    def __init__(self, run: str, checkpoint: str, alphabet: Alphabet) -> None:
        self._run, self._checkpoint, self._alphabet = run, checkpoint, alphabet

    def load_model(self) -> Any:
        from trainer.runs.load import load_checkpoint
        from trainer.scoring.scorer import Scorer

        saved, net = load_checkpoint(open_run(self._run))
        if saved.sha256 != self._checkpoint:
            raise OSError(f"{self._run}: has another checkpoint than when its scoring began: score again")
        return Scorer(net)

    def run_inference(
        self,
        batch: Sequence[Text],
        model: Any,
        inference_args: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Iterable[Scored | Unread]:
        return scored(batch, model, self._alphabet)

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        return {"min_batch_size": 64, "max_batch_size": TEXTS_AT_ONCE}


def score(
    url: str,
    run: Run,
    reviews: Sequence[str],
    output: str,
    *,
    detector: Detector | None,
    per_char: bool,
    options: Sequence[str],
) -> None:
    """Writes the lines of all reviews. InputError where nothing can be scored, or if the folder has scores already."""
    folder = open_bucket(output)
    if folder.names(SCORES):
        raise InputError(f"--output {output}: holds scores already: name another folder, or delete them")
    saved = checkpoint_index.newest(run.bucket)
    if saved is None:
        raise InputError(f"{url}: no {checkpoint_index.POINTER}: a run without a checkpoint yet")
    if detector:
        detector.check(saved.sha256, where="--detector")
    parts = [
        part
        for number, source in enumerate(find_sources(reviews))
        for part in split_file(number, url=absolute(source.url), name=source.name, size=source.bytes)
    ]
    alphabet, place = Alphabet(run.manifest), absolute(output)
    model = RunsModel(absolute(url), saved.sha256, alphabet)

    def add_steps(pipeline: beam.Pipeline) -> None:
        found = (
            pipeline
            | "parts" >> beam.Create(parts)
            | "one bundle a part" >> beam.Reshuffle()
            | "read and parse" >> beam.FlatMap(read)
            | "spread" >> beam.Reshuffle()
            | "score" >> RunInference(model)
        )
        written = (
            found
            | "lines" >> beam.Map(as_line, alphabet, detector=detector, per_char=per_char)
            | "write" >> beam.io.WriteToText(f"{place}/{SCORES}", file_name_suffix=".jsonl")
        )
        counts = found | "outcomes" >> beam.Map(outcome) | "count" >> beam.combiners.Count.PerElement()
        _ = (
            pipeline
            | "one summary" >> beam.Create([place])
            | "write summary" >> beam.Map(write_summary, AsDict(counts), beam.pvalue.AsIter(written))
        )

    run_pipeline(add_steps, options, urls=[url, output, *(part.url for part in parts)])
    summary = json.loads(folder.read(SUMMARY))
    log.info("%s: %s", output, "; ".join(f"{count} {what}" for what, count in sorted(summary.items())))
    if SCORED not in summary:
        raise InputError(f"{', '.join(reviews)}: nothing that can be scored: see {output}")


def read(part: FilePart) -> Iterator[Text]:
    """The reviews and rejected lines of one part of a file."""
    with open_file(part.url) as stream:
        for found in read_part(stream, part, plain=True):
            yield Text(part.name, found)


def outcome(found: Scored | Unread) -> str:
    return found.error if isinstance(found, Unread) else SCORED


def write_summary(folder: str, counts: Mapping[str, int], written: Iterable[str]) -> None:
    """Once all files are `written`."""
    list(written)
    with create_file(folder, SUMMARY) as stream:
        stream.write(json.dumps(dict(counts)).encode())
