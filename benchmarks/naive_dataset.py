"""The peer of benchmarks.data: a Beam pipeline as tutorials write it, with one element for each window.

    python -m benchmarks.naive_dataset REVIEWS.zip OUTPUT STRIDE

The pipeline reads the same zip and writes the same windows. It has no splits and no manifest, and keeps duplicates.
"""

import json
import logging
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from benchmarks.corpus import MEMBER
from preprocessing.dataset.vocabulary import SEED

WINDOW_CHARS = 256
SYMBOLS = {symbol: number for number, symbol in enumerate(SEED.symbols)}


def reviews(path: str) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as lines:
        for line in lines:
            yield json.loads(line)["text"]


def windows(text: str, stride: int) -> Iterator[bytes]:
    ids = bytes(SYMBOLS[symbol] for symbol in "{" + text.lower() + "}" if symbol in SYMBOLS)
    for start in range(0, len(ids) - WINDOW_CHARS, stride):
        yield ids[start : start + WINDOW_CHARS + 1]


def example(window: bytes) -> Any:
    import tensorflow as tf

    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[window]))
    return tf.train.Example(features=tf.train.Features(feature={"ids": feature})).SerializeToString()


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    source, output, stride = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        _ = (
            pipeline
            | beam.Create([source])
            | beam.FlatMap(reviews)
            | beam.FlatMap(windows, stride)
            | beam.Reshuffle()
            | beam.Map(example)
            | beam.io.WriteToTFRecord(f"{output}/train", file_name_suffix=".tfrecord")
        )


if __name__ == "__main__":
    main()
