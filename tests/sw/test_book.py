"""Books: networks that do not fit, in chapters, on the emulator against the golden model."""

import numpy as np
import pytest
from book_emulation import check_book
from random_networks import random_image, random_network
from small_books import ROOMY, tightest

from trispike import image
from trispike.device import open_device
from trispike.errors import DeviceError


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_in_chapters(seed: int) -> None:
    network = random_network(seed, ROOMY, largest=14)
    check_book(tightest(network), [random_image(network, 1), random_image(network, 2)])


def test_what_takes_one_program_refuses_chapters(trispike, tmp_path) -> None:
    book = tightest(random_network(1, ROOMY, largest=14))
    chapters, name = len(book.chapters), book.network.name
    with pytest.raises(DeviceError) as caught:
        open_device("serial:/dev/null").run(book, np.zeros((1, *book.network.input_shape)))
    assert str(caught.value) == (
        f"network {name} runs in {chapters} chapters, but a device at a serial port takes one program; use --device "
        f"golden or rtl, or an architecture that holds the network"
    )
    image.save(book, tmp_path / "image")
    assert trispike("estimate", "image") == (
        1,
        "",
        f"error: image holds {chapters} chapters, but the estimate times one program; trispike inspect gives the "
        f"cycles by which the chapters were chosen\n",
    )
