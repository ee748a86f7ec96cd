"""Banked spike memory: every lane of a cluster owns one bank in every cycle."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import spike_word
from .ports import BLOCK_RAM, WritePort
from .registered_ram import RegisteredRam

BLOCK_RAM_BITS = 1 << 14
"""Bits of the block RAM that slices are cut for; it takes a power of two of bits a word, from one on."""

READ_LATENCY = 3
"""Cycles from an address to its word at the lanes of an array, whose registers it goes to."""

READ_LATENCY_ALONE = 1
"""The same for a lane alone, whose clock is slow and whose registers are few."""


MANY_BANKS = 8
"""Banks from which on look-up tables are worth more than the flip-flops of a turn."""


def slice_depths(words: int, width: int) -> list[int]:
    """Words that the slices of a bank are deep, whose `words` words have `width` bits, a power of two.

    Powers of two, falling: as few slices as take the fewest block RAMs, none of them deeper than a block RAM is. 3072
    words of 32 bits are 2048, in four block RAMs of 8 bits, and 1024, in two of 16. The last slice need not be full.
    """
    block = BLOCK_RAM_BITS // width  # words of a slice that is one block RAM
    whole, rest = divmod(-(-words // block), width)
    return whole * [width * block] + [block << bit for bit in reversed(range(rest.bit_length())) if rest >> bit & 1]


def rotated(m: Module, values: Sequence[Value], distance: Value, first: int = 0) -> Sequence[Value]:
    """The values, element i being values[(i + distance) % n]; n is a power of two. The bits of `distance` below `first`
    have been seen to.

    One two-way multiplexer per bit of `distance`: for eight values half of what one eight-way multiplexer each costs.
    """
    for bit in range(first, len(distance)):
        step = 1 << bit
        moved = [Signal(len(value), name=f"rotated{step}_{i}") for i, value in enumerate(values)]
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
    Latency: `READ_LATENCY` cycles from an address (with its bank's turn) to `data`: the two of a `RegisteredRam`, and a
    register in front of the multiplexers of turns, behind which the reader has one; for a lane alone
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

        # Bank b reads for lane b - count, and lane l gets the word of bank l + count of some cycles before.
        back = Signal.like(count)
        m.d.sync += back.eq(-1 - count)
        lanes = self._arch.cluster_lanes
        addresses = rotated(m, [self.address[lane % lanes][bank_bits:] for lane in range(banks)], back)
        slices = [
            self._slices(m, bank, depths, enables[bank], written, address) for bank, address in enumerate(addresses)
        ]
        wanted = [_slice(address, depths) for address in addresses]
        if self._arch.lone_lane:
            chosen = [
                reduce(or_, (Mux(here, word, 0) for here, word in zip(_delayed(m, wants, 1), words, strict=True)))
                for wants, words in zip(wanted, slices, strict=True)
            ]
            words = rotated(m, chosen, _delayed(m, count, 1))
        else:
            words = self._turned(m, wanted, slices, count)
        m.d.comb += [self.data[lane].eq(words[lane]) for lane in range(lanes)]
        return m

    def _slices(
        self, m: Module, bank: int, depths: Sequence[int], enables: Signal, written: data.View, address: Value
    ) -> list[Value]:
        """The slices of a bank: their words at `address` of some cycles before, of which one is the bank's."""
        words, left = [], self._arch.spike_words // self._arch.banks
        width = stored_word(self._arch).size
        for part, depth in enumerate(depths):
            depth, left = min(depth, left), left - depth
            if self._arch.lone_lane:
                rows = memory.Memory(shape=width, depth=depth, init=[], attrs=BLOCK_RAM)
                put, get = rows.write_port(), rows.read_port()
                m.d.comb += [
                    put.en.eq(enables[part]),
                    put.addr.eq(written.address),
                    put.data.eq(written.word),
                    get.addr.eq(address),
                ]
                words.append(get.data)
            else:
                rows = RegisteredRam(width, depth)
                m.d.comb += [
                    rows.write.eq(enables[part]),
                    rows.address[0].eq(written.address),
                    rows.data.eq(written.word),
                    rows.address[1].eq(address),
                ]
                words.append(rows.word[1])
            m.submodules[f"bank{bank}_{part}"] = rows
        return words

    def _turned(
        self, m: Module, wanted: Sequence[Value], slices: Sequence[Sequence[Value]], count: Signal
    ) -> Sequence[Value]:
        """The words of all lanes, a register behind those of the slices.

        Where a bank has several slices their registers are zero unless theirs is the one that is wanted, and their
        union is the bank's word. Where there are many banks, each slice has two registers, one for a bank's own place
        and one for the place before: a union of four, which is a look-up table, then also turns the banks by one.
        """
        distance = _delayed(m, count, READ_LATENCY)
        if len(slices[0]) == 1:
            return rotated(m, [_delayed(m, words[0], 1) for words in slices], distance)
        here = [_delayed(m, wants, READ_LATENCY - 1) for wants in wanted]

        def united(open_to: Value, turn: int) -> list[Value]:
            """The word of the bank that is `turn` places on, for every place, if `open_to`."""
            places = []
            for bank, (wants, words) in enumerate(zip(here, slices, strict=True)):
                gated = [Signal(len(word), name=f"word{bank}_{part}_{turn}", reset_less=True)
                         for part, word in enumerate(words)]  # fmt: skip
                m.d.sync += [
                    register.eq(Mux(want & open_to, word, 0))
                    for register, want, word in zip(gated, wants, words, strict=True)
                ]
                places.append(reduce(or_, gated))
            return places[turn:] + places[:turn]

        if len(slices) < MANY_BANKS:
            return rotated(m, united(Const(1), 0), distance)
        odd = _delayed(m, count[0], READ_LATENCY - 1)  # what distance[0] is in the cycle behind
        turned = [near | far for near, far in zip(united(~odd, 0), united(odd, 1), strict=True)]
        return rotated(m, turned, distance, first=1)


def _delayed(m: Module, value: Value, cycles: int) -> Value:
    """`value` of so many cycles before."""
    for _ in range(cycles):
        later = Signal(len(value), reset_less=True)
        m.d.sync += later.eq(value)
        value = later
    return value


def _slice(address: Value, depths: Sequence[int]) -> Value:
    """One bit for each slice of a bank: which of them holds the word at `address` of the bank."""
    before_last = Cat(
        address[depth.bit_length() - 1 :] == sum(depths[:part]) // depth for part, depth in enumerate(depths[:-1])
    )
    return Cat(before_last, ~before_last.any())
