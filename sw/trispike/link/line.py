"""Lines: whatever carries bytes to a device and back."""

from contextlib import suppress
from importlib import import_module
from types import TracebackType
from typing import Protocol, Self

import serial

from ..errors import DeviceError

#: Bits a second of the boards that trispike builds for; pseudo-terminals do not care.
DEFAULT_BAUD = 1_000_000

#: Seconds in which the line must take the bytes of a frame.
_WRITE_SECONDS = 5.0


#: What a port raises: pyserial lets some errors of the system, and of the terminal driver, through as they are.
_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError)
with suppress(ModuleNotFoundError):  # there is none on Windows
    _ERRORS += (import_module("termios").error,)


class Line(Protocol):
    """Carries bytes. `name` is what messages call it."""

    name: str

    def write(self, data: bytes) -> None:
        """Send `data`.

        Raises:
            DeviceError: if the line is cut.
        """
        ...

    def read(self, seconds: float) -> bytes:
        """Bytes that have come, at least one, or none if nothing comes for so many seconds.

        Raises:
            DeviceError: if the line is cut.
        """
        ...


class SerialLine:
    """A serial port or pseudo-terminal, for this process alone; use as a context."""

    def __init__(self, path: str, baud: int = DEFAULT_BAUD) -> None:
        """
        Raises:
            DeviceError: if there is no such port, or it cannot be used.
        """
        self.name = path
        try:
            self._port = serial.Serial(path, baud, write_timeout=_WRITE_SECONDS, exclusive=True)
            self._port.reset_input_buffer()
        except (*_ERRORS, ValueError) as error:
            raise DeviceError(
                f"cannot open serial port {path}: {_reason(error)}; give the port of the board, or the one that "
                f"`trispike serve` names"
            ) from error

    def write(self, data: bytes) -> None:
        """See `Line`."""
        try:
            self._port.write(data)
        except _ERRORS as error:
            raise self._cut(error) from error

    def read(self, seconds: float) -> bytes:
        """See `Line`."""
        try:
            self._port.timeout = seconds
            first = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""
        except _ERRORS as error:
            raise self._cut(error) from error

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cut(self, error: BaseException) -> DeviceError:
        return DeviceError(
            f"the line to {self.name} was cut ({_reason(error)}); connect the device again and repeat the command"
        )


def _reason(error: BaseException) -> str:
    """The system's words for an error, without pyserial's repetition of them."""
    strerror = getattr(error, "strerror", None)
    if strerror and "[Errno" not in strerror:
        return strerror
    return str(error).rpartition("] ")[2].split(":")[0].strip(" ')(") or type(error).__name__
