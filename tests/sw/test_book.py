"""Books: networks that do not fit, in chapters, on the emulator against the golden model."""

import pytest
from book_emulation import check_book
from random_networks import random_image, random_network
from small_books import ROOMY, tightest


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_in_chapters(seed: int) -> None:
    network = random_network(seed, ROOMY, largest=14)
    check_book(tightest(network), [random_image(network, 1), random_image(network, 2)])
