"""The ternary adder of a processing element: a + b, a - b or a, in one look-up table per bit where the device can."""

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class TernaryAdder(wiring.Component):
    """Combinational `sum` = a + b (valid), a - b (valid and sign), or a (not valid), modulo 2**bits.

    On a Lattice ECP5 the adder is a chain of CCU2C primitives, two bits each: every look-up table computes
    a ^ (valid & (b ^ sign)) and its carry, with A = a, B = b, C = sign, D = valid and INIT 0x96AA; the carry into the
    chain is sign & valid (Lattice TN-02215, sysSLICE ripple mode). Elsewhere, and in simulation, the portable twin.
    """

    def __init__(self, bits: int):
        self._bits = bits
        super().__init__(
            {
                "a": In(signed(bits)),
                "b": In(signed(bits)),
                "valid": In(1),
                "sign": In(1),
                "sum": Out(signed(bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if getattr(platform, "device", "").startswith("LFE5U"):
            self._chain(m)
        else:
            operand = Signal(signed(self._bits))
            m.d.comb += operand.eq(Mux(self.valid, self.b ^ self.sign.replicate(self._bits).as_signed(), 0))
            # A bit below the least significant one makes the carry: 1 + (sign & valid). One adder, not two.
            total = Signal(self._bits + 1)
            m.d.comb += [
                total.eq(Cat(Const(1, 1), self.a) + Cat(self.sign & self.valid, operand)),
                self.sum.eq(total[1:]),
            ]
        return m

    def _chain(self, m: Module) -> None:
        """Two bits per CCU2C; an odd width gets one sign bit more."""
        width = self._bits + self._bits % 2
        a = Signal(signed(width))
        b = Signal(signed(width))
        total = Signal(width)
        m.d.comb += [a.eq(self.a), b.eq(self.b), self.sum.eq(total)]
        carry = self.sign & self.valid
        for low in range(0, width, 2):
            carry_out = Signal(name=f"carry{low}")
            m.submodules[f"pair{low // 2}"] = Instance(
                "CCU2C",
                p_INIT0=Const(0x96AA, 16),
                p_INIT1=Const(0x96AA, 16),
                p_INJECT1_0="NO",
                p_INJECT1_1="NO",
                i_CIN=carry,
                **{
                    f"i_{port}{half}": value
                    for half in (0, 1)
                    for port, value in (
                        ("A", a[low + half]),
                        ("B", b[low + half]),
                        ("C", self.sign),
                        ("D", self.valid),
                    )
                },
                o_S0=total[low],
                o_S1=total[low + 1],
                o_COUT=carry_out,
            )
            carry = carry_out
