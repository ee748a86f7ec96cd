"""A simulated device behind a pseudo-terminal, for the very host program that talks to a board."""

import os
import selectors
import subprocess
import tty
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from trispike.errors import DeviceError
from trispike_hw.architecture import Architecture

from .faults import FaultInjector
from .linked import linked_program

_CHUNK = 4096


class Server:
    """A device of `arch` in the simulator; use as a context. `path` is its end of the line for hosts, one at a time.

    `faults` of the frames suffer each kind of fault, both ways, by `seed` (see `FaultInjector`).
    """

    def __init__(self, arch: Architecture, *, faults: float = 0.0, seed: int = 0) -> None:
        """
        Raises:
            ToolError: if Verilator is missing or cannot compile the design.
            OutputError: if the cache cannot be written.
        """
        program = linked_program(arch)
        self._to_device, self._to_host = FaultInjector(faults, seed), FaultInjector(faults, seed + 1)
        # The server keeps the host's end open too: else the line would be cut between two hosts.
        self._line, self._host_end = os.openpty()
        try:
            tty.setraw(self._host_end)
            os.set_blocking(self._line, False)
            self.path = os.ttyname(self._host_end)
            self._device = subprocess.Popen(
                [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except BaseException:
            self.close_line()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        """End the simulator and cut the line."""
        self._device.kill()
        self._device.communicate()
        self.close_line()

    def close_line(self) -> None:
        """Cut the line, as when a cable is pulled."""
        for end in (self._line, self._host_end):
            if end >= 0:
                os.close(end)
        self._line = self._host_end = -1

    @property
    def fault_counts(self) -> Counter[str]:
        """How many frames suffered what so far, both ways together."""
        return self._to_device.counts + self._to_host.counts

    def serve(self, wanted: Callable[[], bool] = lambda: True) -> None:
        """Carry bytes for as long as they are `wanted`, which is asked every tenth of a second.

        Raises:
            DeviceError: if the simulator ends.
        """
        stdin, stdout = self._device.stdin, self._device.stdout
        assert stdin is not None and stdout is not None
        with selectors.DefaultSelector() as ready:
            ready.register(self._line, selectors.EVENT_READ)
            ready.register(stdout, selectors.EVENT_READ)
            while wanted():
                for key, _ in ready.select(0.1):
                    if key.fileobj is stdout:
                        data = os.read(stdout.fileno(), _CHUNK)
                        if not data:
                            raise DeviceError(f"the simulator ended with exit code {self._device.wait()}; start again")
                        self._write(self._to_host.pass_on(data))
                    else:
                        stdin.write(self._to_device.pass_on(os.read(self._line, _CHUNK)))
                        stdin.flush()

    def _write(self, data: bytes) -> None:
        """Give bytes to the host; those that a host does not take are lost, as on a wire."""
        with suppress(BlockingIOError):
            os.write(self._line, data)
