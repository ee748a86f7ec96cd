"""The linked accelerator as a program: bytes in on standard input, out on standard output, at Verilator's speed."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from trispike.cache import NewEntry, cache_directory, forget_oldest, hardware_sources, key_of
from trispike.errors import ToolError
from trispike_hw.architecture import Architecture
from trispike_hw.layout import STREAM_BITS
from trispike_hw.memory.port import ADDRESS_BITS, ExternalMemory
from trispike_hw.memory.sdram_part import SDR_256_MBIT

from .tools import find

_MAIN = Path(__file__).with_name("linked.cpp")
_TOP = "linked"
_KEPT = 8

#: Behind the port for weights from outside: as much as the SDRAM of a ULX3S.
_EXTERNAL = ExternalMemory(SDR_256_MBIT.words)

#: The warnings of Amaranth's Verilog are harmless; the lint run looks at them.
_ARGUMENTS = (
    "--cc", "--exe", "--build", "-O3", "-Wno-fatal", "--top-module", _TOP,
    "-CFLAGS", f"-DMEMORY_WORDS={_EXTERNAL.words} -DADDRESS_BITS={ADDRESS_BITS} -DDATA_BITS={STREAM_BITS}",
)  # fmt: skip


def linked_program(arch: Architecture) -> Path:
    """The compiled program, made now or earlier.

    Raises:
        ToolError: if Verilator is missing or cannot compile it; the text names the log.
        OutputError: if the cache cannot be written.
    """
    verilator = find("verilator")
    key = key_of(arch.digest, hardware_sources(), _MAIN.read_text(encoding="utf-8"), verilator.version, *_ARGUMENTS)
    target = cache_directory() / "linked" / key
    program = target / _TOP
    if program.exists():
        os.utime(target)
        return program
    with NewEntry(target) as scratch:
        (scratch / f"{_TOP}.v").write_text(_verilog(arch), encoding="utf-8")
        log = scratch / "compile.log"
        with verilator.environment(), log.open("wb") as messages:
            command = ["verilator", *_ARGUMENTS, "-Mdir", "build", "-o", _TOP, str(_MAIN), f"{_TOP}.v"]
            done = subprocess.run(command, cwd=scratch, stdout=messages, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            kept = target.parent / f"{key}.log"
            log.replace(kept)
            raise ToolError(
                f"verilator {verilator.version} cannot compile the linked design for architecture {arch.name}; its "
                f"messages are in {kept}"
            )
        finished = scratch / "finished"
        finished.mkdir()
        (scratch / "build" / _TOP).replace(finished / _TOP)
        with suppress(OSError):  # somebody else was faster with the same design
            finished.replace(target)
    forget_oldest(target.parent, _KEPT)
    return program


def _verilog(arch: Architecture) -> str:
    # Amaranth and the generators are slow to import, and a cached design does not need them.
    from amaranth.back import verilog

    from trispike_hw.link.linked_accelerator import LinkedAccelerator

    return verilog.convert(LinkedAccelerator(arch, _EXTERNAL), name=_TOP, emit_src=False, strip_internal_attrs=True)
