"""The way into the lowering for any network: one program if it fits, else a book."""

from trispike_hw.architecture import Architecture

from ..book import Book
from ..errors import PlacementError
from ..network import Network
from ..program import Program
from .chapters import write_book
from .lower import lower


def fit(network: Network, arch: Architecture) -> tuple[Program | Book, str | None]:
    """`network` on `arch` as a program, or as a book and why it had to be one.

    Raises:
        PlacementError: if it fits in neither way: why it is no program.
    """
    try:
        return lower(network, arch), None
    except PlacementError as whole:
        try:
            book = write_book(network, arch)
        except PlacementError:
            raise whole from None
        return book, f"the network runs in {len(book.chapters)} chapters: {whole}"
