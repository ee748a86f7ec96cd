"""Compiled simulations, kept in a cache of the user so that the same design is compiled once."""

import os
from contextlib import suppress
from pathlib import Path

import cocotb
from cocotb_tools.config import libs_dir
from cocotb_tools.runner import get_runner

from trispike.cache import NewEntry, cache_directory, forget_oldest, hardware_sources, key_of
from trispike.errors import ToolError
from trispike_hw.architecture import Architecture

from .tools import Simulator

HARNESS = Path(__file__).with_name("harness.v")
TOPLEVEL = "harness"
TIMESCALE = ("1ns", "1ps")

#: What a compiled simulation needs to run; all else that the compilers leave is thrown away.
_PRODUCT = {"icarus": "sim.vvp", "verilator": TOPLEVEL}

#: The harness marks what the bench touches, so nothing else needs to be visible (which would cost optimisation). The
#: Verilog of Amaranth has harmless width warnings; the lint run looks at them, not the simulation. It also relies on
#: initial values of variables waking combinational blocks at time 0, as in Verilog; in SystemVerilog, Icarus' other
#: language, they come too early for that, and blocks whose inputs never change stay undefined.
_ARGUMENTS = {"icarus": ["-g2005"], "verilator": ["--timing", "--no-public-flat-rw", "-O3", "-Wno-fatal"]}

#: Compiled simulations that are kept, the last used ones.
_KEPT = 24


def accelerator_verilog(arch: Architecture) -> str:
    """Verilog of the accelerator with its trace port, module `accelerator`; kept until the hardware's sources change.

    Raises:
        OutputError: if the cache cannot be written.
    """
    path = cache_directory() / "verilog" / f"{key_of(arch.digest, hardware_sources())}.v"
    if path.exists():
        return path.read_text(encoding="utf-8")
    # Amaranth and the generators are slow to import, and a cached design does not need them.
    from amaranth.back import verilog

    from trispike_hw.accelerator import Accelerator

    design = Accelerator(arch, trace=True)
    with NewEntry(path) as scratch:
        text = verilog.convert(design, name="accelerator", emit_src=False, strip_internal_attrs=True)
        (scratch / path.name).write_text(text, encoding="utf-8")
        (scratch / path.name).replace(path)
    return text


def compiled(simulator: Simulator, verilog: str, arch: Architecture, waves: bool) -> Path:
    """Directory of the simulation of `verilog` (module `accelerator`) in the harness, compiled now or earlier.

    `waves` asks for one that can write waveforms.

    Raises:
        ToolError: if the simulator cannot compile it; the text names the log.
        OutputError: if the cache cannot be written.
    """
    waves = waves and simulator.engine == "verilator"  # Icarus always can
    parameters = {
        "LAYER_BITS": (arch.max_layers - 1).bit_length(),
        "ADDRESS_BITS": arch.spike_address_bits,
        "COLUMNS": arch.columns,
        "WEIGHT_BITS": arch.weight_bits,
    }
    harness = HARNESS.read_text(encoding="utf-8")
    key = key_of(
        verilog,
        harness,
        repr(parameters),
        repr(_ARGUMENTS[simulator.engine]),
        simulator.engine,
        simulator.version,
        cocotb.__version__,
        str(libs_dir),  # Verilator's programs hold the path: another environment's may be gone
        repr(waves),
    )
    target = cache_directory() / simulator.engine / key
    product = _PRODUCT[simulator.engine]
    if (target / product).exists():
        os.utime(target)
        return target
    with NewEntry(target) as scratch:
        source = scratch / "accelerator.v"
        source.write_text(verilog, encoding="utf-8")
        log = scratch / "compile.log"
        try:
            with simulator.environment():
                get_runner(simulator.engine).build(
                    sources=[HARNESS, source],
                    hdl_toplevel=TOPLEVEL,
                    parameters=parameters,
                    build_dir=scratch / "build",
                    build_args=_ARGUMENTS[simulator.engine],
                    timescale=TIMESCALE,
                    waves=waves,
                    always=True,
                    log_file=log,
                )
        except (RuntimeError, SystemExit) as error:
            kept = target.parent / f"{key}.log"
            log.replace(kept)
            raise ToolError(
                f"{simulator.engine} {simulator.version} cannot compile the design for architecture {arch.name}; "
                f"its messages are in {kept}"
            ) from error
        finished = scratch / "finished"
        finished.mkdir()
        (scratch / "build" / product).replace(finished / product)
        with suppress(OSError):  # somebody else was faster with the same design
            finished.replace(target)
    forget_oldest(target.parent, _KEPT)
    return target
