"""The LSTM layer for GPUs, with a reference in place of cuDNN, and the graph of a run's steps on GPUs."""

from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.data.windows import pad_batch
from trainer.model.cudnn_lstm import CudnnLSTM, run_cudnn
from trainer.model.lstm import LSTM
from trainer.model.network import build_lstm
from trainer.model.optimizer import build_optimizer
from trainer.runtime.stop_agreement import StopAgreement
from trainer.training.steps import Steps

STEPS, ROWS, UNITS = 9, 5, 4


def cudnn(
    *,
    input: tf.Tensor,
    input_h: tf.Tensor,
    input_c: tf.Tensor,
    params: tf.Tensor,
    sequence_lengths: tf.Tensor,
    **how: Any,
) -> list[tf.Tensor]:
    """Compute cudnnRNNForward for one layer, by the equations and the layout of weights in cuDNN's API reference."""
    assert how["rnn_mode"] == "lstm"
    assert how["time_major"]
    tf.debugging.assert_equal(sequence_lengths, tf.fill([input.shape[1]], input.shape[0]))
    width, units = input.shape[2], input_h.shape[2]
    assert width % 8 == 0
    sizes = [units * width] * 4 + [units * units] * 4 + [units] * 8
    parts = tf.split(params, sizes)
    matrices = [tf.reshape(part, [units, -1]) for part in parts[:8]]
    biases = parts[8:]
    hidden, carry, outputs = input_h[0], input_c[0], []
    for step in tf.unstack(input):
        i, f, new, o = (
            tf.matmul(step, matrices[gate], transpose_b=True)
            + biases[gate]
            + tf.matmul(hidden, matrices[4 + gate], transpose_b=True)
            + biases[4 + gate]
            for gate in range(4)
        )
        carry = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(new)
        hidden = tf.sigmoid(o) * tf.tanh(carry)
        outputs.append(hidden)
    return [tf.stack(outputs), hidden[None], carry[None], tf.constant(0)]


@pytest.mark.parametrize("width", [3, 8, 61])
@pytest.mark.parametrize("carried", [False, True])
def test_outputs_and_gradients_equal_the_cpu_layer_s(width: int, carried: bool) -> None:
    layer = LSTM(UNITS)
    layer.build((STEPS, ROWS, width))
    for number, weight in enumerate(layer.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    inputs = tf.constant(np.random.default_rng(9).normal(size=(STEPS, ROWS, width)), tf.float32)
    variables = layer.weights

    @tf.function
    def outcome(run: Any) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs, after = run()
            loss = tf.reduce_sum(tf.sin(outputs * 3.0))
        return [outputs, after, *tape.gradient(loss, [inputs, *layer.trainable_variables])]

    state = tf.constant(np.random.default_rng(8).normal(size=(2, ROWS, UNITS)), tf.float32) if carried else None

    def run() -> tuple[tf.Tensor, tf.Tensor]:
        kernel, recurrent, bias = (tf.convert_to_tensor(variable) for variable in variables)
        return run_cudnn(inputs, kernel, recurrent, bias, state, training=True, operation=cudnn)

    ours = outcome(run)
    for gpu, cpu in zip(ours, outcome(lambda: layer.run(inputs, state, training=True)), strict=True):
        assert gpu.shape == cpu.shape
        np.testing.assert_allclose(gpu, cpu, rtol=1e-4, atol=1e-5)


def test_layers_have_the_same_weights_on_gpu_and_cpu() -> None:
    gpu, cpu = (build_lstm(symbols=61, lstm_units=[16, 8], embedding_units=0, layers=kind) for kind in ("cudnn", "cpu"))
    assert [(w.path, w.shape) for w in gpu.weights] == [(w.path, w.shape) for w in cpu.weights]
    assert all(type(gpu.get_layer(f"lstm_{number}")) is CudnnLSTM for number in (0, 1))


def graph_of(steps: Steps, name: str) -> list[tf.Operation]:
    """Return the operations of the train step or the evaluation step, also those of the functions that it calls."""
    ids, weights, windows, flag = steps._arguments(pad_batch(np.zeros((8, 13), np.uint8), 8))
    if name == "train":
        function = steps._train.get_concrete_function(ids, weights, windows, flag, steps.state)
    else:
        state = steps.replica_zero_state() if steps.state else []
        function = steps._evaluate.get_concrete_function(ids, weights, flag, state)
    # TensorFlow keeps int32 on the host. A copy of other types to the GPU would wait for the step before.
    given = function.inputs[: len(function.inputs) - len(function.captured_inputs)]
    assert {tensor.dtype for tensor in given} == {tf.int32, *(tensor.dtype for tensor in steps.state)}
    definition = function.graph.as_graph_def()
    return [*definition.node, *(node for function in definition.library.function for node in function.node_def)]


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("carry", [False, True])
def test_a_run_s_steps_on_gpus_are_two_cudnn_operations_and_one_sum(replicas: int, policy: str, carry: bool) -> None:
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)])
    keras.mixed_precision.set_global_policy(policy)
    with strategy.scope():
        model = build_lstm(symbols=61, lstm_units=[16, 8], embedding_units=0, layers="cudnn")
        optimizer = build_optimizer(learning_rate=0.01, schedule="constant", warmup_steps=0, steps=2)
        optimizer.build(model.trainable_variables)
    steps = Steps(
        *(strategy, model, optimizer),
        objective="every",
        clip_norm=5.0,
        batch_windows=8,
        agreement=StopAgreement(strategy),
        carry=carry,
    )
    for name, training in (("train", True), ("evaluate", False)):
        nodes = graph_of(steps, name)
        kinds = Counter(node.op for node in nodes)
        layers = [node for node in nodes if node.op == "CudnnRNNV3"]
        assert len(layers) == 2 * replicas
        assert kinds["CudnnRNNBackpropV3"] == 2 * replicas * training
        assert not {kind for kind in kinds if "While" in kind or "TensorList" in kind}
        assert {node.attr["is_training"].b for node in layers} == {training}
        half = {"float32": tf.float32, "mixed_float16": tf.float16}[policy]
        assert {tf.dtypes.as_dtype(node.attr["T"].type) for node in layers} == {half}
        assert kinds["CollectiveReduceV2"] == (replicas if training and replicas > 1 else 0)
