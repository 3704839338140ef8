"""Reviews scored by Beam's workers. Each worker loads the model once.

    read and parse -> score in batches -> format lines -> OUTPUT/scores-00000-of-00004.jsonl ...

Beam writes the files under other names first. OUTPUT/summary.json is written last: without it the folder is not
complete. The summary counts the scored reviews, and the other lines by reason.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.pvalue import AsDict

from preprocessing.errors import InputError
from preprocessing.pipeline.beam import run_pipeline
from preprocessing.sources.find import find_sources, split_sources
from preprocessing.sources.reader import FilePart, read_part
from preprocessing.sources.review import Columns
from preprocessing.storage.streams import create_stream, open_stream
from preprocessing.storage.urls import absolute, open_bucket
from trainer.runs import checkpoint_index
from trainer.runs.folder import Run, open_run
from trainer.scoring.detector import Detector
from trainer.scoring.review_files import ReviewLine
from trainer.scoring.scored_reviews import (
    LINES_AT_ONCE,
    LineResult,
    TextCodec,
    UnscoredLine,
    format_json_line,
    score_reviews,
)

log = logging.getLogger(__name__)

SCORES, SCORE_SUMMARY = "scores", "summary.json"
SCORED = "scored"


class CheckpointModel(ModelHandler):
    """The model of a run's newest checkpoint, which must have the SHA-256 `checkpoint`."""

    def __init__(self, run: str, checkpoint: str, codec: TextCodec) -> None:
        self._run, self._checkpoint, self._codec = run, checkpoint, codec

    def load_model(self) -> Any:
        """Load the model. Raises OSError if the run has another checkpoint now."""
        # A worker imports no command, and jobs/__init__.py sets the variable only for commands.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from trainer.runs.load import load_checkpoint
        from trainer.scoring.scorer import Scorer

        saved, model = load_checkpoint(open_run(self._run))
        if saved.sha256 != self._checkpoint:
            raise OSError(f"{self._run}: has another checkpoint than at the start of the scoring: score again")
        return Scorer(model)

    def run_inference(
        self,
        batch: Sequence[ReviewLine],
        model: Any,
        inference_args: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Iterable[LineResult]:
        return score_reviews(batch, model, self._codec)

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        return {"min_batch_size": 64, "max_batch_size": LINES_AT_ONCE}


def score_on_beam(
    url: str,
    run: Run,
    reviews: Sequence[str],
    output: str,
    *,
    detector: Detector | None,
    per_char: bool,
    options: Sequence[str],
    columns: Columns,
) -> None:
    """Score all reviews and write their lines to the folder `output`.

    Raises InputError if no review can be scored, or if the folder has scores already.
    """
    folder = open_bucket(output)
    if folder.names(SCORES):
        raise InputError(f"--output {output}: has scores already: name another folder, or delete them")
    saved = checkpoint_index.newest_entry(run.bucket)
    if saved is None:
        raise InputError(f"{url}: no {checkpoint_index.CHECKPOINT_INDEX}: a run without a checkpoint yet")
    if detector:
        detector.require_checkpoint(saved.sha256, where="--detector")
    parts = split_sources(find_sources(reviews), columns)
    codec, output_url = TextCodec(run.manifest), absolute(output)
    model = CheckpointModel(absolute(url), saved.sha256, codec)

    def add_steps(pipeline: beam.Pipeline) -> None:
        results = (
            pipeline
            | "parts" >> beam.Create(parts)
            | "one bundle for each part" >> beam.Reshuffle()
            | "read and parse" >> beam.FlatMap(read_lines)
            | "spread" >> beam.Reshuffle()
            | "score" >> RunInference(model)
        )
        written = (
            results
            | "lines" >> beam.Map(format_json_line, codec, detector=detector, per_char=per_char)
            | "write" >> beam.io.WriteToText(f"{output_url}/{SCORES}", file_name_suffix=".jsonl")
        )
        counts = results | "outcomes" >> beam.Map(name_outcome) | "count" >> beam.combiners.Count.PerElement()
        _ = (
            pipeline
            | "one summary" >> beam.Create([output_url])
            | "write summary" >> beam.Map(write_score_summary, AsDict(counts), beam.pvalue.AsIter(written))
        )

    run_pipeline(add_steps, options, urls=[url, output, *(part.url for part in parts)])
    summary = json.loads(folder.read(SCORE_SUMMARY))
    log.info("%s: %s", output, "; ".join(f"{count} {outcome}" for outcome, count in sorted(summary.items())))
    if SCORED not in summary:
        raise InputError(f"{', '.join(reviews)}: no review can be scored: see {output}")


def read_lines(part: FilePart) -> Iterator[ReviewLine]:
    """Yield the reviews and rejected lines of one part of a file."""
    with open_stream(part.url, size=part.bytes) as stream:
        for parsed in read_part(stream, part, plain=True):
            yield ReviewLine(part.name, parsed)


def name_outcome(result: LineResult) -> str:
    """Return the name under which the summary counts a result."""
    return result.error if isinstance(result, UnscoredLine) else SCORED


def write_score_summary(folder: str, counts: Mapping[str, int], written: Iterable[str]) -> None:
    """Write the summary after all files are `written`."""
    list(written)
    with create_stream(folder, SCORE_SUMMARY) as stream:
        stream.write(json.dumps(dict(counts)).encode())
