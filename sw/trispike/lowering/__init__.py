"""Lowering: places a spiking network on an architecture and writes its program or book."""

from .chapters import write_book
from .fit import fit
from .lower import lower

__all__ = ["fit", "lower", "write_book"]
