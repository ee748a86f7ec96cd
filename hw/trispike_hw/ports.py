"""Signatures of the ports that blocks share, where no stream of amaranth.lib fits."""

from typing import Any

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class WritePort(wiring.Signature):
    """Write side of a memory: while `enable` is high, `data` goes to `address` at the clock edge; it never waits.

    Members: enable Out(1), address Out(address_shape), data Out(data_shape).
    """

    def __init__(self, address_shape: Any, data_shape: Any) -> None:
        super().__init__({"enable": Out(1), "address": Out(address_shape), "data": Out(data_shape)})


class RegisterBus(wiring.Signature):
    """Read-only register bus, seen from the host: `data` belongs to the `address` of the cycle before.

    Members: address Out(11), a word address; data In(32).
    """

    ADDRESS_BITS = 11
    DATA_BITS = 32

    def __init__(self) -> None:
        super().__init__({"address": Out(self.ADDRESS_BITS), "data": In(self.DATA_BITS)})


NO_COLLISION: dict[str, Any] = {"no_rw_check": 1}
"""Attributes of a memory that nobody reads and writes at one address in one cycle, or cares what is read then. Without
them Yosys adds registers and multiplexers for the collision, and may split two-port memories in two."""

BLOCK_RAM: dict[str, Any] = {"ram_style": "block", **NO_COLLISION}
"""The same of a memory that is block RAM however small it is."""

DISTRIBUTED_RAM = {"ram_style": "distributed"}
"""Attributes of a memory in look-up tables, on devices that can."""
