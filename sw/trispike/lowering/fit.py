"""The way into the lowering for any network: one program if it fits, else a book."""

from trispike_hw.architecture import Architecture

from ..book import Book
from ..errors import PlacementError
from ..network import Network
from ..program import Program
from ..progress import StageProgress, unwatched
from .chapters import write_book
from .lower import lower


def fit(network: Network, arch: Architecture, progress: StageProgress = unwatched) -> tuple[Program | Book, str | None]:
    """`network` on `arch` as a program, or as a book and why it had to be one. `progress` counts layers of a book.

    Raises:
        PlacementError: if it fits in neither way: why it is no program.
    """
    try:
        return lower(network, arch), None
    except PlacementError as whole:
        try:
            book = write_book(network, arch, progress)
        except PlacementError:
            raise whole from None
        return book, f"the network runs in {len(book.chapters)} chapters: {whole}"
