"""Banked spike memory: every lane of a cluster owns one bank in every cycle."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import spike_word
from .ports import BLOCK_RAM, WritePort


class SpikeMemory(wiring.Component):
    """One copy of the spike memory, with a read bus for each of the N lanes of a cluster.

    Function: word address a lies in bank a mod N. The banks turn past the lanes: in any cycle lane l may read the bank
    `turn[l]`, which advances by one every cycle (modulo N). A lane that reads consecutive words therefore waits for its
    first one only, and no two lanes ever meet: there is nothing to arbitrate.
    Latency: two cycles from an address (with its bank's turn) to `data`. Throughput: one word per lane and cycle, plus
    one write per cycle. A read of a word in the cycle of its write returns either content. Contents survive reset.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "write": In(WritePort(arch.spike_address_bits, spike_word(arch))),
                "address": In(arch.spike_address_bits).array(arch.banks),
                "turn": Out(range(arch.banks)).array(arch.banks),
                "data": Out(spike_word(arch)).array(arch.banks),
            }
        )

    def elaborate(self, platform):
        m = Module()
        banks = self._arch.banks
        bank_bits = (banks - 1).bit_length()

        count = Signal(range(banks))  # bank of lane 0 in this cycle
        m.d.sync += count.eq(count + 1)

        reads = []
        for number in range(banks):
            m.submodules[f"bank{number}"] = bank = memory.Memory(
                shape=spike_word(self._arch), depth=self._arch.spike_words // banks, init=[], attrs=BLOCK_RAM
            )
            write, read = bank.write_port(), bank.read_port()
            reads.append(read)
            m.d.comb += [
                write.en.eq(self.write.enable & (self.write.address[:bank_bits] == number)),
                write.addr.eq(self.write.address[bank_bits:]),
                write.data.eq(self.write.data),
            ]
            lane = Signal(range(banks), name=f"lane{number}")  # the lane whose turn it is here
            m.d.comb += [
                lane.eq(number - count),
                read.addr.eq(Array(address[bank_bits:] for address in self.address)[lane]),
            ]

        read_count = Signal.like(count)  # the turn when the words that now leave the banks were asked for
        m.d.sync += read_count.eq(count)
        for lane in range(banks):
            bank = Signal(range(banks), name=f"source{lane}")
            m.d.comb += [self.turn[lane].eq(count + lane), bank.eq(read_count + lane)]
            m.d.sync += self.data[lane].eq(Array(read.data for read in reads)[bank])
        return m
