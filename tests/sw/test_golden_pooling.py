"""Max pooling of trains."""

import numpy as np
import pytest
from golden_scalar import scalar_pool

from trispike.golden import max_pool
from trispike.network import Pool


def _row(*trains):
    """Trains of neighbouring pixels of one row, int8 [1, T, 1, 1, W]."""
    return np.array(trains, np.int8).T[None, :, None, None, :]


def test_the_larger_value_wins_whole():
    """+0- is 3, 0+0 is 2, -++ is -1."""
    pooled = max_pool(_row([-1, 1, 1], [0, 1, 0], [1, 0, -1]), Pool((1, 3), (1, 1)))
    assert pooled.ravel().tolist() == [1, 0, -1]


def test_of_equal_values_the_first_in_scan_order_stays():
    """0++ and +0- are both 3."""
    assert max_pool(_row([0, 1, 1], [1, 0, -1]), Pool((1, 2), (1, 2))).ravel().tolist() == [0, 1, 1]
    assert max_pool(_row([1, 0, -1], [0, 1, 1]), Pool((1, 2), (1, 2))).ravel().tolist() == [1, 0, -1]


def test_scan_order_goes_along_rows_first():
    """Rows: 000, 0++ / +0-, 000. The tie between (0, 1) and (1, 0) goes to the upper row."""
    trains = np.zeros((1, 3, 1, 2, 2), np.int8)
    trains[0, :, 0, 0, 1] = 0, 1, 1
    trains[0, :, 0, 1, 0] = 1, 0, -1
    assert max_pool(trains, Pool((2, 2), (2, 2))).ravel().tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("kernel", "stride"), [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 1), (1, 2)), ((1, 1), (3, 2)), ((5, 6), (1, 1))]
)
def test_any_kernel_and_stride(kernel, stride):
    rng = np.random.default_rng(2)
    trains = rng.integers(-1, 2, (2, 4, 3, 5, 6)).astype(np.int8)
    pool = Pool(kernel, stride)
    pooled = max_pool(trains, pool)
    for n in range(2):
        assert np.array_equal(pooled[n], scalar_pool(trains[n], pool))
