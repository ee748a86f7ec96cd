"""What a data sheet says about a single-data-rate SDRAM."""

from dataclasses import dataclass

from .cycles import at_most

#: Cycles between two REFRESH that leave most of the time for words.
_FEWEST_BETWEEN_REFRESHES = 64


@dataclass(frozen=True)
class SdramPart:
    """Geometry and timing, named as in data sheets; times in nanoseconds are the shortest allowed.

    `t_rcd` from ACTIVE to READ or WRITE, `t_ras` from ACTIVE to PRECHARGE, `t_rp` from PRECHARGE to ACTIVE, `t_rc` from
    ACTIVE to ACTIVE, `t_rfc` from REFRESH to any command, `t_wr` from the last word written to PRECHARGE, `t_refi` the
    mean (longest) distance of two REFRESH. `t_mrd` counts clocks, from LOAD MODE to any command; `power_up` is the wait
    before the first command, `refreshes` how many there must be before LOAD MODE. `cas` is the latency of a READ in
    clocks that goes with `fastest`, in Hz.
    """

    bank_bits: int
    row_bits: int
    column_bits: int
    data_bits: int
    t_rcd: float
    t_ras: float
    t_rp: float
    t_rc: float
    t_rfc: float
    t_wr: float
    t_refi: float
    t_mrd: int
    power_up: float
    refreshes: int
    cas: int
    fastest: float

    @property
    def words(self) -> int:
        """32-bit words."""
        return (1 << self.bank_bits + self.row_bits + self.column_bits) * self.data_bits // 32

    def check(self, clock: float) -> None:
        """Refuse a clock, in Hz, that the part cannot have.

        Raises:
            ValueError: if it is too fast, or too slow to refresh it beside anything else.
        """
        if clock > self.fastest:
            raise ValueError(f"the SDRAM runs at {self.fastest / 1e6:g} MHz at most, not at {clock / 1e6:g} MHz")
        if at_most(self.t_refi, clock) < _FEWEST_BETWEEN_REFRESHES:
            raise ValueError(f"a clock of {clock / 1e6:g} MHz is too slow to refresh the SDRAM; choose a faster one")


SDR_256_MBIT = SdramPart(
    bank_bits=2, row_bits=13, column_bits=9, data_bits=16,
    t_rcd=21, t_ras=44, t_rp=21, t_rc=66, t_rfc=66, t_wr=15, t_refi=64e6 / 8192, t_mrd=2,
    power_up=200e3, refreshes=8, cas=3, fastest=133e6,
)  # fmt: skip
"""16 M x 16 bits, as boards of one kind carry from several makers: each time is the longer one of AS4C16M16SA-7 and
MT48LC16M16A2-75 (of the same class as IS42S16160G-7)."""
