"""Adders that use a device's carry chain to the full: vendor primitives, each beside its portable twin."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def is_ecp5(platform) -> bool:
    """Whether the design is for a Lattice ECP5."""
    return getattr(platform, "device", "").startswith("LFE5U")


class TernaryAdder(wiring.Component):
    """Combinational `sum` = a + b (valid), a - b (valid, sign and carry), or a (not valid), modulo 2**bits.

    `sign` inverts b, and `carry` adds one: together they subtract. They are two inputs so that none of them waits for a
    look-up table.

    On a Lattice ECP5 the adder is a chain of CCU2C primitives, two bits each: every look-up table computes
    a ^ (valid & (b ^ sign)) and its carry, with A = a, B = b, C = sign, D = valid and INIT 0x96AA (Lattice TN-02215,
    sysSLICE ripple mode). Elsewhere, and in simulation, the portable twin.
    """

    def __init__(self, bits: int):
        self._bits = bits
        super().__init__(
            {
                "a": In(signed(bits)),
                "b": In(signed(bits)),
                "valid": In(1),
                "sign": In(1),
                "carry": In(1),
                "sum": Out(signed(bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if is_ecp5(platform):
            words = {"A": self.a, "B": self.b, "C": self.sign, "D": self.valid}
            m.d.comb += self.sum.eq(_ecp5_chain(m, 0x96AA, words, self.carry, self._bits))
        else:
            operand = Signal(signed(self._bits))
            m.d.comb += operand.eq(Mux(self.valid, self.b ^ self.sign.replicate(self._bits).as_signed(), 0))
            # A bit below the least significant one makes the carry: 1 + carry. One adder, not two.
            total = Signal(self._bits + 1)
            m.d.comb += [
                total.eq(Cat(Const(1, 1), self.a) + Cat(self.carry, operand)),
                self.sum.eq(total[1:]),
            ]
        return m


def union_terms(platform) -> int:
    """Words on the side `c`, `d` of a `UnionAdder` that cost no look-up table. A carry cell of Xilinx 7 or iCE40 takes
    an addend beside the look-up table, and so a single word."""
    return 2 if is_ecp5(platform) else 1


class UnionAdder(wiring.Component):
    """Combinational `sum` = (a | b) + (c | d), modulo 2**bits: takes the last stage of a bus of gated words into the
    adder. `union_terms(platform)` says whether `d` is free; otherwise it is better left at 0.

    On a Lattice ECP5 every look-up table of the chain computes (a | b) ^ (c | d), with A = a to D = d. Where both sides
    are equal, and the carry is thus made anew, it is a | b, which the table gives for c = d = 0: INIT 0x111E.
    """

    def __init__(self, bits: int):
        self._bits = bits
        super().__init__({name: In(signed(bits)) for name in "abcd"} | {"sum": Out(signed(bits))})

    def elaborate(self, platform):
        m = Module()
        if is_ecp5(platform):
            words = {"A": self.a, "B": self.b, "C": self.c, "D": self.d}
            m.d.comb += self.sum.eq(_ecp5_chain(m, 0x111E, words, Const(0, 1), self._bits))
        else:
            m.d.comb += self.sum.eq((self.c | self.d) + (self.a | self.b))  # the carry cells take the first operand
        return m


class LoadableAdder(wiring.Component):
    """Combinational `sum` = start (load), a + b (add and not load), or a + 1 (neither), modulo 2**bits: what a register
    with two steps takes next.

    On a Lattice ECP5 it needs no multiplexer behind the chain, and the one before it takes what chooses b, too. C and D
    say start or b alone (both), a + b (D) or a + 1 (C). Where the look-up table gives 0, and the carry is thus made
    anew, it is a & b, which the table gives for C = D = 0: INIT 0xC6A8.
    """

    def __init__(self, bits: int):
        self._bits = bits
        words = {name: In(signed(bits)) for name in ("a", "b", "start")}
        super().__init__(words | {"load": In(1), "add": In(1), "sum": Out(signed(bits))})

    def elaborate(self, platform):
        m = Module()
        if is_ecp5(platform):
            moves = self.load | self.add
            words = {"A": self.a, "B": Mux(self.load, self.start, self.b), "C": self.load | ~self.add, "D": moves}
            m.d.comb += self.sum.eq(_ecp5_chain(m, 0xC6A8, words, ~moves, self._bits))
        else:
            m.d.comb += self.sum.eq(Mux(self.load, self.start, self.a + Mux(self.add, self.b, 1)))
        return m


class LoadableCountdown(wiring.Component):
    """Combinational `sum` = start (load) or a - 1, modulo 2**bits: what a register that counts down takes next.

    On a Lattice ECP5 it needs no multiplexer: the look-up tables compute ~start (C) or ~a, and a carry of 0 borrows.
    Where the table gives 0 nothing is borrowed, whatever it was made of; nor at the lowest bit, where start is loaded:
    INIT 0x353F, with D = 1.
    """

    def __init__(self, bits: int):
        self._bits = bits
        super().__init__({"a": In(signed(bits)), "start": In(signed(bits)), "load": In(1), "sum": Out(signed(bits))})

    def elaborate(self, platform):
        m = Module()
        if is_ecp5(platform):
            words = {"A": self.a, "B": self.start, "C": self.load, "D": Const(1, 1)}
            m.d.comb += self.sum.eq(_ecp5_chain(m, 0x353F, words, self.load, self._bits))
        else:
            m.d.comb += self.sum.eq(Mux(self.load, self.start, self.a - 1))
        return m


def _ecp5_chain(m: Module, init: int, inputs: Mapping[str, Value], carry: Value, bits: int) -> Value:
    """The sum of a chain of CCU2C, two bits each; an odd width gets one sign bit more.

    `inputs` are those of the look-up tables, a bit of a signed value each, or one bit for all.
    """
    width = bits + bits % 2
    wide = {}
    for port, value in inputs.items():
        wide[port] = Signal(signed(width), name=f"input_{port.lower()}")
        m.d.comb += wide[port].eq(value if len(value) > 1 else value.replicate(width))
    total = Signal(width)
    for low in range(0, width, 2):
        carry_out = Signal(name=f"carry{low}")
        m.submodules[f"pair{low // 2}"] = Instance(
            "CCU2C",
            p_INIT0=Const(init, 16),
            p_INIT1=Const(init, 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_CIN=carry,
            **{f"i_{port}{half}": value[low + half] for half in (0, 1) for port, value in wide.items()},
            o_S0=total[low],
            o_S1=total[low + 1],
            o_COUT=carry_out,
        )
        carry = carry_out
    return total[:bits]
