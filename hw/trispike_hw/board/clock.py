"""The clock of a board's design, made from that of the board."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from .xilinx_clock import Plle2Settings

#: Limits of the ECP5's EHXPLLL (Lattice FPGA-DS-02012): MHz of the phase detector and of the oscillator.
_PHASE_MHZ = (3.125, 400.0)
_OSCILLATOR_MHZ = (400.0, 800.0)
_DIVISORS = range(1, 81)

#: How far a clock may be from the one asked for.
_TOLERANCE = 0.005


@dataclass(frozen=True)
class PllSettings:
    """Divisors of an EHXPLLL that feeds its output back: out = in * feedback / reference, oscillator = out * output."""

    reference: int
    feedback: int
    output: int
    mhz: float

    @classmethod
    def of(cls, board_mhz: float, mhz: float) -> "PllSettings":
        """The settings that come closest to `mhz`.

        Raises:
            ValueError: if none comes within half a percent of it.
        """
        candidates = []
        for reference in _DIVISORS:
            if not _PHASE_MHZ[0] <= board_mhz / reference <= _PHASE_MHZ[1]:
                continue
            feedback = round(mhz * reference / board_mhz)
            made = board_mhz * feedback / reference
            outputs = [o for o in _DIVISORS if feedback in _DIVISORS and _in_range(made * o)]
            if outputs and abs(made / mhz - 1) <= _TOLERANCE:
                candidates.append((abs(made - mhz), reference, cls(reference, feedback, outputs[-1], made)))
        if not candidates:
            raise ValueError(
                f"no setting of the PLL makes {mhz:g} MHz of the board's {board_mhz:g} MHz; choose one near it"
            )
        return min(candidates, key=lambda candidate: candidate[:2])[2]

    def pll(self) -> "Pll":
        """The PLL with these settings."""
        return Pll(self)


def _in_range(oscillator_mhz: float) -> bool:
    return _OSCILLATOR_MHZ[0] <= oscillator_mhz <= _OSCILLATOR_MHZ[1]


def pll_settings(platform: Any, mhz: float) -> PllSettings | Plle2Settings | None:
    """How the board of `platform` makes a clock of `mhz`; None if its own has that already.

    Raises:
        ValueError: if it cannot.
    """
    board_mhz = platform.default_clk_frequency / 1e6
    if mhz == board_mhz:
        return None
    for family, settings in (("LFE5U", PllSettings), ("xc7", Plle2Settings)):
        if platform.device.startswith(family):
            return settings.of(board_mhz, mhz)
    raise ValueError(f"the clock of this board is {board_mhz:g} MHz and cannot be changed to {mhz:g} MHz")


class Pll(Elaboratable):
    """Drives the domain `sync`, which the design makes, from the board's clock; in reset until the clock is steady."""

    def __init__(self, settings: PllSettings) -> None:
        self._settings = settings

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        m = Module()
        locked = Signal()
        m.submodules.board = board = io.Buffer(io.Direction.Input, platform.request(platform.default_clk, dir="-"))
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_CLKI_DIV=self._settings.reference,
            p_CLKFB_DIV=self._settings.feedback,
            p_CLKOP_DIV=self._settings.output,
            p_CLKOP_CPHASE=self._settings.output - 1,
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=board.i,
            i_CLKFB=ClockSignal("sync"),
            i_RST=0,
            i_STDBY=0,
            o_CLKOP=ClockSignal("sync"),
            o_LOCK=locked,
        )
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")
        return m
