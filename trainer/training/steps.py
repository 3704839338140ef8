"""The compiled training step and evaluation step, over all replicas.

With `carry`, the rows of a batch continue the rows of the batch before: the LSTM layers' last state is their next
initial state. A training step returns the state of all rows on all replicas, because the chief saves it for all
workers; an evaluation step leaves each replica its own rows, so that evaluation needs no exchange between replicas.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.data.windows import Batch
from trainer.model.network import character_losses, run_from_state, zero_state
from trainer.runtime.stop_agreement import StopAgreement


class Steps:
    """Both steps of a run. Replicas share a global batch evenly; sums and gradients are over the global batch."""

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        optimizer: Any,
        *,
        objective: str,
        clip_norm: float,
        batch_windows: int,
        agreement: StopAgreement,
        scatter: bool = True,
        carry: bool = False,
    ) -> None:
        replicas = strategy.num_replicas_in_sync
        if batch_windows % replicas:
            raise InputError(f"batch_windows={batch_windows} is not divisible by {replicas} replicas")
        self.batch_windows, self._share = batch_windows, batch_windows // replicas
        self.strategy, self.model, self.optimizer, self.agreement = strategy, model, optimizer, agreement
        self._objective, self._clip_norm, self._scatter = objective, clip_norm, scatter
        self._carry = carry
        # Of all rows, [2, B, H] float32 for each LSTM layer; empty without `carry`.
        self.state: Sequence[tf.Tensor] = []
        self.start_segments()
        self._train = tf.function(self._train_step)
        self._evaluate = tf.function(self._evaluate_step)

    def start_segments(self) -> None:
        """Set the state of all rows to zero: the next batch continues nothing."""
        if self._carry:
            self.state = zero_state(self.model, self.batch_windows)

    def train(self, batch: Batch) -> tf.Tensor:
        """Train on a batch. Return the loss before the step, in nats per character, without waiting for the device."""
        (loss, flags), self.state = self._train(*self._arguments(batch), self.state)
        self.agreement.record(flags, waited=False)
        return loss

    def evaluate(self, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the batch's sum of nats and its number of predicted characters, both scalars."""
        nats, chars, _ = self.evaluate_from_state(batch, [])
        return nats, chars

    def evaluate_from_state(self, batch: Batch, state: Sequence[Any]) -> tuple[tf.Tensor, tf.Tensor, Sequence[Any]]:
        """Return the batch's sum of nats, its number of predicted characters, and the state after the batch.

        A state has each replica's rows, [2, B / replicas, H] float32 for each LSTM layer. An empty state means that
        each row starts from zero.
        """
        ids, weights, _, flag = self._arguments(batch)
        (nats, chars, flags), state = self._evaluate(ids, weights, flag, state)
        self.agreement.record(flags, waited=True)
        return nats, chars, state

    def replica_zero_state(self) -> Sequence[Any]:
        """Return a state of zero for `evaluate_from_state`."""
        return [
            self.strategy.experimental_distribute_values_from_function(lambda _, layer=layer: layer)
            for layer in zero_state(self.model, self._share)
        ]

    def _arguments(self, batch: Batch) -> tuple[Any, Any, tf.Tensor, tf.Tensor]:
        """Return each replica's ids and weights, the number of windows that count, and this worker's flag.

        All are int32, which TensorFlow keeps on the host: a copy to a GPU would wait for the step before.
        """

        def part(array: np.ndarray) -> Any:
            def slice_for_replica(context: tf.distribute.ReplicaContext) -> tf.Tensor:
                first = context.replica_id_in_sync_group * self._share
                return tf.constant(array[first : first + self._share].astype(np.int32))

            return self.strategy.experimental_distribute_values_from_function(slice_for_replica)

        return part(batch.ids), part(batch.weights), tf.constant(int(batch.weights.sum())), self.agreement.flag()

    def _train_step(
        self, ids: Any, weights: Any, windows: tf.Tensor, flag: tf.Tensor, state: Sequence[tf.Tensor]
    ) -> tuple[list[tf.Tensor], Sequence[tf.Tensor]]:
        sums, after = self.strategy.run(self._train_replica, args=(ids, weights, windows, flag, state))
        return self._sums(sums), [self.strategy.experimental_local_results(layer)[0] for layer in after]

    def _train_replica(
        self, ids: tf.Tensor, weights: tf.Tensor, windows: tf.Tensor, flag: tf.Tensor, state: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
        weights, windows = tf.cast(weights, tf.float32), tf.cast(windows, tf.float32)
        context = tf.distribute.get_replica_context()
        first = context.replica_id_in_sync_group * self._share
        with tf.GradientTape() as tape:
            logits, after = self._run_model(
                ids, [_take_rows(layer, first, self._share) for layer in state], training=True
            )
            nats = character_losses(logits, ids, self._objective, scatter=self._scatter)
            loss = tf.reduce_sum(nats * weights[:, None]) / (windows * tf.cast(tf.shape(nats)[1], tf.float32))
            scaled = self.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        # The gradient of an embedding is sparse.
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(scaled, variables)]
        # Sum before clipping, so that the norm is of the global batch. Keras would clip each replica's gradients.
        # The state of all rows is summed with it: one exchange in a step.
        placed = [_place_rows(layer, first, self.batch_windows) for layer in after]
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, *placed])
        gradients, state = summed[: len(gradients)], summed[len(gradients) :]
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.optimizer.scale_loss(self._clip_norm))
        self.optimizer.apply(gradients, variables)
        return tf.stack([loss, tf.cast(flag, tf.float32)]), state

    def _evaluate_step(
        self, ids: Any, weights: Any, flag: tf.Tensor, state: Sequence[Any]
    ) -> tuple[list[tf.Tensor], Sequence[Any]]:
        sums, after = self.strategy.run(self._evaluate_replica, args=(ids, weights, flag, state))
        return self._sums(sums), after

    def _evaluate_replica(
        self, ids: tf.Tensor, weights: tf.Tensor, flag: tf.Tensor, state: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
        logits, after = self._run_model(ids, state, training=False)
        nats = character_losses(logits, ids, self._objective)
        weights = tf.cast(weights, tf.float32)
        chars = tf.reduce_sum(weights) * tf.cast(tf.shape(nats)[1], tf.float32)
        return tf.stack([tf.reduce_sum(nats * weights[:, None]), chars, tf.cast(flag, tf.float32)]), after

    def _run_model(
        self, ids: tf.Tensor, state: Sequence[tf.Tensor], *, training: bool
    ) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
        """Return the logits [B, L, V] for ids [B, L + 1], and the state after them; both empty states mean zero."""
        if state:
            return run_from_state(self.model, ids[:, :-1], state, training=training)
        return self.model(ids[:, :-1], training=training), []

    def _sums(self, values: Any) -> list[tf.Tensor]:
        """Sum each number of a vector over all replicas, in one exchange."""
        return tf.unstack(self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))


def _take_rows(layer: tf.Tensor, first: tf.Tensor, count: int) -> tf.Tensor:
    """Return rows `first` and the next ones of a state [2, B, H], `count` in all."""
    return tf.slice(layer, [0, first, 0], [2, count, layer.shape[2]])


def _place_rows(layer: tf.Tensor, first: tf.Tensor, rows: int) -> tf.Tensor:
    """Return a state [2, rows, H] with the layer's rows from row `first` on. x + -0.0 is x, also for x = -0.0."""
    return tf.pad(layer, [[0, 0], [first, rows - first - layer.shape[1]], [0, 0]], constant_values=-0.0)
