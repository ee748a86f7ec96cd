"""The accelerator as Verilog text."""

from amaranth.back import verilog

from .accelerator import Accelerator
from .architecture import Architecture


def generate(arch: Architecture, *, name: str = "trispike", trace: bool = False) -> str:
    """One file of Verilog with top module `name`; `trace` adds the port on which benches watch the spike memory."""
    return verilog.convert(Accelerator(arch, trace=trace), name=name, emit_src=False, strip_internal_attrs=True)
