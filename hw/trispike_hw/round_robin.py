"""Fair choice of one among several requests."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


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
    index : Out(range(count))
        Who is chosen, if `valid`.
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
                "index": Out(range(count)),
                "chosen": Out(count),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        behind = Signal(self._count)  # requesters whose turn comes before the round starts again
        ahead = Signal(self._count)
        m.d.comb += [ahead.eq(self.requests & behind), self.valid.eq(self.requests.any())]
        for candidates in (self.requests, ahead):
            for i in reversed(range(self._count)):
                with m.If(candidates[i]):
                    m.d.comb += self.index.eq(i)
        for i in range(self._count):
            m.d.comb += self.chosen[i].eq(self.valid & (self.index == i))
            with m.If(self.advance & self.valid):
                m.d.sync += behind[i].eq(self.index < i)
        return m
