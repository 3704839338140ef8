import numpy as np

from jobs.pages.curves import MAX_POINTS, covered_shares, mean_points


def test_many_points_become_means_of_neighbours() -> None:
    points = np.stack([np.arange(3.0 * MAX_POINTS), 2 * np.arange(3.0 * MAX_POINTS)], axis=1)
    np.testing.assert_array_equal(mean_points(points)[:2], [[1, 2], [4, 8]])
    assert len(mean_points(points)) == MAX_POINTS
    np.testing.assert_array_equal(mean_points(points[:7]), points[:7])


def test_each_part_of_the_time_has_its_share_in_spans() -> None:
    edges = np.array([0.0, 10.0, 20.0, 30.0, 40.0])
    shares = covered_shares([(0.0, 5.0), (12.0, 14.0), (18.0, 31.0)], edges)
    np.testing.assert_allclose(shares, [0.5, 0.4, 1.0, 0.1])
