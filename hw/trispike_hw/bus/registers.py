"""Registers that only the bus wrappers have, behind those of the machine."""

from ..ports import RegisterBus
from ..registers import Register

_BASE = 1 << RegisterBus.ADDRESS_BITS

RESET = Register("RESET", _BASE, "any value written resets the machine; the memories keep their contents")
DATA = Register(
    "DATA",
    _BASE + 1,
    "Wishbone only: a word written goes into the input stream, a word read comes out of the output stream; "
    "ends with an error if FLAGS says that there is no room or no word",
)
FLAGS = Register(
    "FLAGS", _BASE + 2, "Wishbone only, read-only: bit 0 the input stream has room, bit 1 the output stream has a word"
)

BUS_REGISTERS = (RESET, DATA, FLAGS)

FLAG_ROOM = 1 << 0
FLAG_WORD = 1 << 1

#: Bits of a word address that reaches all registers.
ADDRESS_BITS = RegisterBus.ADDRESS_BITS + 1
