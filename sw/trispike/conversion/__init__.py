"""The converter: a float graph becomes an integer spiking network (numerics section 5)."""

from .convert import convert
from .report import ConversionReport, LayerReport
from .search import fewest_silent_steps, fewest_time_steps

__all__ = ["ConversionReport", "LayerReport", "convert", "fewest_silent_steps", "fewest_time_steps"]
