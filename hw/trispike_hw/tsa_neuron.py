"""The ternary self-amplifying neuron: one step of one neuron, in three pipeline stages, without a multiplier."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .carry_chains import TernaryAdder, UnionAdder
from .layout import neuron_constants
from .tsa_layout import neuron_state


class TsaNeuron(wiring.Component):
    """One step of a neuron (numerics, section 3): V = 2 V + z, then a digit y, then V -= y theta.

    Latency: three cycles from `enable` to the outputs, which then stand still until the next update arrives there.
    Throughput: one update a cycle. No back-pressure. A reset only empties the pipeline.

    The three registers hold the potential that the step starts from, the integrated potential, and the digit. The
    subtraction follows the last register, in front of the memory that takes `o`.

    One adder compares for both signs: V - phi >= 0 where V is not negative, V + phi <= 0 where it is. It is only one
    bit wider than phi; where the bits of V above that are not all its sign, |V| is larger than any phi.

    Members
    -------
    enable : In(1)
        The other inputs stand for an update.
    keep : In(1)
        V goes on from `state`; otherwise it starts anew, and the neuron counts as not fired.
    biased : In(1)
        A new V starts at the bias, otherwise at 0.
    fires : In(1)
        The neuron may fire in this step.
    two_sided : In(1)
        A negative digit needs no positive one before it.
    unit_threshold : In(1)
        Takes 1 for phi, so that the digit of a V that starts at 0 is the sign of z.
    state, constants : In
        The neuron before the step and its constants.
    z : In(ArrayLayout(signed(accumulator_bits), 2))
        Two words whose union, bit by bit, is the synaptic sum: the branches of the bus that it comes over.
    o : Out(neuron_state(arch))
        The neuron after the step.
    pos, neg : Out(1)
        The digit.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "enable": In(1),
                "keep": In(1),
                "biased": In(1),
                "fires": In(1),
                "two_sided": In(1),
                "unit_threshold": In(1),
                "state": In(neuron_state(arch)),
                "constants": In(neuron_constants(arch)),
                "z": In(data.ArrayLayout(signed(arch.accumulator_bits), 2)),
                "o": Out(neuron_state(arch)),
                "pos": Out(1),
                "neg": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        potential = signed(self._arch.potential_bits)
        threshold = unsigned(self._arch.threshold_bits)
        side = data.StructLayout({"theta": threshold, "phi": threshold, "fires": 1, "two_sided": 1, "fired": 1})

        started, began, z = Signal(), Signal(potential), Signal(self.z.shape())
        began_with = Signal(side)
        m.d.sync += [
            started.eq(self.enable),
            began.eq(Mux(self.keep, self.state.potential, Mux(self.biased, self.constants.bias, 0))),
            z.eq(self.z),
            began_with.theta.eq(self.constants.theta),
            began_with.phi.eq(Mux(self.unit_threshold, 1, self.constants.phi)),
            began_with.fires.eq(self.fires),
            began_with.two_sided.eq(self.two_sided),
            began_with.fired.eq(self.state.fired & self.keep),
        ]

        integrated, v, compared_with = Signal(), Signal(potential), Signal(side)
        m.submodules.integrate = integrate = UnionAdder(self._arch.potential_bits)
        m.d.comb += [integrate.a.eq(began << 1), integrate.b.eq(z[0]), integrate.c.eq(z[1])]
        m.d.sync += [integrated.eq(started), v.eq(integrate.sum), compared_with.eq(began_with)]

        negative = v[-1]
        reached = self._reached(m, v, compared_with.phi)
        pos, neg = Signal(), Signal()
        m.d.comb += [
            pos.eq(compared_with.fires & reached & ~negative),
            neg.eq(compared_with.fires & reached & negative & (compared_with.two_sided | compared_with.fired)),
        ]

        final, theta = Signal(potential), Signal(threshold)
        with m.If(integrated):
            m.d.sync += [
                final.eq(v),
                theta.eq(compared_with.theta),
                self.pos.eq(pos),
                self.neg.eq(neg),
                self.o.fired.eq(compared_with.fired | pos),
            ]

        m.submodules.discharge = discharge = TernaryAdder(self._arch.potential_bits)
        m.d.comb += [
            discharge.a.eq(final),
            discharge.b.eq(theta),
            discharge.valid.eq(self.pos | self.neg),
            discharge.sign.eq(self.pos),
            discharge.carry.eq(self.pos),
            self.o.potential.eq(discharge.sum),
        ]
        return m

    def _reached(self, m: Module, v: Signal, phi) -> Signal:
        """|V| >= phi, combinational."""
        bits = self._arch.threshold_bits + 1
        negative, beyond, below, reached = v[-1], Signal(), Signal(), Signal()
        m.submodules.compare = compare = TernaryAdder(bits)
        m.d.comb += [
            compare.a.eq(v[:bits].as_signed() if bits < len(v) else v),
            compare.b.eq(phi),
            compare.valid.eq(1),
            compare.sign.eq(~negative),
            compare.carry.eq(~negative),
            beyond.eq((v[bits - 1 :] ^ negative.replicate(len(v[bits - 1 :]))).any()),
            below.eq(compare.sum[-1]),
            reached.eq(beyond | Mux(negative, below | (compare.sum == 0), ~below)),
        ]
        return reached
