"""The training loop between steps, with a fake model that has one weight: the number of steps."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import safetensors.numpy

from preprocessing.errors import Conflict, InputError, Stopped
from tests.support.memory import Memory
from trainer.data.order import Order
from trainer.data.plan import TrainingPlan, plan_training
from trainer.data.windows import Batch
from trainer.runs.checkpoint_index import CHECKPOINT_INDEX, Position, Retention
from trainer.runs.checkpoints import Checkpoints
from trainer.runs.metrics import Metrics
from trainer.training.evaluation import Evaluation
from trainer.training.loop import Loop
from trainer.training.saver import Saver

ORDER = Order([25], batch_windows=10, block_windows=100, seed=1)  # 3 steps per epoch


@pytest.mark.parametrize(
    ("epochs", "max_chars", "steps"), [(4, 0, 12), (4, 10**9, 12), (4, 500, 5), (4, 599, 5), (4, 99, 1), (1, 300, 3)]
)
def test_plan_ends_with_its_epochs_or_its_characters(epochs: int, max_chars: int, steps: int) -> None:
    assert plan_training(3, epochs=epochs, max_chars=max_chars, chars_per_step=100) == TrainingPlan(steps, 3, 100)


def test_epoch_ends_after_its_steps_and_the_last_one_with_the_plan() -> None:
    found = TrainingPlan(steps=8, steps_per_epoch=3, chars_per_step=1)
    assert [step for step in range(9) if found.ends_epoch(step)] == [3, 6, 8]
    assert [step for step in range(9) if found.validates(step)] == [3, 6, 8]


def test_plan_that_ends_with_an_epoch_ends_it_once() -> None:
    found = TrainingPlan(steps=6, steps_per_epoch=3, chars_per_step=1)
    assert [step for step in range(7) if found.ends_epoch(step)] == [3, 6]


@pytest.mark.parametrize(("chars", "validated"), [(0, [3, 6, 8]), (1, list(range(1, 9))), (250, [2, 3, 4, 6, 8])])
def test_plan_also_validates_within_epochs(chars: int, validated: list[int]) -> None:
    found = plan_training(3, epochs=9, max_chars=800, chars_per_step=100, validate_every_chars=chars)
    assert [step for step in range(9) if found.validates(step)] == validated


class Counted:
    """A run of 6 steps, or more, in epochs of 3. A later instance with the same store and folder resumes the run."""

    def __init__(
        self,
        store: Memory,
        scratch: Path,
        *,
        step: Callable[["Counted"], float] = lambda run: 1 / run.count,
        validate: Callable[["Counted"], float] = lambda run: 2 / run.count,
        sample: Callable[["Counted"], str] = lambda run: f"text {run.count}",
        should_stop: Callable[["Counted"], bool] = lambda _: False,
        every_seconds: float = 1e-9,
        steps: int = 6,
        validation_steps: int = 0,
        stop_after_worse: int = 0,
    ) -> None:
        self.store, self.weight = store, keras.Variable(np.zeros(2, np.float32), name="count")
        checkpoints = Checkpoints(store, retention=Retention(2), scratch=scratch)
        position = Position()
        if restored := checkpoints.restore():
            position, arrays = restored
            self.weight.assign(arrays["weights/count"])
        metrics = Metrics(store, step=checkpoints.step, scratch=scratch)

        def train(_: Batch) -> float:
            self.weight.assign(self.weight + 1)
            return step(self)

        def samples(epoch: int, step: int) -> Mapping[str, bytes]:
            name = f"{epoch}" if self.loop.plan.ends_epoch(step) else f"{epoch}-{step}"
            return {f"samples/{name}": sample(self).encode()}

        fakes: Any = {
            "windows": SimpleNamespace(read=lambda shards, *_: np.zeros((len(shards), 2), np.uint8)),
            "steps": SimpleNamespace(
                batch_windows=10,
                train=train,
                state=(),
                start_segments=lambda: None,
                agreement=lambda: should_stop(self),
                model=SimpleNamespace(weights=[self.weight]),
                optimizer=SimpleNamespace(variables=[], learning_rate=0.1),
            ),
            "progress": SimpleNamespace(end_step=lambda _: None, end_row=lambda *_, **__: None),
        }
        self.loop = Loop(
            **fakes,
            plan=TrainingPlan(steps, 3, 10, validation_steps, stop_after_worse),
            order=ORDER,
            saver=Saver(store, checkpoints, metrics, give_up_seconds=1000),
            metrics=metrics,
            validate=lambda: Evaluation(validate(self), 1),
            write_samples=samples,
            log_every_steps=2,
            checkpoint_every_seconds=every_seconds,
            start=position,
        )

    @property
    def count(self) -> float:
        return float(self.weight.numpy()[0])

    def run(self) -> "Counted":
        self.loop.run()
        return self

    def outcome(self) -> dict[str, Any]:
        """Return the samples, metrics, weights and step of a run. TensorBoard's events and file names are left out."""
        saved = self.store.checkpoints()[0]
        newest = safetensors.numpy.load(self.store.objects[saved["file"]])
        texts = {name: data for name, data in self.store.objects.items() if name.startswith(("samples/", "metrics"))}
        return texts | {"weights": newest["weights/count"].tolist(), "step": saved["step"]}


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, Any]:
    return Counted(Memory(), tmp_path / "undisturbed").run().outcome()


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    for name in ("undisturbed", "one", "two"):
        (tmp_path / name).mkdir()


def test_run_writes_rows_and_samples(undisturbed: dict[str, Any]) -> None:
    rows = [json.loads(row) for row in undisturbed["metrics.jsonl"].splitlines()]
    assert [(row["kind"], row["step"], row["loss"]) for row in rows] == [
        ("train", 2, 3 / 4),
        ("train", 3, 1 / 3),
        ("validation", 3, 2 / 3),
        ("train", 4, 1 / 4),
        ("train", 6, (1 / 5 + 1 / 6) / 2),
        ("validation", 6, 1 / 3),
    ]
    assert (undisturbed["samples/1"], undisturbed["samples/2"]) == (b"text 3.0", b"text 6.0")
    assert (undisturbed["weights"], undisturbed["step"]) == ([6, 6], 6)


@pytest.mark.parametrize("at", range(6))
def test_run_stopped_before_a_step_saves_and_resumes_to_the_same_end(
    tmp_path: Path, undisturbed: dict[str, Any], at: int
) -> None:
    store = Memory()
    stopped = Counted(store, tmp_path / "one", should_stop=lambda run: run.count == at, every_seconds=1000)
    with pytest.raises(Stopped):
        stopped.run()
    assert stopped.loop.is_saved()
    assert max((one["step"] for one in store.checkpoints()), default=0) == at
    assert Counted(store, tmp_path / "two").run().outcome() == undisturbed


@pytest.mark.parametrize("where", ["validate", "sample"])
@pytest.mark.parametrize("fault", [Stopped, RuntimeError])
def test_error_in_evaluation_or_sampling_loses_nothing(
    tmp_path: Path, undisturbed: dict[str, Any], where: str, fault: type[BaseException]
) -> None:
    def fail(run: Counted) -> Any:
        if run.count == 3:
            raise fault
        return 1.0 if where == "validate" else "text"

    store = Memory()
    broken: Any = {where: fail}
    with pytest.raises(fault):
        Counted(store, tmp_path / "one", **broken, every_seconds=1000).run()
    assert (store.checkpoints()[0]["step"], store.checkpoints()[0]["validation"]) == (3, None)
    assert Counted(store, tmp_path / "two").run().outcome() == undisturbed


@pytest.mark.parametrize("name", ["checkpoints/", "checkpoint.json", "metrics.jsonl", "samples/", "tensorboard/"])
def test_store_that_is_down_for_a_while_ends_no_run_and_loses_no_row(
    tmp_path: Path, undisturbed: dict[str, Any], name: str
) -> None:
    down = iter(range(4))

    def before(verb: str, what: str) -> None:
        if verb in ("write", "upload") and what.startswith(name) and next(down, None) is not None:
            raise OSError("down")

    assert Counted(Memory(before), tmp_path / "one").run().outcome() == undisturbed


def test_save_after_an_evaluation_makes_up_for_a_failed_save_before(tmp_path: Path) -> None:
    failing = [True]

    def before(verb: str, _: str) -> None:
        if verb == "upload" and failing:
            failing.clear()
            raise OSError("down")

    store = Memory(before)
    Counted(store, tmp_path / "one", every_seconds=1000).run()
    assert [(one["step"], one["validation"]) for one in store.checkpoints()] == [(6, 1 / 3), (3, 2 / 3)]


@pytest.mark.parametrize("at", [1, 2, 3, 5, 6])
def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path, at: int) -> None:
    def step(run: Counted) -> float:
        loss = 1 / run.count  # still finite, because the loss is computed before the weights change
        if run.count == at:
            run.weight.assign([at, np.nan])
        return loss

    store = Memory()
    poisoned = Counted(store, tmp_path / "one", step=step, should_stop=lambda run: run.count == at)
    with pytest.raises(InputError, match=f"weights/count is not finite at step {at} of epoch {(at + 2) // 3}: lower"):
        poisoned.run()
    for name in store.objects:
        if name.startswith("checkpoints/"):
            assert np.isfinite(safetensors.numpy.load(store.objects[name])["weights/count"]).all()
    assert all(one["step"] < at for one in store.checkpoints())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["step", "validate"])
def test_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(
    tmp_path: Path, value: float, where: str
) -> None:
    store = Memory()
    wrong: Any = {where: lambda run: value if run.count >= 5 or where == "validate" else 1.0}
    with pytest.raises(InputError, match=f"the loss is {value} at step [356] of epoch [12]: lower learning_rate"):
        Counted(store, tmp_path / "one", **wrong).run()
    assert store.checkpoints()[0]["step"] in (3, 4)
    assert store.checkpoints()[0]["validation"] in (None, 2 / 3)


def test_checkpoint_with_the_lowest_validation_loss_is_kept(tmp_path: Path) -> None:
    store = Memory()
    Counted(store, tmp_path / "one", validate=lambda run: run.count).run()
    assert [one["step"] for one in store.checkpoints()][-1] == 3
    assert store.checkpoints()[-1]["validation"] == 3.0


def test_run_that_another_process_took_over_ends_at_the_next_step(tmp_path: Path) -> None:
    def before(verb: str, name: str) -> None:
        if (verb, name) == ("write", CHECKPOINT_INDEX) and CHECKPOINT_INDEX in store.objects:
            raise Conflict(name)

    def step(run: Counted) -> float:
        while run.count == 4 and run.loop.saver.busy:
            pass
        return 1.0

    store = Memory(before)
    overtaken = Counted(store, tmp_path / "one", step=step, every_seconds=1000)
    with pytest.raises(Conflict):
        overtaken.run()
    assert overtaken.count == 4


@pytest.mark.parametrize("at", range(8))
def test_validations_within_epochs_are_the_same_after_a_stop(tmp_path: Path, at: int) -> None:
    settings: Any = {"steps": 8, "validation_steps": 2}
    expected = Counted(Memory(), tmp_path / "undisturbed", **settings).run().outcome()
    rows = [json.loads(row) for row in expected["metrics.jsonl"].splitlines()]
    found = [(row["epoch"], row["step"], row["loss"]) for row in rows if row["kind"] == "validation"]
    assert found == [(1, 2, 2 / 2), (1, 3, 2 / 3), (2, 4, 2 / 4), (2, 6, 2 / 6), (3, 8, 2 / 8)]
    assert {"samples/1-2", "samples/1", "samples/2-4", "samples/2", "samples/3"} <= expected.keys()
    store = Memory()
    with pytest.raises(Stopped):
        Counted(store, tmp_path / "one", should_stop=lambda run: run.count == at, **settings).run()
    assert Counted(store, tmp_path / "two", **settings).run().outcome() == expected


WORSE = {3: 5.0, 6: 4.0, 9: 4.5, 12: 4.0, 15: 3.0, 18: 2.0}  # validation losses by step


@pytest.mark.parametrize(("stop_after_worse", "steps"), [(0, 18), (1, 9), (2, 12), (3, 18)])
def test_run_ends_once_its_validation_loss_no_longer_improves(
    tmp_path: Path, stop_after_worse: int, steps: int
) -> None:
    settings: Any = {"steps": 18, "stop_after_worse": stop_after_worse, "validate": lambda run: WORSE[run.count]}
    store = Memory()
    ended = Counted(store, tmp_path / "one", **settings).run()
    assert (ended.count, ended.outcome()["step"]) == (steps, steps)
    again = Counted(store, tmp_path / "two", **settings).run()
    assert again.count == steps
    assert again.outcome() == ended.outcome()


@pytest.mark.parametrize("at", range(12))
def test_run_that_ends_early_ends_at_the_same_step_after_a_stop(tmp_path: Path, at: int) -> None:
    settings: Any = {"steps": 18, "stop_after_worse": 2, "validate": lambda run: WORSE[run.count]}
    expected = Counted(Memory(), tmp_path / "undisturbed", **settings).run().outcome()
    store = Memory()
    with pytest.raises(Stopped):
        Counted(store, tmp_path / "one", should_stop=lambda run: run.count == at, **settings).run()
    assert Counted(store, tmp_path / "two", **settings).run().outcome() == expected


def test_early_end_is_found_again_if_the_process_ends_before_its_last_save(tmp_path: Path) -> None:
    settings: Any = {"steps": 18, "stop_after_worse": 1, "validate": lambda run: WORSE[run.count]}
    expected = Counted(Memory(), tmp_path / "undisturbed", **settings).run().outcome()

    def fail(run: Counted) -> str:
        if run.count == 9:
            raise RuntimeError
        return f"text {run.count}"

    store = Memory()
    with pytest.raises(RuntimeError):
        Counted(store, tmp_path / "one", sample=fail, **settings).run()
    assert Counted(store, tmp_path / "two", **settings).run().outcome() == expected
