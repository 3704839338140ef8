"""The compiled training step and evaluation step, over all replicas."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.data.windows import Batch
from trainer.model.network import character_losses
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
    ) -> None:
        replicas = strategy.num_replicas_in_sync
        if batch_windows % replicas:
            raise InputError(f"batch_windows={batch_windows} is not divisible by {replicas} replicas")
        self.batch_windows = batch_windows
        self.strategy, self.model, self.optimizer, self.agreement = strategy, model, optimizer, agreement
        self._objective, self._clip_norm, self._scatter = objective, clip_norm, scatter
        self._train = tf.function(self._train_step)
        self._evaluate = tf.function(self._evaluate_step)

    def train(self, batch: Batch) -> tf.Tensor:
        """Train on a batch. Return the loss before the step, in nats per character, without waiting for the device."""
        loss, flags = self._train(*self._arguments(batch))
        self.agreement.record(flags, waited=False)
        return loss

    def evaluate(self, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the batch's sum of nats and its number of predicted characters, both scalars."""
        ids, weights, _, flag = self._arguments(batch)
        nats, chars, flags = self._evaluate(ids, weights, flag)
        self.agreement.record(flags, waited=True)
        return nats, chars

    def _arguments(self, batch: Batch) -> tuple[Any, Any, tf.Tensor, tf.Tensor]:
        """Return each replica's ids and weights, the number of windows that count, and this worker's flag.

        All are int32, which TensorFlow keeps on the host: a copy to a GPU would wait for the step before.
        """
        share = self.batch_windows // self.strategy.num_replicas_in_sync

        def part(array: np.ndarray) -> Any:
            def slice_for_replica(context: tf.distribute.ReplicaContext) -> tf.Tensor:
                first = context.replica_id_in_sync_group * share
                return tf.constant(array[first : first + share].astype(np.int32))

            return self.strategy.experimental_distribute_values_from_function(slice_for_replica)

        return part(batch.ids), part(batch.weights), tf.constant(int(batch.weights.sum())), self.agreement.flag()

    def _train_step(self, ids: Any, weights: Any, windows: tf.Tensor, flag: tf.Tensor) -> list[tf.Tensor]:
        return self._sums(self.strategy.run(self._train_replica, args=(ids, weights, windows, flag)))

    def _train_replica(self, ids: tf.Tensor, weights: tf.Tensor, windows: tf.Tensor, flag: tf.Tensor) -> tf.Tensor:
        weights, windows = tf.cast(weights, tf.float32), tf.cast(windows, tf.float32)
        with tf.GradientTape() as tape:
            logits = self.model(ids[:, :-1], training=True)
            nats = character_losses(logits, ids, self._objective, scatter=self._scatter)
            loss = tf.reduce_sum(nats * weights[:, None]) / (windows * tf.cast(tf.shape(nats)[1], tf.float32))
            scaled = self.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        # The gradient of an embedding is sparse.
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(scaled, variables)]
        # Sum before clipping, so that the norm is of the global batch. Keras would clip each replica's gradients.
        gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.optimizer.scale_loss(self._clip_norm))
        self.optimizer.apply(gradients, variables)
        return tf.stack([loss, tf.cast(flag, tf.float32)])

    def _evaluate_step(self, ids: Any, weights: Any, flag: tf.Tensor) -> list[tf.Tensor]:
        return self._sums(self.strategy.run(self._evaluate_replica, args=(ids, weights, flag)))

    def _evaluate_replica(self, ids: tf.Tensor, weights: tf.Tensor, flag: tf.Tensor) -> tf.Tensor:
        nats = character_losses(self.model(ids[:, :-1], training=False), ids, self._objective)
        weights = tf.cast(weights, tf.float32)
        chars = tf.reduce_sum(weights) * tf.cast(tf.shape(nats)[1], tf.float32)
        return tf.stack([tf.reduce_sum(nats * weights[:, None]), chars, tf.cast(flag, tf.float32)])

    def _sums(self, values: Any) -> list[tf.Tensor]:
        """Sum each number of a vector over all replicas, in one exchange."""
        return tf.unstack(self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))
