"""A queue in a memory whose reading is a cycle late, without the logic that Yosys would put around it."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib.fifo import SyncFIFOBuffered

from .ports import NO_COLLISION


class BufferedQueue(SyncFIFOBuffered):
    """`SyncFIFOBuffered`, whose memory is marked as one that is never read and written at one address in one cycle.

    It is not: the memory is read only while a word is in it, and of a full one nothing is written. Yosys does not see
    that, and would keep the word that goes in, and where it goes, in registers beside the memory.
    """

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        m: Any = super().elaborate(platform)
        storage: Any = m.submodules.storage
        storage.attrs.update(NO_COLLISION)
        return m
