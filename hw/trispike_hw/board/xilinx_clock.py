"""The clock of a design on a Xilinx 7-series part, made from that of the board."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

#: Limits of the PLLE2 in speed grade 1 (DS181): MHz of the phase detector and of the oscillator.
_PHASE_MHZ = (19.0, 450.0)
_OSCILLATOR_MHZ = (800.0, 1600.0)
_REFERENCES, _MULTIPLIERS, _OUTPUTS = range(1, 57), range(2, 65), range(1, 129)

#: How far a clock may be from the one asked for.
_TOLERANCE = 0.005


@dataclass(frozen=True)
class Plle2Settings:
    """Divisors of a PLLE2: oscillator = in * feedback / reference, out = oscillator / output."""

    reference: int
    feedback: int
    output: int
    mhz: float
    board_mhz: float

    @classmethod
    def of(cls, board_mhz: float, mhz: float) -> "Plle2Settings":
        """The settings that come closest to `mhz`, with the fastest phase detector.

        Raises:
            ValueError: if none comes within half a percent of it.
        """
        candidates = []
        for reference in _REFERENCES:
            phase = board_mhz / reference
            if not _PHASE_MHZ[0] <= phase <= _PHASE_MHZ[1]:
                continue
            for output in _OUTPUTS:
                feedback = round(mhz * output / phase)
                oscillator = phase * feedback
                if feedback in _MULTIPLIERS and _OSCILLATOR_MHZ[0] <= oscillator <= _OSCILLATOR_MHZ[1]:
                    made = oscillator / output
                    candidates.append((abs(made - mhz), reference, cls(reference, feedback, output, made, board_mhz)))
        best = min(candidates, key=lambda candidate: candidate[:2], default=None)
        if best is None or best[0] > _TOLERANCE * mhz:
            raise ValueError(
                f"no setting of the PLL makes {mhz:g} MHz of the board's {board_mhz:g} MHz; choose one near it"
            )
        return best[2]

    def pll(self) -> "Plle2":
        """The PLL with these settings."""
        return Plle2(self)


class Plle2(Elaboratable):
    """Drives the domain `sync`, which the design makes, from the board's clock; in reset until the clock is steady."""

    def __init__(self, settings: Plle2Settings) -> None:
        self._settings = settings

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        m = Module()
        settings = self._settings
        locked, feedback, made = Signal(), Signal(), Signal()
        m.submodules.board = board = io.Buffer(io.Direction.Input, platform.request(platform.default_clk, dir="-"))
        m.submodules.pll = Instance(
            "PLLE2_BASE",
            p_CLKIN1_PERIOD=1e3 / settings.board_mhz,
            p_DIVCLK_DIVIDE=settings.reference,
            p_CLKFBOUT_MULT=settings.feedback,
            p_CLKOUT0_DIVIDE=settings.output,
            i_CLKIN1=board.i,
            i_CLKFBIN=feedback,
            i_RST=0,
            i_PWRDWN=0,
            o_CLKFBOUT=feedback,
            o_CLKOUT0=made,
            o_LOCKED=locked,
        )
        m.submodules.buffer = Instance("BUFG", i_I=made, o_O=ClockSignal("sync"))
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")
        return m
