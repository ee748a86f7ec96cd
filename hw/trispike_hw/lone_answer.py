"""The answer of a machine with a lane alone, whose parts come rarely and on a slow clock."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory

from .answer import AnswerStore
from .layout import STREAM_BITS
from .ports import BLOCK_RAM
from .tsa_layout import answer_tiles


class LoneAnswer(AnswerStore):
    """Does what `AnswerStore` does for one cluster, without registers for sums and values: all stand where they are.

    Latency and throughput: two cycles for each value of a part; the first word of the answer comes three cycles after
    `start`, and then one a cycle. Back-pressure: a part is taken with its last value; `o` may wait as long as it likes.
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        arch, part = self._arch, self.i[0]
        tiles = answer_tiles(arch)
        m.submodules.sums = sums = memory.Memory(
            shape=signed(STREAM_BITS), depth=self._classes, init=[], attrs=BLOCK_RAM
        )
        read, write = sums.read_port(), sums.write_port()

        to_clear, to_send, limit = self._requests(m)
        touched, highest = Signal(init=1), Signal(range(tiles), init=tiles - 1)
        number = Signal(range(max(2, arch.tsa_width)))  # value of the part
        of_part = number[: (arch.tsa_width - 1).bit_length()]
        position = Signal(range(self._classes + 1))
        last_of_tile = position[: (arch.columns - 1).bit_length()].all()
        fetched = Signal()
        here = Cat(of_part, part.payload.q[: arch.pass_bits], part.payload.tile)
        m.d.comb += [
            read.addr.eq(here),
            write.addr.eq(here),
            write.data.eq(read.data + part.payload["values"][of_part if len(of_part) else 0]),
            self.o.payload.eq(read.data),
        ]

        with m.FSM():
            with m.State("WAIT"):
                self._take_request(m, to_clear, to_send, position, touched)
                with m.Elif(part.valid):
                    m.next = "ADD"
            with m.State("CLEAR"):
                m.d.comb += [write.en.eq(1), write.addr.eq(position), write.data.eq(0)]
                m.d.sync += position.eq(position + 1)
                with m.If((position >> (arch.columns - 1).bit_length() == highest) & last_of_tile):
                    m.d.sync += [touched.eq(0), highest.eq(0)]
                    m.next = "WAIT"
            with m.State("ADD"):
                m.d.comb += write.en.eq(1)
                m.d.sync += number.eq(number + 1)
                m.next = "WAIT"
                with m.If(number == arch.tsa_width - 1):
                    m.d.comb += part.ready.eq(1)
                    m.d.sync += [
                        number.eq(0),
                        touched.eq(1),
                        highest.eq(Mux(part.payload.tile > highest, part.payload.tile, highest)),
                    ]
            with m.State("SEND"):
                m.d.comb += [
                    self.o.valid.eq(fetched),
                    self.last.eq(fetched & (position == limit)),
                    self.done.eq(self.last & self.o.ready),
                    read.en.eq((position != limit) & (~fetched | self.o.ready)),
                    read.addr.eq(position),
                ]
                with m.If(read.en):
                    m.d.sync += [fetched.eq(1), position.eq(position + 1)]
                with m.Elif(self.o.ready):
                    m.d.sync += fetched.eq(0)
                with m.If(self.done):
                    m.next = "WAIT"
        return m
