"""Processing element: a ternary spike-accumulate unit."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .carry_chains import TernaryAdder


class ProcessingElement(wiring.Component):
    """Adds, subtracts or ignores a weight; hands the sum over at the end of a step.

    Function: in a cycle with `valid`, acc <= acc + weight or, with `sign` (only then allowed), acc - weight. In a cycle
    with `end`, the sum (this cycle's weight included) goes to `z` and acc restarts at zero, so that the end of a step
    costs no cycle. A lane alone adds nothing in that cycle and takes the sum in it: `z` is then acc itself, whose
    register needs no cell beside that of its adder.
    Latency: one cycle. Throughput: one event per cycle. `z` stands until the next `end`. No reset, whose way to so many
    registers would be the longest of the machine: a cycle with `end` makes acc zero.
    """

    def __init__(self, arch: Architecture):
        self._bits, self._hands_over = arch.accumulator_bits, not arch.lone_lane
        super().__init__(
            {
                "weight": In(signed(arch.weight_bits)),
                "valid": In(1),
                "sign": In(1),
                "end": In(1),
                "z": Out(signed(arch.accumulator_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        accumulator = Signal(signed(self._bits), reset_less=True)
        m.submodules.adder = adder = TernaryAdder(self._bits)
        m.d.comb += [
            adder.a.eq(accumulator),
            adder.b.eq(self.weight),
            adder.valid.eq(self.valid),
            adder.sign.eq(self.sign),
            adder.carry.eq(self.sign),
        ]
        m.d.sync += accumulator.eq(adder.sum)
        if self._hands_over:
            handed_over = Signal(signed(self._bits), reset_less=True)
            m.d.comb += self.z.eq(handed_over)
            with m.If(self.end):
                m.d.sync += [accumulator.eq(0), handed_over.eq(adder.sum)]
        else:
            m.d.comb += self.z.eq(accumulator)
            with m.If(self.end):
                m.d.sync += accumulator.eq(0)
        return m
