"""Whether a device is one of ours, and of the architecture that a program was compiled for."""

from collections.abc import Mapping

from trispike_hw import registers
from trispike_hw.architecture import Architecture
from trispike_hw.registers import Register

from .errors import DeviceError

#: The registers that say so.
IDENTITY = (registers.MAGIC, registers.VERSION, registers.DIGEST_HIGH, registers.DIGEST_LOW)


def check_identity(arch: Architecture, values: Mapping[Register, int], device: str, remedy: str) -> None:
    """Refuse a device, called `device` in the message, that is none of ours or not of `arch`.

    `values` are the contents of IDENTITY; `remedy` says how a device of an architecture is made.

    Raises:
        DeviceError: if it is not.
    """
    magic, version = values[registers.MAGIC], values[registers.VERSION]
    if (magic, version) != (registers.MAGIC_VALUE, registers.VERSION_VALUE):
        raise DeviceError(
            f"{device} identifies itself as {magic:#010x} version {version}, not as {registers.MAGIC_VALUE:#010x} "
            f"version {registers.VERSION_VALUE}; {remedy} with this version of trispike"
        )
    found = f"{values[registers.DIGEST_HIGH]:08x}{values[registers.DIGEST_LOW]:08x}"
    if found != arch.digest[:16]:
        raise DeviceError(
            f"the program is for architecture {arch.name} ({arch.digest[:16]}), but {device} is of architecture "
            f"{found}; {remedy} for {arch.name}, or compile the network for the architecture that it has"
        )
