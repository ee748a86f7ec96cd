"""The check of images: what passes, as what, and in which words the rest is refused."""

import numpy as np
import pytest

from trispike.errors import InputError
from trispike.inputs import checked_images

SHAPE = (2, 3, 4)
WAY_OUT = "preprocess them as the network wants its input"


def refusal(x, shape=SHAPE, **options) -> str:
    with pytest.raises(InputError) as caught:
        checked_images(x, shape, "images", **options)
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64])
def test_numbers_pass_as_they_are_or_as_asked_for(dtype):
    x = np.arange(48, dtype=dtype).reshape(2, *SHAPE)
    assert checked_images(x, SHAPE, "images") is x
    converted = checked_images(x, None, "images", dtype=np.float32)
    assert converted.dtype == np.float32 and converted.flags.c_contiguous
    np.testing.assert_array_equal(converted, x)


def test_no_images_pass_where_none_are_needed():
    empty = np.zeros((0, *SHAPE))
    assert len(checked_images(empty, SHAPE, "images", fewest=0)) == 0
    assert refusal(empty) == f"images must have the shape (N, 2, 3, 4) with N >= 1, not (0, 2, 3, 4); {WAY_OUT}"
    assert refusal(np.zeros(SHAPE), fewest=0) == f"images must have the shape (N, 2, 3, 4), not (2, 3, 4); {WAY_OUT}"


@pytest.mark.parametrize("shape", [(5, 2, 4, 3), (2, 3, 4), (5, 2, 12)])
def test_other_shapes(shape):
    x = np.zeros(shape)
    assert refusal(x) == f"images must have the shape (N, 2, 3, 4) with N >= 1, not {shape}; {WAY_OUT}"


@pytest.mark.parametrize("shape", [(5, 2, 12), (5, 0, 3, 4)])
def test_shapes_that_suit_no_network(shape):
    x = np.zeros(shape)
    assert refusal(x, None) == f"images must have the shape (N, C, H, W) with N >= 1, not {shape}; {WAY_OUT}"


@pytest.mark.parametrize("dtype", ["bool", "complex64", "U3", "datetime64[s]", "O"])
def test_other_types(dtype):
    x = np.zeros((1, *SHAPE)).astype(dtype)
    assert refusal(x) == f"images must be real numbers, not {x.dtype}; store them as float32"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value):
    x = np.zeros((2, *SHAPE))
    x[:, 1, 2, 3] = value
    assert refusal(x) == "images must be finite, but hold 2 NaN or infinite values; check the preprocessing"


def test_values_that_the_type_asked_for_cannot_hold():
    x = np.full((1, *SHAPE), 1e300)
    assert checked_images(x, SHAPE, "images") is x
    assert refusal(x, dtype=np.float32) == (
        "images must be finite, but hold 24 NaN or infinite values; check the preprocessing"
    )


def test_vectors_are_images_of_one_pixel():
    x = np.arange(6.0).reshape(2, 3)
    for shape in (None, (3, 1, 1)):
        np.testing.assert_array_equal(checked_images(x, shape, "images"), x[:, :, None, None])
    assert refusal(x) == f"images must have the shape (N, 2, 3, 4) with N >= 1, not (2, 3); {WAY_OUT}"
