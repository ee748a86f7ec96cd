"""The accelerator as Verilog text."""

from amaranth.back import verilog

from .accelerator import Accelerator
from .architecture import Architecture
from .devices import DEVICES, Device


def generate(
    arch: Architecture, *, name: str = "trispike", trace: bool = False, device: Device = DEVICES["generic"]
) -> str:
    """One file of Verilog with top module `name`.

    `trace` adds the port on which benches watch the spike memory; `device` says which primitives the Verilog may use.
    """
    accelerator = Accelerator(arch, trace=trace)
    return verilog.convert(accelerator, name=name, platform=device, emit_src=False, strip_internal_attrs=True)
