"""The neuron of a lane alone: `TsaNeuron` without its registers."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .carry_chains import TernaryAdder
from .layout import neuron_constants
from .tsa_layout import neuron_state
from .tsa_neuron import compare


class LoneNeuron(wiring.Component):
    """One step of a neuron, see `TsaNeuron`: combinational, for the clock of a lane alone is slow, and cells are
    few.

    Members are those of `TsaNeuron`, with the sum `z` as a single word, and `keep`: otherwise `state` counts as 0.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "keep": In(1),
                "biased": In(1),
                "fires": In(1),
                "two_sided": In(1),
                "unit_threshold": In(1),
                "state": In(neuron_state(arch)),
                "constants": In(neuron_constants(arch)),
                "z": In(signed(arch.accumulator_bits)),
                "o": Out(neuron_state(arch)),
                "pos": Out(1),
                "neg": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = self._arch.potential_bits
        began, v = Signal(signed(bits)), Signal(signed(bits))
        fired, not_negative = Signal(), Signal()
        below_phi = Signal(self._arch.threshold_bits)
        m.d.comb += [
            began.eq(Mux(self.keep, self.state.potential, Mux(self.biased, self.constants.bias, 0))),
            fired.eq(self.state.fired & self.keep),
            v.eq((began << 1) + self.z),
            not_negative.eq(~v[-1]),
            below_phi.eq(Mux(self.unit_threshold, 0, self.constants.below_phi)),
        ]
        beyond, below = compare(m, v, not_negative, below_phi)
        m.submodules.discharge = discharge = TernaryAdder(bits)
        m.d.comb += [
            self.pos.eq(self.fires & not_negative & (beyond | ~below)),
            self.neg.eq(self.fires & (self.two_sided | fired) & ~not_negative & (beyond | below)),
            discharge.a.eq(v),
            discharge.b.eq(self.constants.theta),
            discharge.valid.eq(self.pos | self.neg),
            discharge.sign.eq(self.pos),
            discharge.carry.eq(self.pos),
            self.o.potential.eq(discharge.sum),
            self.o.fired.eq(fired | self.pos),
        ]
        return m
