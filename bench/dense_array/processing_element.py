"""Multiply and accumulate, one product a cycle, in look-up tables alone."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from trispike_hw.carry_chains import TernaryAdder

ACTIVATION_BITS, WEIGHT_BITS = 8, 8
STAGES = 5  # from operands to the accumulator


class DenseElement(wiring.Component):
    """acc <= acc + activation * weight, or activation * weight after `first`.

    The product is seven additions of the weight, each as far as the bit of the activation wants it: one LUT4 a bit, for
    the ECP5's carry chain masks an operand for nothing (`TernaryAdder`). The same adder leaves the old sum out where a
    new one begins. Latency: STAGES cycles from operands to `result`, which stands from the product with `last` on until
    the next one. Throughput: one product a cycle. No back-pressure. Reset: nothing under way.
    """

    def __init__(self, accumulator_bits: int):
        self._bits = accumulator_bits
        super().__init__(
            {
                "activation": In(unsigned(ACTIVATION_BITS)),
                "weight": In(signed(WEIGHT_BITS)),
                "first": In(1),
                "last": In(1),
                "result": Out(signed(accumulator_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Two bits of the activation a stage: `high` is the sum so far without the bits that are settled, `low`.
        high, low = Mux(self.activation[0], self.weight, 0).as_signed(), []
        activation, weight, first, last = self.activation, self.weight, self.first, self.last
        for bit in range(1, ACTIVATION_BITS):
            m.submodules[f"add{bit}"] = adder = TernaryAdder(WEIGHT_BITS + 1)
            m.d.comb += [adder.a.eq(high >> 1), adder.b.eq(weight), adder.valid.eq(activation[bit])]
            low.append(high[0])
            high = adder.sum
            if bit % 2 == 0 or bit == ACTIVATION_BITS - 1:
                kept = []
                for name, value in (("high", high), ("low", Cat(*low)), ("activation", activation),
                                    ("weight", weight), ("first", first), ("last", last)):  # fmt: skip
                    register = Signal(value.shape(), name=f"{name}{bit}")
                    m.d.sync += register.eq(value)
                    kept.append(register)
                high, settled, activation, weight, first, last = kept
                low = list(settled)

        accumulator = Signal(signed(self._bits))
        m.submodules.accumulate = total = TernaryAdder(self._bits)
        m.d.comb += [
            total.a.eq(Cat(*low, high).as_signed()),
            total.b.eq(accumulator),
            total.valid.eq(~first),
        ]
        m.d.sync += accumulator.eq(total.sum)
        with m.If(last):
            m.d.sync += self.result.eq(total.sum)
        return m
