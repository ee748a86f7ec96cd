"""The converter: a float graph becomes an integer spiking network (numerics section 5)."""

from .convert import convert
from .report import ConversionReport, LayerReport

__all__ = ["ConversionReport", "LayerReport", "convert"]
