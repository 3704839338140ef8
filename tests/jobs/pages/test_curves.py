import numpy as np

from jobs.pages.curves import POINTS, thinned


def test_of_many_rows_the_means_are_drawn() -> None:
    points = np.stack([np.arange(3.0 * POINTS), 2 * np.arange(3.0 * POINTS)], axis=1)
    np.testing.assert_array_equal(thinned(points)[:2], [[1, 2], [4, 8]])
    assert len(thinned(points)) == POINTS
    np.testing.assert_array_equal(thinned(points[:7]), points[:7])
