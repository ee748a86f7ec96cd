"""The port to a memory outside the chip, and what stands where in it; host and hardware read both here."""

from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..architecture import Architecture
from ..layout import STREAM_BITS, weight_row

#: Bits of a word address: 2**24 weight rows (`WeightRequest`) of up to four words.
ADDRESS_BITS = 26

#: Words before the first weight row: the first bytes of the SHA-256 of all words behind them, as the host stored them,
#: by which it knows what the memory holds.
HEADER_WORDS = 4


def row_words(arch: Architecture) -> int:
    """Words that hold a weight row, 1..4."""
    return -(-Shape.cast(weight_row(arch)).width // STREAM_BITS)


def row_shift(arch: Architecture) -> int:
    """Row r stands at word HEADER_WORDS + (r << row_shift): a power of two, because nothing here multiplies."""
    return (row_words(arch) - 1).bit_length()


class MemoryWord(data.Struct):
    """A word to be stored."""

    data: STREAM_BITS
    address: ADDRESS_BITS


class MemoryRequest(data.Struct):
    """A burst: `count` words from `address` on, at least one."""

    address: ADDRESS_BITS
    count: 18  # 65535 rows of four words


class MemoryPort(wiring.Signature):
    """A memory of 32-bit words, seen from its user.

    Members: request Out(stream of MemoryRequest); words In(stream of 32 bits), `count` for each request, in order, at
    any pace; with `writable` also store Out(stream of MemoryWord). What was taken from `store` is seen by every later
    request. A memory takes stores and requests in bounded time if its words are taken.
    """

    def __init__(self, *, writable: bool = True) -> None:
        super().__init__(
            {
                "request": Out(stream.Signature(MemoryRequest)),
                "words": In(stream.Signature(STREAM_BITS)),
            }
            | ({"store": Out(stream.Signature(MemoryWord))} if writable else {})
        )


@dataclass(frozen=True)
class ExternalMemory:
    """What a device has outside the chip: so many 32-bit `words`, `writable` over the host link or not."""

    words: int
    writable: bool = True
