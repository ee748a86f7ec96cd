"""What a program will take, before any simulation: a model of the machine's timing, spike by spike."""

from .estimate import Estimate, LayerEstimate, estimate

__all__ = ["Estimate", "LayerEstimate", "estimate"]
