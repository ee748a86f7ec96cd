"""The converter: a float graph becomes an integer spiking network (numerics section 5)."""

from .convert import convert
from .report import ConversionReport, LayerReport
from .search import fewest_time_steps

__all__ = ["ConversionReport", "LayerReport", "convert", "fewest_time_steps"]
