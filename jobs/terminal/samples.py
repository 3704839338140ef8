"""Samples on a terminal or in a file: streamed while the model writes, or as whole texts."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

from preprocessing.json_format import format_json
from preprocessing.progress import report_progress
from preprocessing.storage.urls import open_for_writing
from trainer.config import CheckpointChoice
from trainer.runs.folder import Run
from trainer.runs.load import load_model
from trainer.sampling.generate import GeneratedSample, generate_samples, whole_samples
from trainer.sampling.stop_texts import StopTexts
from trainer.sampling.truncation import Truncation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SampleRequest:
    """Samples to generate with a checkpoint of a run, each from the same prompt."""

    run: Run
    prompt: Sequence[int]
    stop_texts: StopTexts
    truncation: Truncation
    diversity: float
    chars: int
    seed: int
    count: int = 1
    checkpoint: CheckpointChoice = "newest"

    def decode(self, ids: Sequence[int]) -> str:
        return self.run.manifest.symbols().decode(ids)

    def text(self, sample: GeneratedSample) -> str:
        """Return a whole sample's text, without the stop text."""
        return self.decode(sample.ids[: self.stop_texts.certain_length(sample.ids, ended=True)])

    def json_line(self, sample: GeneratedSample) -> str:
        values = {"number": sample.number, "prompt": self.decode(self.prompt), "text": self.text(sample)}
        settings = {"diversity": self.diversity, "seed": self.seed, "ended": sample.ended}
        return format_json(values | settings)

    def generate(self) -> Iterator[GeneratedSample]:
        """Yield a sample each time it has grown by a character."""
        return generate_samples(
            load_model(self.run, self.checkpoint),
            self.prompt,
            repeat(self.diversity, self.count),
            chars=self.chars,
            seed=self.seed,
            truncation=self.truncation,
            reached=self.stop_texts.reached,
        )

    def generate_whole(self, *, progress: bool) -> Iterable[GeneratedSample]:
        """Yield whole samples in order, with progress on stderr if there are several."""
        samples = whole_samples(self.generate())
        return report_progress(samples, total=self.count, unit="sample") if progress and self.count > 1 else samples


def stream_sample(request: SampleRequest) -> None:
    """Print the prompt and one sample, character by character."""
    stream = TextStream(request.decode, request.stop_texts)
    for number, sample in enumerate(request.generate()):
        if not number:
            print_now(request.decode(request.prompt))
        stream.update(sample.ids, ended=bool(sample.ended))


def print_samples(request: SampleRequest, *, as_json: bool) -> None:
    """Print whole samples in order, each as soon as possible."""
    for sample in request.generate_whole(progress=not sys.stdout.isatty()):
        line = request.json_line(sample) if as_json else request.decode(request.prompt) + request.text(sample)
        print(line, flush=True)


def write_samples(request: SampleRequest, url: str) -> None:
    """Write samples as JSON lines to a file, which exists only once it is complete."""
    with open_for_writing(url) as file:
        began, chars = time.monotonic(), 0
        for sample in request.generate_whole(progress=True):
            file.write(f"{request.json_line(sample)}\n".encode())
            chars += len(sample.ids)
    rate = chars / (time.monotonic() - began)
    log.info("%s: %d samples, %d characters, %.0f characters/s", url, request.count, chars, rate)


class TextStream:
    """A text printed while it grows. A character is printed once no stop text can remove it."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stop_texts: StopTexts) -> None:
        self._decode, self._stop_texts = decode, stop_texts
        self._printed = 0

    def update(self, ids: Sequence[int], *, ended: bool) -> None:
        """Print the new characters of a text with these ids so far, and a line break if the text has ended."""
        certain = max(self._printed, self._stop_texts.certain_length(ids, ended=ended))
        print_now(self._decode(ids[self._printed : certain]) + "\n" * ended)
        self._printed = certain


def print_now(text: str) -> None:
    """Print a text without a line break, and flush."""
    print(text, end="", flush=True)
