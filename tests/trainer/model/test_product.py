"""Products with a stored matrix."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.model.product import multiply, store


@pytest.mark.parametrize(("dtype", "shape"), [(tf.float32, (3, 5)), (tf.bfloat16, (5, 3)), (tf.float16, (5, 3))])
def test_product_with_a_stored_matrix_is_the_product(dtype: tf.DType, shape: tuple[int, int]) -> None:
    numbers = np.random.default_rng(1).integers(-4, 5, (3, 5))  # small integers are exact in each dtype
    values = np.random.default_rng(2).integers(-4, 5, (2, 3))
    stored = store(tf.constant(numbers, dtype))
    assert tuple(stored.shape) == shape
    np.testing.assert_array_equal(tf.cast(multiply(tf.constant(values, dtype), stored), tf.int32), values @ numbers)
