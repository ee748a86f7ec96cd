"""The ternary self-amplifying neuron: one step of one neuron, in three pipeline stages, without a multiplier."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .carry_chains import TernaryAdder, UnionAdder, union_terms
from .layout import neuron_constants
from .tsa_layout import neuron_state

BRANCHES = 4
"""Of the bus over which sums come."""


class TsaNeuron(wiring.Component):
    """One step of a neuron (numerics, section 3): V = 2 V + z, then a digit y, then V -= y theta.

    Latency: three cycles from `enable` to the outputs, which then stand still until the next update arrives there.
    Throughput: one update a cycle. No back-pressure. A reset only empties the pipeline.

    The three registers hold the potential that the step starts from, the integrated potential, and the digit. The
    subtraction follows the last register, in front of the memory that takes `o`. The first one is two, for the state
    and for the bias, one of which is 0: what resets a register is free, and so is a union in an adder.

    One adder compares for both signs, and the sign of its sum says it all, for the constants hold phi less one: V is
    large enough if V - (phi - 1) - 1 >= 0 where V is not negative, and V + (phi - 1) < 0 where it is. The adder is only
    one bit wider than phi; where the bits of V above that are not all its sign, |V| is larger than any phi.

    Members
    -------
    enable : In(1)
        The other inputs stand for an update.
    biased : In(1)
        V starts from the bias. Only where `state` is 0.
    fires : In(1)
        The neuron may fire in this step.
    two_sided : In(1)
        A negative digit needs no positive one before it.
    unit_threshold : In(1)
        Takes 1 for phi, whatever the constants say, so that the digit of a V that starts at 0 is the sign of z.
    state, constants : In
        The neuron before the step, 0 where V starts anew, and its constants.
    z : In(ArrayLayout(signed(accumulator_bits), BRANCHES))
        Words whose union, bit by bit, is the synaptic sum: the branches of the bus that it comes over.
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
                "biased": In(1),
                "fires": In(1),
                "two_sided": In(1),
                "unit_threshold": In(1),
                "state": In(neuron_state(arch)),
                "constants": In(neuron_constants(arch)),
                "z": In(data.ArrayLayout(signed(arch.accumulator_bits), BRANCHES)),
                "o": Out(neuron_state(arch)),
                "pos": Out(1),
                "neg": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        potential = signed(self._arch.potential_bits)
        threshold = unsigned(self._arch.threshold_bits)
        side = data.StructLayout({"theta": threshold, "below_phi": threshold, "fires": 1, "falls": 1, "fired": 1})

        # Registers behind the first one hold nothing that outlives a reset: only `enable` on its way says what counts.
        started, kept = Signal(), Signal(potential, reset_less=True)
        bias = Signal(signed(self._arch.bias_bits), reset_less=True)
        merged = union_terms(platform)
        z = [Signal(signed(self._arch.accumulator_bits), name=f"z{i}", reset_less=True) for i in range(merged)]
        began_with = Signal(side, reset_less=True)
        m.d.sync += [
            started.eq(self.enable),
            kept.eq(self.state.potential),
            bias.eq(Mux(self.biased, self.constants.bias, 0)),
            *(
                held.eq(reduce(or_, (self.z[i] for i in range(first, BRANCHES, merged))))
                for first, held in enumerate(z)
            ),
            began_with.theta.eq(self.constants.theta),
            began_with.below_phi.eq(Mux(self.unit_threshold, 0, self.constants.below_phi)),
            began_with.fires.eq(self.fires),
            began_with.falls.eq(self.fires & (self.two_sided | self.state.fired)),
            began_with.fired.eq(self.state.fired),
        ]

        integrated, v, compared_with = Signal(), Signal(potential, reset_less=True), Signal(side, reset_less=True)
        not_negative = Signal(reset_less=True)  # a register of its own: a carry chain takes no inverted input
        m.submodules.integrate = integrate = UnionAdder(self._arch.potential_bits)
        m.d.comb += [integrate.a.eq(kept << 1), integrate.b.eq(bias << 1)]
        m.d.comb += [term.eq(held) for term, held in zip((integrate.c, integrate.d), z, strict=False)]
        m.d.sync += [
            integrated.eq(started),
            v.eq(integrate.sum),
            not_negative.eq(~integrate.sum[-1]),
            compared_with.eq(began_with),
        ]

        beyond, below = compare(m, v, not_negative, compared_with.below_phi)
        pos, neg = Signal(), Signal()
        m.d.comb += [
            pos.eq(compared_with.fires & not_negative & (beyond | ~below)),
            neg.eq(compared_with.falls & ~not_negative & (beyond | below)),
        ]

        final, theta = Signal(potential, reset_less=True), Signal(threshold, reset_less=True)
        spiked = Signal(reset_less=True)
        with m.If(integrated):
            m.d.sync += [
                final.eq(v),
                theta.eq(compared_with.theta),
                self.pos.eq(pos),
                self.neg.eq(neg),
                spiked.eq(pos | neg),
                self.o.fired.eq(compared_with.fired | pos),
            ]

        m.submodules.discharge = discharge = TernaryAdder(self._arch.potential_bits)
        m.d.comb += [
            discharge.a.eq(final),
            discharge.b.eq(theta),
            discharge.valid.eq(spiked),
            discharge.sign.eq(self.pos),
            discharge.carry.eq(self.pos),
            self.o.potential.eq(discharge.sum),
        ]
        return m


def compare(m: Module, v: Signal, not_negative: Value, below_phi: Value) -> tuple[Signal, Signal]:
    """Whether |V| is beyond any phi, and the sign of V - phi or, where V is negative, of V + phi - 1."""
    bits = len(below_phi) + 1
    beyond, below = Signal(), Signal()
    m.submodules.compare = adder = TernaryAdder(bits)
    m.d.comb += [
        adder.a.eq(v[:bits].as_signed() if bits < len(v) else v),
        adder.b.eq(below_phi),
        adder.valid.eq(1),
        adder.sign.eq(not_negative),
        beyond.eq((v[bits - 1 :] ^ v[-1].replicate(len(v[bits - 1 :]))).any()),
        below.eq(adder.sum[-1]),
    ]
    return beyond, below
