"""An SDRAM as its data sheet describes it: keeps what is written, and fails the test when a rule is broken."""

from trispike_hw.memory.sdram import SdramCommand
from trispike_hw.memory.sdram_part import SdramPart

POSTPONED = 8
"""REFRESH commands that may be late before rows forget."""


class Sdram:
    """The part, a clock of `clock` Hz at a time. `content` by bank, row and column; what was never written is None."""

    def __init__(self, part: SdramPart, clock: float) -> None:
        self.part = part
        self.content: dict[tuple[int, int, int], int] = {}
        self.refreshes: list[float] = []
        self._period = 1e9 / clock
        self._cycle = 0
        self._open: dict[int, int] = {}  # row by bank
        self._activated: dict[int, float] = {}
        self._closed: dict[int, float] = {}  # end of the last PRECHARGE
        self._written: dict[int, float] = {}  # last word written
        self._busy_until, self._busy_for = 0.0, "nothing"
        self._mode: tuple[int, int] | None = None  # CAS latency, burst length
        self._writing: list[tuple[int, int, int]] = []
        self._reading: dict[int, int | None] = {}  # by the cycle in which the word can be sampled

    def clock(self, command: SdramCommand, bank: int, address: int, data: int, driven: bool) -> int | None:
        """One rising edge: what the pins have then, `data` if the controller has `driven` them; returns what the part
        shows until it can be sampled at the next edge, None if nothing."""
        now = self._cycle * self._period
        if command is not SdramCommand.NOP:
            assert now >= self._busy_until, f"{command.name} comes too early after {self._busy_for}"
        if self.refreshes:
            late = now - self.refreshes[0] - (len(self.refreshes) + POSTPONED) * self.part.t_refi
            assert late <= 0, "rows forget: REFRESH comes too seldom"
        getattr(self, f"_{command.name.lower()}")(now, bank, address)
        if self._writing:
            assert driven, "nobody drives the word to be written"
            self.content[self._writing.pop(0)] = data
            self._written[bank] = now
        else:
            assert not driven, "the controller drives the bus and writes nothing"
        assert not (driven and (self._cycle in self._reading or self._cycle + 1 in self._reading)), "both drive the bus"
        self._cycle += 1
        return self._reading.pop(self._cycle) if self._cycle in self._reading else None

    def _keep_busy(self, nanoseconds: float, reason: str) -> None:
        # A cycle that begins a rounding error early is not early.
        self._busy_until, self._busy_for = self._cycle * self._period + nanoseconds - 0.001, reason

    def _nop(self, now: float, bank: int, address: int) -> None:
        """NO OPERATION: nothing to check and nothing to do."""

    def _active(self, now: float, bank: int, address: int) -> None:
        assert self._mode is not None, "ACTIVE before LOAD MODE"
        assert bank not in self._open, "ACTIVE of an open bank"
        assert now - self._closed[bank] >= self.part.t_rp - 0.001, "ACTIVE breaks tRP"
        assert now - self._activated.get(bank, -1e9) >= self.part.t_rc - 0.001, "ACTIVE breaks tRC"
        self._open[bank], self._activated[bank] = address, now

    def _check_access(self, now: float, bank: int) -> None:
        assert bank in self._open, "an access to a closed bank"
        assert now - self._activated[bank] >= self.part.t_rcd - 0.001, "an access breaks tRCD"
        assert not self._writing, "an access ends a burst that writes"

    def _columns(self, bank: int, address: int) -> list[tuple[int, int, int]]:
        assert self._mode is not None
        length, column = self._mode[1], address % (1 << self.part.column_bits)
        assert address == column, "auto precharge, which the model does not know"
        first = column - column % length
        return [(bank, self._open[bank], first + (column + i) % length) for i in range(length)]

    def _read(self, now: float, bank: int, address: int) -> None:
        self._check_access(now, bank)
        assert self._mode is not None
        for number, place in enumerate(self._columns(bank, address)):
            self._reading[self._cycle + self._mode[0] + number] = self.content.get(place)

    def _write(self, now: float, bank: int, address: int) -> None:
        self._check_access(now, bank)
        self._writing = self._columns(bank, address)

    def _precharge(self, now: float, bank: int, address: int) -> None:
        assert now >= self.part.power_up - 0.001, "a command before the end of power-up"
        assert not self._writing, "PRECHARGE ends a burst that writes"
        for each in range(1 << self.part.bank_bits) if address >> 10 & 1 else [bank]:
            if each in self._open:
                assert now - self._activated[each] >= self.part.t_ras - 0.001, "PRECHARGE breaks tRAS"
                assert now - self._written.get(each, -1e9) >= self.part.t_wr - 0.001, "PRECHARGE breaks tWR"
                del self._open[each]
            self._closed[each] = now

    def _refresh(self, now: float, bank: int, address: int) -> None:
        assert not self._open, "REFRESH while a bank is open"
        assert len(self._closed) == 1 << self.part.bank_bits, "REFRESH before PRECHARGE of all banks"
        assert now - max(self._closed.values()) >= self.part.t_rp - 0.001, "REFRESH breaks tRP"
        self.refreshes.append(now)
        self._keep_busy(self.part.t_rfc, "REFRESH")

    def _load_mode(self, now: float, bank: int, address: int) -> None:
        assert not self._open, "LOAD MODE while a bank is open"
        assert len(self.refreshes) >= self.part.refreshes, "LOAD MODE before enough REFRESH"
        assert address & ~0b1110111 == 0, "a mode that the model does not know"
        self._mode = (address >> 4, 1 << (address & 7))
        self._keep_busy(self.part.t_mrd * self._period, "LOAD MODE")
