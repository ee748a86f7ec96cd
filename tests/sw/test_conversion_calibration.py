import numpy as np
import pytest
from float_networks import GraphBuilder, images

from trispike.conversion.calibration import calibrate
from trispike.errors import InputError

SHAPE = (1, 6, 6)
GRAPH = GraphBuilder(SHAPE).conv("c").relu("r").linear("l", 3).build()


def test_images_are_spread_evenly_and_bounded():
    x = images(SHAPE, 100)
    data = calibrate(GRAPH, x, 8, max_images=10)
    np.testing.assert_array_equal(data.images, x[::10])
    assert data.activations["r"].shape == (10, 4, 4, 4) and not data.random
    assert data.activations["r"].min() == 0


def test_random_images_are_always_the_same():
    first, second = calibrate(GRAPH, None, 8), calibrate(GRAPH, None, 8)
    assert first.random and first.images.shape == (64, *SHAPE)
    np.testing.assert_array_equal(first.images, second.images)


def with_value(value):
    x = images(SHAPE, 4)
    x[1, 0, 2, 3] = value
    return x


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            np.zeros((4, 2, 6, 6)),
            "calibration images must have the shape (N, 1, 6, 6) with N >= 1, not (4, 2, 6, 6); "
            "preprocess them as the network wants its input",
        ),
        (
            np.zeros((0, *SHAPE)),
            "calibration images must have the shape (N, 1, 6, 6) with N >= 1, not (0, 1, 6, 6); "
            "preprocess them as the network wants its input",
        ),
        (
            np.zeros((4, *SHAPE), complex),
            "calibration images must be real numbers, not complex128; store them as float32",
        ),
        (
            with_value(np.nan),
            "calibration images must be finite, but hold 1 NaN or infinite values; check the preprocessing",
        ),
        (
            with_value(-np.inf),
            "calibration images must be finite, but hold 1 NaN or infinite values; check the preprocessing",
        ),
    ],
)
def test_refusals(x, sentence):
    with pytest.raises(InputError) as caught:
        calibrate(GRAPH, x, 8)
    assert str(caught.value) == sentence
