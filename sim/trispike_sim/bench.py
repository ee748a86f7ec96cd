"""The bench that cocotb runs inside the simulator: plays the host by the script in the working directory.

The harness moves the words, at simulator speed; the bench only says how many, and wakes up when they have moved.
"""

from itertools import cycle
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, First, RisingEdge

from trispike_sim.script import Record, Script

#: Cycles until the harness has taken the seed and released the reset, and some more.
_RESET_CYCLES = 8

#: Signals of the harness that say what is wrong with the design, and those that count.
_FLAGS = ("stuck", "beyond")
_COUNTS = ("sent", "received", "traced", "streamed")


class Streams:
    """Driver of the input stream and monitor of the output stream, both inside the harness."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self._sent = 0
        self._received = 0

    async def start(self, script: Script) -> None:
        """Set the pauses; the harness takes the seed while it holds the design in reset."""
        # Simulators differ in whether the clock's first value counts as a falling edge; a rising edge it is not.
        await RisingEdge(self._dut.clk)
        await FallingEdge(self._dut.clk)
        self._dut.seed.value = script.seed
        self._dut.input_pause.value = script.input_pause
        self._dut.output_pause.value = script.output_pause
        self._dut.weight_pause.value = script.weight_pause
        self._dut.weight_latency.value = script.weight_latency
        self._dut.patience.value = script.patience
        for _ in range(_RESET_CYCLES):
            await FallingEdge(self._dut.clk)

    async def exchange(self, send: int, receive: int) -> dict[str, bool]:
        """Send the next `send` words and take `receive`; the flags say what went wrong on the way."""
        self._sent += send
        self._received += receive
        self._dut.send_limit.value = self._sent
        self._dut.receive_limit.value = self._received
        await First(*(RisingEdge(getattr(self._dut, name)) for name in ("done", *_FLAGS)))
        await FallingEdge(self._dut.clk)
        return {name: bool(int(getattr(self._dut, name).value)) for name in _FLAGS}


class RegisterBus:
    """Reads registers over the register bus, one a cycle."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut

    async def read(self, addresses: list[int]) -> list[int | None]:
        """Contents of the registers; None where a bit is undefined."""
        contents = []
        for address in addresses:
            self._dut.registers_address.value = address
            await FallingEdge(self._dut.clk)
            data = self._dut.registers_data.value
            contents.append(int(data) if data.is_resolvable else None)
        return contents


@cocotb.test()
async def play(dut: Any) -> None:
    """Load, then run after run, with a record of each phase."""
    directory = Path.cwd()
    script = Script.read(directory)
    streams, registers = Streams(dut), RegisterBus(dut)
    await streams.start(script)
    phases = [(script.load_words, 0, script.identity)]
    counters = cycle(script.counters)
    phases += list(zip(script.run_words, script.output_words, counters, strict=False))
    for phase, (send, receive, addresses) in enumerate(phases):
        if script.dump_from is not None and phase == script.dump_from + 1:
            dut.dump.value = 1
        start = int(dut.cycle.value)
        flags = await streams.exchange(send, receive)
        cycles = int(dut.cycle.value) - start
        counts = {name: int(getattr(dut, name).value) for name in _COUNTS}
        contents = await registers.read(addresses)
        Record(phase, cycles, registers=contents, **counts, **flags).append(directory)
        if any(flags.values()):
            return
