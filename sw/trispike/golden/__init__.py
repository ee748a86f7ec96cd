"""The golden model: what a spiking network computes, in NumPy integers, exact to the bit."""

from .bounds import potential_bound
from .coding import decode, digits_of, encode, encode_input, shifted, value_of
from .model import GoldenModel, Result
from .neuron import tsa
from .pooling import max_pool
from .synapses import integrate, sum_abs_weights

__all__ = [
    "GoldenModel",
    "Result",
    "decode",
    "digits_of",
    "encode",
    "encode_input",
    "integrate",
    "max_pool",
    "potential_bound",
    "shifted",
    "sum_abs_weights",
    "tsa",
    "value_of",
]
