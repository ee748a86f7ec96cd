"""Fair choice of one among several requests, and of the data that belong to it."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def selected(chosen: Value, values: Iterable[Value]) -> Value:
    """The value whose bit of `chosen` is set, unsigned; 0 if no bit is.

    Two values cost a four-input look-up table a bit, where a multiplexer by number costs up to twice that.
    """
    return reduce(or_, (Mux(bit, value, 0) for value, bit in zip(values, chosen, strict=True)))


class RoundRobin(wiring.Component):
    """Chooses the next requester after the one that was served last.

    Combinational from `requests` to `chosen`, `index` and `valid`; the turn passes on in cycles with `advance`.

    Members
    -------
    requests : In(count)
    advance : In(1)
        The choice of this cycle is served.
    valid : Out(1)
        Somebody requests.
    index : Out(range(max(count, 2)))
        Who is chosen, if `valid`. One bit wide even for one requester: Verilog has no signal without bits.
    chosen : Out(count)
        The same, one bit per requester; 0 unless `valid`.
    """

    def __init__(self, count: int):
        self._count = count
        super().__init__(
            {
                "requests": In(count),
                "advance": In(1),
                "valid": Out(1),
                "index": Out(range(max(count, 2))),
                "chosen": Out(count),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        behind = Signal(self._count)  # requesters whose turn comes before the round starts again
        ahead = Signal(self._count)
        m.d.comb += [ahead.eq(self.requests & behind), self.valid.eq(self.requests.any())]
        for i in range(self._count):
            first_ahead = ahead[i] & ~ahead[:i].any()
            first_of_all = self.requests[i] & ~self.requests[:i].any() & ~ahead.any()
            m.d.comb += self.chosen[i].eq(first_ahead | first_of_all)
            with m.If(self.advance & self.valid):
                m.d.sync += behind[i].eq(self.chosen[:i].any())
        for bit in range(len(self.index)):
            m.d.comb += self.index[bit].eq(Cat(self.chosen[i] for i in range(self._count) if i >> bit & 1).any())
        return m
