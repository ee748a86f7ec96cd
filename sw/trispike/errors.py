"""The error tree of the host side. Every text is one sentence: the thing, the limit, the value, the way out."""

from trispike_hw.errors import ArchitectureError, TrispikeError

__all__ = [
    "ArchitectureError",
    "ConversionError",
    "DeviceError",
    "ImageError",
    "InputError",
    "ModelError",
    "OutputError",
    "PlacementError",
    "ToolError",
    "TrispikeError",
]


class ModelError(TrispikeError):
    """A model file cannot be read or holds something that trispike does not support."""


class ConversionError(TrispikeError):
    """A readable network cannot be turned into spikes exactly (theta too small, weights that do not fit, ...)."""


class PlacementError(TrispikeError):
    """A spiking network does not fit the architecture (a memory, a width, a counter)."""


class ImageError(TrispikeError):
    """A memory image is truncated, altered, of another version or for another architecture."""


class InputError(TrispikeError):
    """Input data has the wrong shape, type or content."""


class OutputError(TrispikeError):
    """A result cannot be written."""


class ToolError(TrispikeError):
    """An external tool is missing or failed."""


class DeviceError(TrispikeError):
    """A device answered with an error or not at all."""
