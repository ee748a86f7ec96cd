"""Books on the generated accelerator: chapter by chapter, every box that leaves is the golden model's."""

import numpy as np
import pytest
from random_networks import random_image, random_network
from small_books import ROOMY, tightest

from trispike.book import Book
from trispike.errors import ToolError
from trispike_sim.simulate import simulate
from trispike_sim.tools import find

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def icarus() -> str:
    try:
        return find("icarus").engine
    except ToolError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("seed", [1, 4, 5])
@pytest.mark.parametrize("stalls", [False, True])
def test_random_books_are_bit_exact(icarus: str, seed: int, stalls: bool) -> None:
    book = tightest(random_network(seed, ROOMY, largest=8))
    assert isinstance(book, Book)
    images = np.stack([random_image(book.network, number) for number in range(2)])
    report = simulate(book, images, engine=icarus, seed=seed, stalls=stalls)
    assert report.explain() == "bit-exact: all trains and integers of 2 images equal the golden model's"
