"""Hands clipped windows to the lanes that they are for."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .dispatch_layout import delivery, errand
from .layout import slot


class SlotDelivery(wiring.Component):
    """One slot at a time, to one lane or to several at once.

    Function: lanes with an odd number get the slot with their own weight row in tile mode. `arrived` pulses for a lane
    in the cycle after the last slot of a pooling window. Latency: one cycle. Throughput: one slot in two cycles, in
    three if the lanes are `Architecture.spread`. Back-pressure: waits for all lanes of the slot. Reset: empty. A lane
    alone gets its slots at once.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "tile_mode": In(1),
                "i": In(stream.Signature(delivery(arch))),
                "o": Out(stream.Signature(slot(arch))).array(arch.lanes),
                "arrived": Out(arch.lanes),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        if arch.lone_lane:
            self._pass_on(m)
            return m
        waiting = Signal(arch.lanes)
        held, about = Signal(slot(arch), reset_less=True), Signal(errand(arch), reset_less=True)
        odd_weight = Signal(arch.weight_address_bits, reset_less=True)
        taken = self.i.valid & self.i.ready
        free = self._free(m, waiting, taken)
        m.d.comb += [self.i.ready.eq(free), self.idle.eq(free)]
        with m.If(taken):
            given = self.i.payload
            m.d.sync += [
                waiting.eq(given.errand.lanes),
                held.eq(given.slot),
                about.eq(given.errand),
                odd_weight.eq(given.slot.weight + Mux(self.tile_mode, given.odd_offset, 0)),
            ]
        for lane, port in enumerate(self.o):
            m.d.comb += [
                port.valid.eq(waiting[lane]),
                port.payload.eq(held),
            ]
            m.d.sync += self.arrived[lane].eq(port.valid & port.ready & about.last & about.last_of_window)
            if lane % 2:
                m.d.comb += port.payload.weight.eq(odd_weight)
            with m.If(port.valid & port.ready):
                m.d.sync += waiting[lane].eq(0)
        return m

    def _free(self, m: Module, waiting: Signal, taken: Value) -> Value:
        """No lane waits for a slot."""
        if not self._arch.spread:
            return ~waiting.any()
        free = Signal(init=1)
        m.d.sync += free.eq(~waiting.any() & ~taken)
        return free

    def _pass_on(self, m: Module) -> None:
        port, given = self.o[0], self.i.payload
        m.d.comb += [
            port.valid.eq(self.i.valid),
            port.payload.eq(given.slot),
            self.i.ready.eq(port.ready),
            self.idle.eq(1),
        ]
        m.d.sync += self.arrived.eq(port.valid & port.ready & given.errand.last & given.errand.last_of_window)
