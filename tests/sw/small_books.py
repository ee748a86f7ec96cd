"""Books of small networks, made by memories that are too small for them."""

from shapes import PAIR

from trispike.book import Book
from trispike.errors import PlacementError
from trispike.lowering.chapters import write_book
from trispike.network import Network
from trispike_hw.architecture import build

ROOMY = build(PAIR.model_dump() | {"name": "roomy", "spike_words": 32768, "weight_rows": 4096,
                                             "constant_tiles": 256, "program_words": 4096})  # fmt: skip


def tightest(network: Network) -> Book:
    """The book for the smallest memories that hold a box of every layer."""
    for size in (256, 512, 1024, 2048, 4096):
        tight = {"spike_words": size, "weight_rows": 2 * size, "constant_tiles": 4, "program_words": 128}
        try:
            return write_book(network, build(ROOMY.model_dump() | tight | {"name": "tight"}))
        except PlacementError:
            continue
    raise AssertionError(f"{network.name} fits no memory")
