"""A run's weights, held against a split of a dataset."""

import tempfile
from pathlib import Path

from preprocessing.dataset.folder import Dataset
from trainer.data.staging import stage
from trainer.data.windows import Windows
from trainer.model.network import build_model
from trainer.model.state import Arrays, restore
from trainer.runs.folder import Run
from trainer.runtime.devices import set_up
from trainer.runtime.stop_agreement import Agreement
from trainer.runtime.strategy import create_strategy
from trainer.training import evaluation
from trainer.training.evaluation import Evaluation
from trainer.training.steps import Steps


def evaluate(
    run: Run, arrays: Arrays, dataset: Dataset, *, split: str, batch_windows: int, objective: str
) -> Evaluation:
    """The mean loss of the run's model, with these weights, over each character of the split that `objective`
    predicts, `batch_windows` at a time.

    InputError if the dataset has other symbols or no such split. Sets precision and seed for the process.
    """
    run.refuse_other_symbols(dataset)
    shards = dataset.shards(split)
    with (
        tempfile.TemporaryDirectory(prefix="evaluate-", ignore_cleanup_errors=True) as scratch,
        stage(dataset, Path(scratch), max_bytes=run.config.staging.max_bytes) as staging,
    ):
        windows = Windows(shards, dataset.manifest, staging.mapped)
        strategy = create_strategy()
        cudnn = set_up(run.config.precision, seed=run.config.seed, only_reading=True)
        with strategy.scope():
            net = build_model(run.config.model, dataset.manifest, cudnn=cudnn)
        restore(arrays, net, None)
        agreement = Agreement(strategy)
        steps = Steps(
            strategy,
            net,
            None,
            objective=objective,
            clip_norm=0,
            batch_windows=batch_windows,
            agreement=agreement,
        )
        step = evaluation.window_step(objective, dataset.manifest)
        return evaluation.evaluate(steps, windows, step=step, should_stop=agreement)
