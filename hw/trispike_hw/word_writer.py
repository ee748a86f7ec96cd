"""Gathers the output words of all TSA rows at the one write port of the spike memory and at the output stream."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import STREAM_BITS, Sink, spike_word
from .ports import WritePort
from .round_robin import RoundRobin, selected
from .tsa_layout import output_word


class WordWriter(wiring.Component):
    """Fair arbiter in front of the spike memory and the output stream.

    Function: takes one word per cycle from the rows' streams; `sink` says whether it is written, sent out or both. On
    `o` a word is two: its address, then the word itself. `moved` is high for a word that leaves, written or not, with
    its address and data at `write`. Latency: one cycle. Throughput: one word a cycle in all; where they go out, one in
    three cycles. Back-pressure: a stream waits for its turn, and all of them while `o` waits. Whether a word can be
    taken stands in a register, for the rows' stages hang on it; so where words go out, that is the case in every other
    cycle at most: the one between shows whether one came. `idle` is high when no word is inside. Reset: no word.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(output_word(arch))).array(arch.clusters),
                "sink": In(Sink),
                "write": Out(WritePort(arch.spike_address_bits, spike_word(arch))),
                "moved": Out(1),
                "o": Out(stream.Signature(STREAM_BITS)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.turn = turn = RoundRobin(self._arch.clusters)
        word = Signal(output_word(self._arch))
        leaving, second = Signal(), Signal()  # the word at `write` goes out; its address has gone
        take = Signal()
        m.d.sync += take.eq((self.sink == Sink.STORE) | (~take & (~leaving | (second & self.o.ready))))
        m.d.comb += [
            turn.advance.eq(take),
            word.eq(selected(turn.chosen, (port.payload for port in self.i))),
            self.o.valid.eq(leaving),
            self.o.payload.eq(Mux(second, self.write.data.as_value(), self.write.address)),
        ]
        for number, port in enumerate(self.i):
            m.d.comb += [turn.requests[number].eq(port.valid), port.ready.eq(turn.chosen[number] & take)]
        moving = Signal()
        m.d.comb += moving.eq(turn.valid & take)
        m.d.sync += [self.moved.eq(moving), self.write.enable.eq(moving & (self.sink != Sink.EXPORT))]
        with m.If(self.o.ready):
            m.d.sync += second.eq(leaving & ~second)
        with m.If(moving):
            m.d.sync += leaving.eq(self.sink != Sink.STORE)
        with m.Elif(second & self.o.ready):
            m.d.sync += leaving.eq(0)
        held = Signal(output_word(self._arch), reset_less=True)
        with m.If(moving):
            m.d.sync += held.eq(word)
        m.d.comb += [
            self.write.address.eq(held.address),
            self.write.data.pos.eq(held.pos),
            self.write.data.neg.eq(held.neg),
        ]
        m.d.comb += self.idle.eq(~turn.valid & ~self.moved & ~leaving)
        return m
