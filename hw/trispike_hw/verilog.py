"""The accelerator as Verilog text."""

from typing import Any

from amaranth.back import verilog

from .accelerator import Accelerator
from .architecture import Architecture
from .bus import BUSES
from .bus.axi import AxiAccelerator
from .bus.wishbone import WishboneAccelerator
from .devices import DEVICES, Device

_TOPS: dict[str, Any] = dict(zip(BUSES, (Accelerator, AxiAccelerator, WishboneAccelerator), strict=True))


def generate(
    arch: Architecture, *, name: str = "trispike", device: Device = DEVICES["generic"], bus: str = "stream"
) -> str:
    """One file of Verilog with top module `name`.

    `bus`, one of BUSES, says which ports it has, `device` which primitives the Verilog may use.
    """
    top = _TOPS[bus](arch)
    return verilog.convert(top, name=name, platform=device, emit_src=False, strip_internal_attrs=True)
