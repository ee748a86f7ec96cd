"""The machine on words, without cycles: what a program's words make of the input words."""

from .machine import Emulator, LayerRun, Run

__all__ = ["Emulator", "LayerRun", "Run"]
