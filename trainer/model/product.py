"""Products with one matrix, over and over, with the matrix stored as oneDNN reads it fastest on a CPU."""

import tensorflow as tf


def store(matrix: tf.Tensor) -> tf.Tensor:
    """Return a matrix [N, M] as `multiply` takes it: transposed unless it is float32.

    In bfloat16 a transposed matrix is faster to read. In float32 it takes 1.1 to 5 times as long (256 to 1,024 units,
    8 to 256 rows, CPUs with and without AVX-512).
    """
    return matrix if matrix.dtype == tf.float32 else tf.transpose(matrix)


def multiply(values: tf.Tensor, stored: tf.Tensor) -> tf.Tensor:
    """Return values [B, N] @ matrix [N, M], from what `store` returned for the matrix."""
    return tf.matmul(values, stored, transpose_b=stored.dtype != tf.float32)
