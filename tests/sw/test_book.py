"""Books: networks that do not fit, in chapters, on the emulator against the golden model."""

import pytest
from book_emulation import check_book
from random_networks import random_image, random_network
from small_books import ROOMY, tightest

from trispike import image


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_in_chapters(seed: int) -> None:
    network = random_network(seed, ROOMY, largest=14)
    check_book(tightest(network), [random_image(network, 1), random_image(network, 2)])


def test_the_estimate_refuses_chapters(trispike, tmp_path) -> None:
    book = tightest(random_network(1, ROOMY, largest=14))
    chapters = len(book.chapters)
    image.save(book, tmp_path / "image")
    assert trispike("estimate", "image") == (
        1,
        "",
        f"error: image holds {chapters} chapters, but the estimate times one program; trispike inspect gives the "
        f"cycles by which the chapters were chosen\n",
    )
