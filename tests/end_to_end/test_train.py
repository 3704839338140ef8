"""The training command on a small dataset: undisturbed, killed and resumed."""

import hashlib
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from jobs import evaluate, train
from jobs.history.status import read_status
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.support.inputs import small_dataset
from tests.support.runs import arguments, arrays, finish, outcome, rows, saved_step, start, wait_until
from tests.trainer.training.test_warm_start import seed_weights, write_keras2
from trainer.runs import start_records
from trainer.runs.folder import open_run
from trainer.runs.samples import read_samples


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("undisturbed")
    finish(start(arguments(dataset, runs)))
    return runs / "small"


def test_a_run_s_folder_holds_all_that_it_is_made_of(undisturbed: Path) -> None:
    names = set(open_bucket(str(undisturbed)).names())
    fixed = {"config.yaml", "manifest.json", "checkpoint.json", "metrics.jsonl", "report.html"}
    samples = {f"samples/epoch-{epoch:03}.{kind}" for epoch in (1, 2, 3) for kind in ("txt", "json")}
    others = sorted(names - fixed - samples)
    assert fixed | samples <= names
    assert [name.split("/")[0] for name in others] == ["checkpoints", "checkpoints", "starts", "tensorboard"]


def test_validation_improves_with_each_epoch(undisturbed: Path) -> None:
    bits = [row["bits_per_char"] for row in rows(undisturbed, "validation")]
    assert len(bits) == 3
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 4.5  # uniform over 61 symbols is log2(61) = 5.9


def test_rows_of_metrics_come_at_their_steps(undisturbed: Path) -> None:
    steps = [row["step"] for row in rows(undisturbed, "train")]
    per_epoch = int(rows(undisturbed, "validation")[0]["step"])
    ends = {per_epoch, 2 * per_epoch, 3 * per_epoch}
    assert steps == sorted(set(range(7, 3 * per_epoch, 7)) | ends)


def test_samples_are_four_diversities_of_one_held_out_prompt(undisturbed: Path) -> None:
    found = json.loads((undisturbed / "samples/epoch-002.json").read_text())
    assert (found["epoch"], [s["diversity"] for s in found["samples"]]) == (2, [0.2, 0.4, 0.6, 0.8])
    assert {(len(s["prompt"]), len(s["text"])) for s in found["samples"]} == {(12, 30)}
    assert len({s["prompt"] for s in found["samples"]}) == 1
    text = (undisturbed / "samples/epoch-002.txt").read_text()
    assert all(f"diversity {s['diversity']:g}:\n{s['text']}" in text for s in found["samples"])


def test_tensorboard_opens_the_run_s_events(undisturbed: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(undisturbed / "tensorboard"))
    events.Reload()
    found = set(events.Tags()["tensors"])
    assert {"train/loss", "train/learning_rate", "validation/bits_per_char", "speed/chars_per_second"} <= found
    steps = [event.step for event in events.Tensors("validation/bits_per_char")]
    assert steps == [row["step"] for row in rows(undisturbed, "validation")]


def test_a_run_stopped_by_sigterm_saves_first_and_ends_with_the_same_bits_also_as_a_copy_elsewhere(
    dataset: Path, tmp_path: Path, undisturbed: Path
) -> None:
    run = tmp_path / "small"
    never: dict[str, Any] = {"checkpoint__every_seconds": 9999}
    process = start(arguments(dataset, tmp_path, **never))
    wait_until(lambda: (run / "tensorboard").exists() or saved_step(run) > 0, process)
    process.send_signal(signal.SIGTERM)
    finish(process, code=143)
    stopped_at = saved_step(run)
    assert stopped_at > 0
    assert kept(run) == [(start_records.EVICTED, "SIGTERM", 0, stopped_at)]
    shutil.copytree(run, tmp_path / "copies/small")
    shutil.copytree(dataset, tmp_path / "dataset")
    elsewhere = arguments(tmp_path / "dataset", tmp_path / "copies", checkpoint__keep=3, grace_seconds=1)
    errors = finish(start(elsewhere))
    assert f"continuing after step {stopped_at}" in errors
    assert outcome(tmp_path / "copies/small") == outcome(undisturbed)
    steps = int(rows(undisturbed, "validation")[-1]["step"])
    assert kept(tmp_path / "copies/small")[1:] == [(start_records.FINISHED, "", stopped_at, steps)]


def kept(run: Path) -> list[tuple[str | None, str, int, int | None]]:
    """Return (how it ended, reason, first step, last step) of each start of the run."""
    found = filter(None, start_records.read_start_records(open_bucket(str(run))).values())
    return [(one.how, one.why, one.step, one.ended_step) for one in found]


def test_of_two_processes_with_one_run_name_one_stops_and_the_run_ends_as_undisturbed(
    dataset: Path, tmp_path: Path, undisturbed: Path
) -> None:
    both = [start(arguments(dataset, tmp_path)) for _ in range(2)]
    errors = [process.output() for process in both]
    stopped = [text for process, text in zip(both, errors, strict=True) if process.returncode == 1]
    assert stopped, errors
    assert all("another process was first, nothing of its work was changed" in text for text in stopped)
    finish(start(arguments(dataset, tmp_path)))  # a retry finishes the run if each process stopped the other
    assert outcome(tmp_path / "small") == outcome(undisturbed)


def test_a_finished_run_is_left_as_it_is(dataset: Path, undisturbed: Path) -> None:
    before = outcome(undisturbed)
    finish(start(arguments(dataset, undisturbed.parent)))
    assert outcome(undisturbed) == before


def test_a_run_of_another_configuration_is_refused_with_the_keys_that_differ(dataset: Path, undisturbed: Path) -> None:
    changed = arguments(dataset, undisturbed.parent, learning_rate=0.02, model__lstm_units="[12]")
    with pytest.raises(InputError, match=r"learning_rate=0.01, now 0.02; model.lstm_units=\[12, 8\], now \[12\]"):
        train.main(changed)


def test_a_run_on_another_dataset_is_refused(
    dataset: Path, undisturbed: Path, tmp_path: Path, reviews_file: Path
) -> None:
    small_dataset(reviews_file, tmp_path / "other", stride_chars=8, shards=1)
    moved = undisturbed / "config.yaml"
    text = moved.read_text()
    moved.write_text(text.replace(str(dataset), str(tmp_path / "other")))
    try:
        with pytest.raises(InputError, match=r"another dataset: shards=3, now 1; stride_chars=16, now 8"):
            train.main(arguments(tmp_path / "other", undisturbed.parent))
    finally:
        moved.write_text(text)


def test_max_chars_ends_a_run_sooner_and_still_validates_and_samples(dataset: Path, tmp_path: Path) -> None:
    train.main(arguments(dataset, tmp_path, max_chars=10 * 64 * 16 + 5))
    assert saved_step(tmp_path / "small") == 10
    assert [row["step"] for row in rows(tmp_path / "small", "validation")] == [10]
    assert (tmp_path / "small/samples/epoch-001.txt").exists()


def test_the_objective_last_predicts_one_character_a_window(dataset: Path, tmp_path: Path) -> None:
    train.main(arguments(dataset, tmp_path, objective="last", max_chars=640))
    assert saved_step(tmp_path / "small") == 10
    manifest = json.loads((dataset / "manifest.json").read_text())
    assert rows(tmp_path / "small", "validation")[0]["chars"] == manifest["splits"]["validation"]["windows"]


def test_a_warm_start_begins_where_the_other_run_ended(dataset: Path, tmp_path: Path, undisturbed: Path) -> None:
    train.main(arguments(dataset, tmp_path, warm_start=undisturbed, max_chars=64 * 16, learning_rate=1e-9))
    warm = rows(tmp_path / "small", "validation")[0]["bits_per_char"]
    assert abs(warm - rows(undisturbed, "validation")[-1]["bits_per_char"]) < 0.01


def test_a_warm_start_from_a_keras_2_weights_file_is_matched_by_symbol(dataset: Path, tmp_path: Path) -> None:
    layers = seed_weights(61, [12, 8])
    write_keras2(tmp_path / "seed.h5", layers)
    train.main(arguments(dataset, tmp_path, warm_start=tmp_path / "seed.h5", max_chars=64 * 16, learning_rate=1e-9))
    found = arrays(tmp_path / "small")
    np.testing.assert_allclose(found["weights/lstm_1/lstm_cell/kernel"], layers["lstm_4"][0], atol=1e-6)
    table = {symbol: number for number, symbol in enumerate("{}ab")}
    (tmp_path / "table.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=r"no symbol '\\n' in its vocabulary, which the dataset has"):
        train.main(
            arguments(
                dataset,
                tmp_path,
                name="other",
                warm_start=tmp_path / "seed.h5",
                warm_start_vocabulary=tmp_path / "table.json",
            )
        )


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint_before(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "small"
    train.main(arguments(dataset, tmp_path, max_chars=10 * 64 * 16))
    pointer = json.loads((run / "checkpoint.json").read_text())
    file = run / pointer["checkpoints"][0]["file"]
    poisoned = arrays(run)
    poisoned["weights/logits/bias"] = np.full_like(poisoned["weights/logits/bias"], np.nan)
    safetensors.numpy.save_file(poisoned, file)
    data = file.read_bytes()
    pointer["checkpoints"][0] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "step": 5}
    (run / "checkpoint.json").write_text(json.dumps(pointer))
    with pytest.raises(InputError, match="the loss is nan at step [67] of epoch 1: lower learning_rate"):
        train.main(arguments(dataset, tmp_path, max_chars=10 * 64 * 16))
    assert saved_step(run) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_windows": 10**6}, "batch_windows=1000000: the dataset has only"),
        ({"carry_windows": 4, "objective": "last"}, "carry_windows=4: needs objective=every, not last"),
        ({"warm_start": "/nowhere/run"}, r"/nowhere/run: no config\.yaml"),
        ({"warm_start": "/nowhere/w.h5"}, r"warm_start=/nowhere/w\.h5: no such file"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    dataset: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train.main(arguments(dataset, tmp_path, **changes))
    assert not (tmp_path / "small/checkpoint.json").exists()


@pytest.mark.parametrize("name", ["", "a/b", "../x", "Run", "x" * 64])
def test_a_run_s_name_is_a_kubernetes_name(dataset: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="expected lower-case letters"):
        train.main(arguments(dataset, tmp_path, name=name))


def test_a_folder_that_cannot_be_written_is_one_line_and_exit_code_2(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    errors = finish(start(arguments(dataset, tmp_path / "file")), code=2)
    assert errors.count("\n") == 1
    assert str(tmp_path / "file") in errors


def test_a_shard_that_is_damaged_is_named(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    shard = sorted(copy.glob("train-*"))[1]
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=f"{shard.name}: SHA-256 .*: the shard is altered"):
        train.main(arguments(copy, tmp_path))
    shard.write_bytes(data[:-1])
    with pytest.raises(InputError, match=f"{shard.name}: {len(data) - 1} bytes, expected {len(data)}"):
        train.main(arguments(copy, tmp_path))
    shard.unlink()
    with pytest.raises(InputError, match=f"{shard.name}: missing, but named in manifest.json"):
        train.main(arguments(copy, tmp_path))
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match="not a dataset, or one that was not finished"):
        train.main(arguments(copy, tmp_path))


def test_evaluating_the_validation_split_gives_the_last_row_of_metrics(
    dataset: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.main([str(undisturbed), "--set", "split=validation", "--set", "batch_windows=64"])
    found = json.loads(capsys.readouterr().out)
    last = rows(undisturbed, "validation")[-1]
    assert (found["split"], found["step"], found["chars"]) == ("validation", last["step"], last["chars"])
    assert found["bits_per_char_windows"] == pytest.approx(last["bits_per_char"], rel=1e-3)
    assert found["bits_per_char"] != pytest.approx(last["bits_per_char"], rel=1e-6)
    evaluate.main([str(undisturbed), "--set", f"dataset={dataset}"])
    assert json.loads(capsys.readouterr().out)["split"] == "test"


def test_run_with_carried_state_is_evaluated_with_carried_state(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(arguments(dataset, tmp_path, carry_windows=4))
    capsys.readouterr()
    evaluate.main([str(tmp_path / "small"), "--set", "split=validation", "--set", "batch_windows=64"])
    found, last = json.loads(capsys.readouterr().out), rows(tmp_path / "small", "validation")[-1]
    assert found["chars"] == last["chars"]
    assert found["bits_per_char"] == pytest.approx(last["bits_per_char"], rel=1e-3)


def test_windows_that_do_not_follow_each_other_cannot_carry_state(reviews_file: Path, tmp_path: Path) -> None:
    small_dataset(reviews_file, tmp_path / "overlapping", stride_chars=8)
    with pytest.raises(InputError, match="carry_windows=4: needs windows that follow each other.*stride_chars=8"):
        train.main(arguments(tmp_path / "overlapping", tmp_path / "runs", carry_windows=4))
    assert not (tmp_path / "runs/small/checkpoint.json").exists()


def test_evaluating_on_a_dataset_of_other_symbols_is_refused(
    undisturbed: Path, reviews_file: Path, tmp_path: Path
) -> None:
    small_dataset(reviews_file, tmp_path, vocabulary="auto")
    with pytest.raises(InputError, match="its vocabulary is not the one that"):
        evaluate.main([str(undisturbed), "--set", f"dataset={tmp_path}"])


def test_a_run_that_no_longer_improves_ends_as_complete_and_its_report_says_why(dataset: Path, tmp_path: Path) -> None:
    # So small a rate changes no weight by a bit, and an equal loss is no better.
    changes: dict[str, Any] = {"learning_rate": 1e-30, "epochs": 9, "stop_after_worse": 2, "report": "end"}
    text = finish(start(arguments(dataset, tmp_path, **changes)))
    run = tmp_path / "small"
    assert "has not improved for stop_after_worse=2 validations" in text
    assert len(rows(run, "validation")) == 3
    steps = saved_step(run)
    assert f"{steps:,} of {3 * steps:,}: ended early, not better since epoch 1" in (run / "report.html").read_text()
    assert read_status(open_run(str(run))).state == "complete"
    before = outcome(run)
    finish(start(arguments(dataset, tmp_path, **changes)))
    assert outcome(run) == before


def test_a_run_is_also_validated_and_sampled_within_epochs_and_trains_the_same_weights(
    dataset: Path, tmp_path: Path, undisturbed: Path
) -> None:
    per_epoch = int(rows(undisturbed, "validation")[0]["step"])
    finish(start(arguments(dataset, tmp_path, validate_every_chars=(per_epoch // 2 + 1) * 64 * 16)))
    run, every = tmp_path / "small", per_epoch // 2 + 1
    steps = sorted({*range(every, 3 * per_epoch, every), per_epoch, 2 * per_epoch, 3 * per_epoch})
    assert [row["step"] for row in rows(run, "validation")] == steps
    assert [samples.step for samples in read_samples(open_bucket(str(run)))] == steps
    assert (run / f"samples/epoch-001-step-{every:07}.txt").exists()
    assert arrays(run).keys() == arrays(undisturbed).keys()
    assert all(np.array_equal(array, arrays(undisturbed)[name]) for name, array in arrays(run).items())
