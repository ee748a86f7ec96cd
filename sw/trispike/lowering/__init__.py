"""Lowering: places a spiking network on an architecture and writes its program or book."""

from .lower import lower

__all__ = ["lower"]
