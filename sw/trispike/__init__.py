"""Host side of trispike: compiler, golden model, devices and the command line.

The names of `__all__` come from the modules that hold them when they are first used, so that `import trispike.errors`
does not read the whole compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import compile, compile_with_report
    from .book import Book
    from .device import open_device
    from .image import load, save
    from .program import Program

__all__ = ["Book", "Program", "compile", "compile_with_report", "load", "open_device", "save"]

_HOMES = {
    "Book": "book",
    "Program": "program",
    "compile": "api",
    "compile_with_report": "api",
    "load": "image",
    "open_device": "device",
    "save": "image",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trispike' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
