"""Plays a script in a simulator: starts it, follows it, and makes sure that it came to its end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cocotb_tools.runner import get_runner

from trispike.errors import DeviceError, ToolError
from trispike_hw.architecture import Architecture

from .build import TOPLEVEL, compiled
from .script import LAYERS, Record, Script, read_records
from .stimulus import Stimulus
from .tools import Simulator

#: Called with the number of images done, of which the layers of the image at hand are fractions, and of all images.
Progress = Callable[[float, int], None]


@dataclass(frozen=True)
class Design:
    """A design under test: `verilog` of module `accelerator` with a trace port, made for `arch`, run by `simulator`."""

    simulator: Simulator
    verilog: str
    arch: Architecture

    @property
    def waves_suffix(self) -> str:
        """Format of the simulator's waveforms."""
        return ".fst" if self.simulator.engine == "icarus" else ".vcd"


def play(design: Design, script: Script, stimulus: Stimulus, directory: Path, progress: Progress | None) -> float:
    """Let the bench play `script` with `stimulus` in the empty `directory`, where it leaves its files.

    Returns the wall-clock seconds of the simulation, without compiling.

    Raises:
        ToolError: if the simulator fails.
        DeviceError: if the design gets stuck, or asks for external weight rows that there are not.
        OutputError: if the cache cannot be written.
    """
    simulator = design.simulator
    dumping = script.dump_from is not None
    simulation = compiled(simulator, design.verilog, design.arch, waves=dumping)
    script.write(directory)
    stimulus.write(directory)
    log = directory / "simulation.log"
    name = f"{simulator.engine} {simulator.version}"
    start = time.monotonic()
    with _followed(directory, script, progress):
        try:
            with simulator.environment():
                get_runner(simulator.engine).test(
                    hdl_toplevel=TOPLEVEL,
                    hdl_toplevel_lang="verilog",
                    test_module="trispike_sim.bench",
                    build_dir=simulation,
                    test_dir=directory,
                    results_xml=str(directory / "results.xml"),
                    log_file=str(log),
                    waves=dumping and simulator.engine == "icarus",  # in Verilator's case the harness is enough
                )
        except (RuntimeError, SystemExit) as error:
            raise ToolError(f"{name} failed: {_last_line(log)}") from error
    records = read_records(directory)
    if records and records[-1].stuck:
        raise _stuck(records[-1], script)
    if records and records[-1].beyond:
        raise DeviceError(
            f"the design asked {_phase(records[-1], script)} for rows beyond the {len(stimulus.external)} of the "
            "external weight memory; simulate with a waveform to see where"
        )
    if len(records) != 1 + len(script.run_words):
        raise ToolError(f"{name} ended before its time: {_last_line(log)}")
    return time.monotonic() - start


@contextmanager
def _followed(directory: Path, script: Script, progress: Progress | None) -> Iterator[None]:
    """Report progress from the files in `directory` for as long as the block runs."""
    if progress is None:
        yield
        return
    over = threading.Event()

    def follow() -> None:
        reported = 0.0
        while True:
            ended = over.wait(0.2)
            done = _done(directory, script)
            if done > reported:
                reported = done
                progress(done, len(script.run_words) // script.runs_per_image)
            if ended:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def _done(directory: Path, script: Script) -> float:
    """Images done; of the one at hand, the share of its layers that have ended."""
    path = directory / LAYERS
    begun = path.read_bytes().count(b"\n") if path.exists() else 0
    runs = max(0, len(read_records(directory)) - 1)
    layers = min(max(0, begun - runs * script.storing - 1), script.storing)
    return (runs + layers / (script.storing + 1)) / script.runs_per_image


def _phase(record: Record, script: Script) -> str:
    if record.phase == 0:
        return "while the program was loaded"
    image, chapter = divmod(record.phase - 1, script.runs_per_image)
    return f"in image {image}" if script.runs_per_image == 1 else f"in chapter {chapter} of image {image}"


def _stuck(record: Record, script: Script) -> DeviceError:
    return DeviceError(
        f"the design got stuck {_phase(record, script)}: no word went in, out or to spike memory for "
        f"{script.patience} cycles, after {record.sent} words in, {record.traced} stored and {record.received} out; "
        "simulate with a waveform to see where"
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    wrong = [line for line in lines if "error" in line.lower()] or [line for line in lines if line.strip()]
    return wrong[-1].strip() if wrong else "it left no messages"
