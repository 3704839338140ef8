"""The optimizers that train the model: Adam, or Muon for the matrices between hidden values."""

from typing import Any, Literal

import keras
import tensorflow as tf

from trainer.model.network import EMBEDDING, LOGITS

OptimizerName = Literal["adam", "muon"]
FIRST_KERNEL = "lstm_0/lstm_cell/kernel"  # its rows belong to symbols, as an embedding's do


class Adam(keras.optimizers.Adam):
    """Adam for gradients that are summed over the replicas already. Keras' class would sum them once more."""

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class Muon(keras.optimizers.Muon):
    """Muon for gradients that are summed over the replicas already. Keras' class would sum them once more.

    A matrix's update is its momentum with all singular values near 1. Vectors and the matrices that touch symbols are
    updated by Adam. Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the scale
    of the update, that of Adam's, is from Liu et al., "Muon is scalable for LLM training", 2025.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars

    def zeropower_via_newtonschulz5(self, x: tf.Tensor, steps: int) -> tf.Tensor:
        """Return a matrix [N, M] with the singular vectors of `x` and singular values near 1.

        Keras' method multiplies the whole matrix in each iteration. This method multiplies [N, N] matrices: with
        X_k = P_k X_0, both P_k and X_k X_k^T are polynomials in X_0 X_0^T. At 384 x 1,536 that is half the arithmetic.
        """
        if x.shape[0] > x.shape[1]:
            return tf.transpose(self.zeropower_via_newtonschulz5(tf.transpose(x), steps))
        x /= tf.norm(x) + 1e-7  # no singular value is above 1
        identity = tf.eye(x.shape[0])
        gram, polynomial = tf.matmul(x, x, transpose_b=True), identity
        for step in range(steps):
            factor = self.muon_a * identity + self.muon_b * gram + self.muon_c * (gram @ gram)
            polynomial = factor @ polynomial if step else factor
            if step < steps - 1:
                gram = factor @ gram @ factor
        return polynomial @ x


def build_optimizer(
    *, learning_rate: float, schedule: str, warmup_steps: int, steps: int, optimizer: OptimizerName = "adam"
) -> Any:
    """Build an optimizer with a constant rate, or with a cosine decay to a tenth of the rate at the last of `steps`.

    The rate first rises from 0 over `warmup_steps`. With float16 the loss is scaled, because of its small range.
    """
    rate: Any = learning_rate
    if schedule == "cosine" or warmup_steps:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup_steps else learning_rate,
            decay_steps=max(1, steps - warmup_steps),
            alpha=0.1 if schedule == "cosine" else 1.0,
            warmup_target=learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    built = Adam(rate, name="adam") if optimizer == "adam" else _build_muon(rate)
    if keras.mixed_precision.dtype_policy().compute_dtype == "float16":
        # The default name has a number that grows with each optimizer; a checkpoint needs the same name each time.
        return keras.optimizers.LossScaleOptimizer(built, name="loss_scale")
    return built


def _build_muon(rate: Any) -> Muon:
    """Build Muon without weight decay, which Adam has not either."""
    symbols = [EMBEDDING, FIRST_KERNEL, LOGITS]
    return Muon(rate, weight_decay=0.0, adam_weight_decay=0.0, exclude_layers=symbols, name="muon")
