"""Gathers the output words of all TSA rows at the one write port of the spike memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import spike_word
from .ports import WritePort
from .round_robin import RoundRobin, selected
from .tsa_layout import output_word


class WordWriter(wiring.Component):
    """Fair arbiter in front of the spike memory.

    Function: takes one word per cycle from the rows' streams and writes it. Latency: one cycle. Throughput: one word a
    cycle in all. Back-pressure: a stream waits for its turn. Reset: no write.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(output_word(arch))).array(arch.clusters),
                "write": Out(WritePort(arch.spike_address_bits, spike_word(arch))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.turn = turn = RoundRobin(self._arch.clusters)
        word = Signal(output_word(self._arch))
        m.d.comb += [turn.advance.eq(1), word.eq(selected(turn.chosen, (port.payload for port in self.i)))]
        for number, port in enumerate(self.i):
            m.d.comb += [turn.requests[number].eq(port.valid), port.ready.eq(turn.chosen[number])]
        m.d.sync += [
            self.write.enable.eq(turn.valid),
            self.write.address.eq(word.address),
            self.write.data.pos.eq(word.pos),
            self.write.data.neg.eq(word.neg),
        ]
        m.d.comb += self.idle.eq(~turn.valid & ~self.write.enable)
        return m
