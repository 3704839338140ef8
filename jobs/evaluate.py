"""How well a run's newest checkpoint predicts a split of a dataset: one JSON line.

    python -m jobs.evaluate RUN --set dataset=URL --set split=test

RUN is the URL of a run's folder.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jobs import command, schema
from jobs.dataset import open_dataset
from jobs.run import open_run
from preprocessing.errors import InputError

DEFAULT = Path(__file__).with_name("evaluate.yaml")


def main(argv: Sequence[str] | None = None) -> None:
    config, asked, rest = command.configured(__doc__, schema.Evaluate, DEFAULT, argv, flags=["RUN"])
    command.refuse(rest)
    run = open_run(asked.RUN)
    dataset = open_dataset(config.dataset or run.config.dataset)
    if dataset.manifest.vocabulary != run.manifest.vocabulary:
        raise InputError(f"dataset={dataset.bucket.url}: its vocabulary is not the one that {asked.RUN} was trained on")

    from jobs.start import build, replicas, set_up
    from trainer import evaluation
    from trainer.agreement import Agreement
    from trainer.checkpoints import newest
    from trainer.data import Windows
    from trainer.state import restore
    from trainer.steps import Steps

    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="evaluate-", ignore_cleanup_errors=True) as scratch,
        dataset.staging(Path(scratch), max_bytes=run.config.staging.max_bytes) as staging,
    ):
        windows = Windows(dataset.shards(config.split), dataset.manifest, staging.mapped)
        saved = newest(run.bucket, Path(scratch))
        strategy = replicas()
        cudnn = set_up(run.config.precision, seed=run.config.seed)
        with strategy.scope():
            net = build(run.config.model, dataset.manifest, cudnn=cudnn)
        restore(saved.arrays, net, None)
        objective = run.config.objective
        agreement = Agreement(strategy)
        steps = Steps(
            *(strategy, net, None),
            objective=objective,
            clip_norm=0,
            batch_windows=config.batch_windows,
            agreement=agreement,
        )
        every = evaluation.window_step(objective, dataset.manifest)
        result = evaluation.evaluate(steps, windows, step=every, should_stop=agreement)
    line = {
        "split": config.split,
        "step": saved.step,
        "nats_per_char": result.loss,
        "bits_per_char": result.bits_per_char,
        "chars": result.chars,
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    command.run(main)
