"""Banked spike memory: every lane of a cluster owns one bank in every cycle."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import spike_word
from .ports import BLOCK_RAM, WritePort

BLOCK_RAM_BITS = 1 << 14
"""Bits of the block RAM that slices are cut for; it takes a power of two of bits a word, from one on."""

READ_LATENCY = 2
"""Cycles from an address to its word at the lanes of an array, whose registers it goes to."""

READ_LATENCY_ALONE = 1
"""The same for a lane alone, whose clock is slow and whose registers are few."""


def slice_depths(words: int, width: int) -> list[int]:
    """Words that the slices of a bank are deep, whose `words` words have `width` bits, a power of two.

    Powers of two, falling: as few slices as take the fewest block RAMs, none of them deeper than a block RAM is. 3072
    words of 32 bits are 2048, in four block RAMs of 8 bits, and 1024, in two of 16. The last slice need not be full.
    """
    block = BLOCK_RAM_BITS // width  # words of a slice that is one block RAM
    whole, rest = divmod(-(-words // block), width)
    return whole * [width * block] + [block << bit for bit in reversed(range(rest.bit_length())) if rest >> bit & 1]


def rotated(m: Module, values: Sequence[Value | data.View], distance: Signal) -> Sequence[Value | data.View]:
    """The values, element i being values[(i + distance) % n]; n is a power of two.

    One two-way multiplexer per bit of `distance`: for eight values half of what one eight-way multiplexer each costs.
    """
    for bit, step in enumerate(1 << bit for bit in range(len(distance))):
        moved = [Signal.like(value, name=f"rotated{step}_{i}") for i, value in enumerate(values)]
        m.d.comb += [
            to.eq(Mux(distance[bit], values[(i + step) % len(values)], values[i])) for i, to in enumerate(moved)
        ]
        values = moved
    return values


def stored_word(arch: Architecture) -> data.StructLayout:
    """A spike word as the banks hold it: its planes are united once, where it is written, not in every lane."""
    return data.StructLayout(
        {
            "spikes": arch.columns,  # channels that have a spike
            "neg": arch.columns,  # those with a negative one
        }
    )


class SpikeMemory(wiring.Component):
    """One copy of the spike memory in N banks, with a read bus for each lane of a cluster: N of them, or one alone.

    Function: word address a lies in bank a mod N. The banks turn past the lanes: in any cycle lane l may read the bank
    `turn[l]`, which advances by one every cycle (modulo N). A lane that reads consecutive words therefore waits for its
    first one only, and no two lanes ever meet: there is nothing to arbitrate.
    Latency: `READ_LATENCY` cycles from an address (with its bank's turn) to `data`: the block RAM, and a register that
    takes its slow output off the multiplexers of slices and turns, behind which the reader has one; for a lane alone
    `READ_LATENCY_ALONE`, without the registers. Throughput: one word per lane and cycle, plus one write per cycle. A
    write is in its bank two cycles later, one with a lane alone; a read of a word before that returns either content.
    Contents survive reset.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "write": In(WritePort(arch.spike_address_bits, spike_word(arch))),
                "address": In(arch.spike_address_bits).array(arch.cluster_lanes),
                "turn": Out(range(arch.banks)).array(arch.cluster_lanes),
                "data": Out(stored_word(arch)).array(arch.cluster_lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        banks = self._arch.banks
        bank_bits = (banks - 1).bit_length()

        count = Signal(range(banks))  # bank of lane 0 in this cycle
        m.d.sync += count.eq(count + 1)
        for number, out in enumerate(self.turn):  # a register for each lane, near it
            turn = Signal(range(banks), init=number, name=f"turn{number}")
            m.d.sync += turn.eq(turn + 1)
            m.d.comb += out.eq(turn)

        # The way from the one writer to all banks is long; not in a machine of one lane.
        given = self.write.address
        word = stored_word(self._arch)
        bank_words = self._arch.spike_words // banks
        depths = slice_depths(bank_words, word.size)
        enables = [Signal(len(depths), name=f"enables{bank}") for bank in range(banks)]
        layout = data.StructLayout({"address": len(given) - bank_bits, "word": word})
        written = Signal(layout, reset_less=True)
        writing = m.d.comb if self._arch.lone_lane else m.d.sync
        given_slice = _slice(given[bank_bits:], depths)
        writing += [
            *(
                enables[bank].eq(Mux(self.write.enable & (given[:bank_bits] == bank), given_slice, 0))
                for bank in range(banks)
            ),
            written.address.eq(given[bank_bits:]),
            written.word.spikes.eq(self.write.data.pos | self.write.data.neg),
            written.word.neg.eq(self.write.data.neg),
        ]

        # Bank b reads for lane b - count, and lane l gets the word of bank l + count of two cycles before, or of one.
        back, read_count, arrived_count = Signal.like(count), Signal.like(count), Signal.like(count)
        m.d.sync += [back.eq(-1 - count), read_count.eq(count)]
        lanes = self._arch.cluster_lanes
        addresses = rotated(m, [self.address[lane % lanes][bank_bits:] for lane in range(banks)], back)
        arriving = m.d.comb if self._arch.lone_lane else m.d.sync
        arriving += arrived_count.eq(read_count)
        arrived = []
        for bank, address in enumerate(addresses):
            # A register for each slice, zero unless that is the one: an OR behind them makes the bank's word.
            wanted = Signal(len(depths), name=f"wanted{bank}")
            if len(depths) > 1:
                m.d.sync += wanted.eq(_slice(address, depths))
            parts = [Signal(word, name=f"arrived{bank}_{part}", reset_less=True) for part in range(len(depths))]
            for part, out in enumerate(parts):
                m.submodules[f"bank{bank}_{part}"] = memory_slice = memory.Memory(
                    shape=word, depth=min(depths[part], bank_words - sum(depths[:part])), init=[], attrs=BLOCK_RAM
                )
                write, read = memory_slice.write_port(), memory_slice.read_port()
                m.d.comb += [
                    write.en.eq(enables[bank][part]),
                    write.addr.eq(written.address),
                    write.data.eq(written.word),
                    read.addr.eq(address),
                ]
                arriving += out.eq(Mux(wanted[part], read.data, 0) if len(depths) > 1 else read.data)
            arrived.append(reduce(or_, (part.as_value() for part in parts)))
        words = rotated(m, arrived, arrived_count)
        m.d.comb += [self.data[lane].eq(words[lane]) for lane in range(lanes)]
        return m


def _slice(address: Any, depths: Sequence[int]) -> Value:
    """One bit for each slice of a bank: which of them holds the word at `address` of the bank."""
    before_last = Cat(
        address[depth.bit_length() - 1 :] == sum(depths[:part]) // depth for part, depth in enumerate(depths[:-1])
    )
    return Cat(before_last, ~before_last.any())
