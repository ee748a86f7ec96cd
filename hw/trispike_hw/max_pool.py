"""Max pooling of spike trains: the larger of two trains, channel by channel, while their digits pass by."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .carry_chains import is_ecp5
from .layout import spike_word
from .ports import BLOCK_RAM, DISTRIBUTED_RAM
from .tsa_layout import digit_word, output_word

SHALLOW = 64
"""Words of trains up to which look-up tables hold them on an ECP5: they would fill an eighth of two block RAMs."""


class MaxPool(wiring.Component):
    """Merges the items of each lane's pooling window into one train; passes items that are a window by themselves.

    Function: the first item of a window is stored. Of every later one each channel keeps a running difference d to the
    best train so far, most significant digit first: d = clamp(2 d + candidate - best, -2, 2). That is exact, because
    the digits still to come cannot undo a difference of 2. Each lane has two trains in memory and a bit per channel
    that says which of them is the best; the candidate overwrites the other. After its last digit the bits of the
    channels where d > 0 flip, so the first of equals stays. The last item of a window is followed by the merged train.

    Latency: three cycles from a word to the word that it becomes. Throughput: one word a cycle; the input waits while a
    merged train goes out, one digit a cycle, and for two cycles behind every digit of `short` trains, which may be
    read before it is written. Back-pressure: all stages wait while `o` waits. A reset forgets all windows.

    Members
    -------
    i : In(stream.Signature(digit_word(arch)))
        Digits of a lane in order, 0 to the one with `end`; items of different lanes in any mixture.
    plane : In(arch.spike_address_bits)
        Words from one digit of the output to the next; stands still while not idle.
    short : In(1)
        Trains have one or two digits; stands still while not idle.
    o : Out(stream.Signature(output_word(arch)))
    idle : Out(1)
        No word is inside.
    """

    def __init__(self, arch: Architecture, members: Mapping[str, Any] | None = None):
        """`members` are those that a subclass has besides."""
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(digit_word(arch))),
                "plane": In(arch.spike_address_bits),
                "short": In(1),
                "o": Out(stream.Signature(output_word(arch))),
                "idle": Out(1),
            }
            | dict(members or {})
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        arch = self._arch
        word = digit_word(arch)
        job = data.StructLayout({"merge": 1, "put": 1, "word": word})
        trains = data.ArrayLayout(spike_word(arch), 2)
        depth = arch.cluster_lanes << (arch.max_time_steps - 1).bit_length()
        shallow = is_ecp5(platform) and depth <= SHALLOW
        m.submodules.trains = pair_memory = memory.Memory(
            shape=trains, depth=depth, init=[], attrs=DISTRIBUTED_RAM if shallow else BLOCK_RAM
        )
        read, write = pair_memory.read_port(), pair_memory.write_port()
        go = Signal()  # the stages move on

        # Select: the next digit of the merged train that is going out, else the next word of the input.
        # The planes of a merged digit come from the trains: nobody looks at those of its word.
        purpose = data.StructLayout({key: field.shape for key, field in word if key not in ("pos", "neg")})
        merging, merged = Signal(), Signal(purpose, reset_less=True)
        source, clash, take = Signal(word), Signal(), Signal()
        fetched, fetched_valid = Signal(job, reset_less=True), Signal()
        ready_job, ready_valid = Signal(job, reset_less=True), Signal()
        alone = self.i.payload.first & self.i.payload.last
        m.d.comb += [
            *(source[key].eq(Mux(merging, merged[key], self.i.payload[key])) for key, _ in purpose),
            *(source[plane].eq(self.i.payload[plane]) for plane in ("pos", "neg")),
            # A lane's digit comes again after a whole train: only a short one may still be on its way to the memory.
            clash.eq(self.short & ((fetched_valid & fetched.merge) | (ready_valid & ready_job.merge))),
            take.eq(go & ~clash & (merging | self.i.valid)),
            self.i.ready.eq(go & ~clash & ~merging),
            read.en.eq(go),
            read.addr.eq(Cat(source.digit, source.lane)),
        ]
        last_digit = Signal.like(merged.digit, reset_less=True)
        with m.If(take & merging):
            m.d.sync += merged.digit.eq(merged.digit + 1)
            with m.If(merged.digit == last_digit):
                m.d.sync += merging.eq(0)
        with m.Elif(take & self.i.payload.end & self.i.payload.last & ~alone):
            m.d.sync += [
                merging.eq(1),
                *(merged[key].eq(self.i.payload[key]) for key, _ in purpose),
                merged.digit.eq(0),
                last_digit.eq(self.i.payload.digit),
            ]

        # Fetch: two registers behind the memory, whose own output is slow.
        pair = Signal(trains, reset_less=True)
        with m.If(go):
            m.d.sync += [
                fetched_valid.eq(take),
                fetched.word.eq(source),
                fetched.merge.eq(~merging & ~alone),
                fetched.put.eq(merging | alone),
                ready_valid.eq(fetched_valid),
                ready_job.eq(fetched),
                pair.eq(read.data),
            ]

        merge, put = ready_valid & ready_job.merge, ready_valid & ready_job.put
        second_is_best = self._compare(m, ready_job.word, pair, merge & go)
        candidate, chosen = Signal(spike_word(arch)), Signal(spike_word(arch))
        m.d.comb += [
            write.en.eq(merge & go),
            write.addr.eq(Cat(ready_job.word.digit, ready_job.word.lane)),
            go.eq(~(put & self.o.valid & ~self.o.ready)),
        ]
        for plane in ("pos", "neg"):
            new, first, second = candidate[plane], pair[0][plane], pair[1][plane]
            m.d.comb += [
                new.eq(ready_job.word[plane]),
                chosen[plane].eq((second & second_is_best) | (first & ~second_is_best)),
                write.data[0][plane].eq((new & (second_is_best | ready_job.word.first.replicate(arch.columns)))
                                        | (first & ~second_is_best & ~ready_job.word.first.replicate(arch.columns))),
                write.data[1][plane].eq((second & second_is_best) | (new & ~second_is_best)),
            ]  # fmt: skip

        # Put: addresses count on from digit to digit, per lane.
        m.submodules.addresses = addresses = memory.Memory(
            shape=unsigned(arch.spike_address_bits), depth=arch.cluster_lanes, init=[]
        )
        previous, current = addresses.read_port(domain="comb"), addresses.write_port()
        address = Signal(arch.spike_address_bits)
        m.d.comb += [
            previous.addr.eq(ready_job.word.lane),
            current.addr.eq(ready_job.word.lane),
            address.eq(Mux(ready_job.word.digit == 0, ready_job.word.address, previous.data + self.plane)),
            current.data.eq(address),
            current.en.eq(put & go),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        merged_word = Signal(output_word(arch), reset_less=True)
        m.d.comb += self.o.payload.eq(merged_word)
        with m.If(put & go):
            m.d.sync += [self.o.valid.eq(1), merged_word.address.eq(address)]
            for plane in ("pos", "neg"):
                m.d.sync += merged_word[plane].eq(Mux(ready_job.word.first, candidate[plane], chosen[plane]))
        m.d.comb += self.idle.eq(~(merging | fetched_valid | ready_valid | self.o.valid))
        return m

    def _compare(self, m: Module, word: data.View, pair: data.View, enable: Value) -> Signal:
        """Per channel, whether the second train of the lane is the best; counts the comparison on if `enable`."""
        columns = self._arch.columns
        # Of d only the sign and whether it is decided (+-2) are kept; `decided` means nothing while d = 0.
        planes = ("second", "ahead", "behind", "decided")
        m.submodules.comparisons = comparisons = memory.Memory(
            shape=data.StructLayout(dict.fromkeys(planes, columns)), depth=max(2, self._arch.cluster_lanes), init=[]
        )
        before, after = comparisons.read_port(domain="comb"), comparisons.write_port()
        m.d.comb += [before.addr.eq(word.lane), after.addr.eq(word.lane), after.en.eq(enable)]
        second, decided = before.data.second, before.data.decided
        opening = (word.digit == 0).replicate(columns)
        ahead, behind = before.data.ahead & ~opening, before.data.behind & ~opening
        best_pos = (second & pair[1].pos) | (~second & pair[0].pos)
        best_neg = (second & pair[1].neg) | (~second & pair[0].neg)
        up = (word.pos & ~best_pos) | (~word.neg & best_neg)  # candidate - best > 0
        down = (best_pos & ~word.pos) | (~best_neg & word.neg)
        two_up, two_down = word.pos & best_neg, word.neg & best_pos
        wins = Signal(columns)
        m.d.comb += [
            wins.eq((ahead & (decided | ~two_down)) | (~ahead & ~behind & up)),
            after.data.ahead.eq(wins),
            after.data.behind.eq((behind & (decided | ~two_up)) | (~ahead & ~behind & down)),
            after.data.decided.eq(
                (ahead & (decided | ~down)) | (behind & (decided | ~up)) | (~ahead & ~behind & (two_up | two_down))
            ),
            after.data.second.eq(Mux(word.first, 0, second ^ (wins & word.end.replicate(columns)))),
        ]
        return second
