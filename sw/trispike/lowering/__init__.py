"""Lowering: places a spiking network on an architecture and writes its program."""

from .lower import lower

__all__ = ["lower"]
