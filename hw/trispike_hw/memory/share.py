"""One memory for two: the host link and the reader of weight rows."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .port import MemoryPort, MemoryRequest


class MemoryShare(wiring.Component):
    """Gives a memory to the one or the other, burst by burst, to the link first.

    Function: the words of a burst go to whom they belong. `drop` says that the reader was reset: the rest of its burst
    is taken and forgotten. A memory that can be written has its first word cleared after a reset, so that whatever
    survived there does not pass for stored by a host. Latency: a cycle for a request, none for a word. Throughput: a
    word a cycle. Back-pressure: who asks waits for the burst under way; stores wait for the memory alone. Reset: no
    burst.
    """

    link: Any  # MemoryPorts, whose members no type checker sees
    reader: Any
    memory: Any
    drop: Signal

    def __init__(self, *, writable: bool) -> None:
        self._writable = writable
        super().__init__(
            {
                "link": In(MemoryPort(writable=writable)),
                "reader": In(MemoryPort(writable=False)),
                "memory": Out(MemoryPort(writable=writable)),
                "drop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        memory = self.memory
        left = Signal.like(MemoryRequest(memory.request.payload).count)
        dropping = Signal()
        moved = memory.words.valid & memory.words.ready
        m.d.comb += [
            self.link.words.payload.eq(memory.words.payload),
            self.reader.words.payload.eq(memory.words.payload),
        ]
        with m.If(moved):
            m.d.sync += left.eq(left - 1)

        def offer(user: Any, then: str) -> None:
            m.d.comb += [
                memory.request.valid.eq(1),
                memory.request.payload.eq(user.request.payload),
                user.request.ready.eq(memory.request.ready),
            ]
            with m.If(memory.request.ready):
                m.d.sync += left.eq(user.request.payload.count)
                m.next = then

        def hand(user: Any) -> None:
            m.d.comb += [user.words.valid.eq(memory.words.valid), memory.words.ready.eq(user.words.ready)]
            with m.If(moved & (left == 1)):
                m.next = "IDLE"

        with m.FSM(init="CLEAR" if self._writable else "IDLE"):
            if self._writable:
                with m.State("CLEAR"):
                    m.d.comb += memory.store.valid.eq(1)
                    with m.If(memory.store.ready):
                        m.next = "IDLE"
            with m.State("IDLE"):
                m.d.sync += dropping.eq(0)
                with m.If(self.link.request.valid):
                    offer(self.link, then="LINK")
                with m.Elif(self.reader.request.valid & ~self.drop):
                    offer(self.reader, then="READER")
                self._store(m)
            with m.State("LINK"):
                hand(self.link)
                self._store(m)
            with m.State("READER"):
                hand(self.reader)
                with m.If(self.drop):
                    m.d.sync += dropping.eq(1)
                with m.If(dropping):
                    m.d.comb += [self.reader.words.valid.eq(0), memory.words.ready.eq(1)]
                self._store(m)
        return m

    def _store(self, m: Module) -> None:
        """Stores of the link go to the memory as they are."""
        if self._writable:
            m.d.comb += [
                self.memory.store.valid.eq(self.link.store.valid),
                self.memory.store.payload.eq(self.link.store.payload),
                self.link.store.ready.eq(self.memory.store.ready),
            ]
