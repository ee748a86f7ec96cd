"""Places and routes with nextpnr from its Python packages, YoWASP: the same programs on every machine."""

import importlib.util
import json
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ToolError
from . import watch
from .netlist import RESET
from .targets import Router, Target
from .watch import StuckError, run_watched

_START = "import sys, {package}; sys.exit({package}.{function}(sys.argv[1:]))"


@dataclass(frozen=True)
class Routing:
    """One run: clock in MHz, cells used by type, and the critical path's first and last cell and its signals."""

    seed: int
    fmax_mhz: float
    utilisation: dict[str, int]
    path_from: str
    path_to: str
    path_signals: tuple[str, ...]


def require(router: Router) -> None:
    """Refuse a router that is not installed.

    Raises:
        ToolError: saying how to get it.
    """
    if importlib.util.find_spec(router.package) is None:
        raise ToolError(f"{router.distribution} is not installed; pip install 'trispike[fpga]'")


def place_and_route(target: Target, directory: Path, netlist: str, seed: int, frequency: float) -> dict[str, Any]:
    """Place and route `netlist`, a file in `directory`, aiming at `frequency` MHz; the tool's report.

    Raises:
        ToolError: if the tool is missing or fails; the sentence quotes it.
        StuckError: if it says nothing any more.
    """
    router = target.family.router
    assert router is not None
    require(router)
    report, log, rest = f"seed_{seed}.json", f"seed_{seed}.log", f"seed_{seed}.out"
    options = ["--json", netlist, "--report", report, "--log", log, "--quiet", "--timing-allow-fail"]
    options += ["--seed", str(seed), "--freq", str(frequency)]
    start = _START.format(package=router.package, function=router.function)
    command = [sys.executable, "-c", start, *target.options, *target.family.options, *options]
    for name in (report, log, rest):
        (directory / name).unlink(missing_ok=True)
    code, stuck = run_watched(command, directory, directory / rest, lambda: [directory / log])
    said = (directory / rest).read_text(encoding="utf-8", errors="replace")
    (directory / rest).unlink()
    failed = f"{router.distribution} could not place and route for {target.name}"
    if stuck:
        raise StuckError(
            f"{failed}: with seed {seed} it said nothing for {watch.PATIENCE:g} seconds and was stopped; try more "
            f"--seeds or a larger device"
        )
    if code or not (directory / report).exists():
        written = (directory / log).read_text(encoding="utf-8", errors="replace") if (directory / log).exists() else ""
        errors = re.findall(r"^ERROR: (.*?)\.?$", written + "\n" + said, re.MULTILINE)
        reason = errors[0] if errors else (said.strip().splitlines() or ["no message"])[-1]
        raise ToolError(f"{failed}: {reason}")
    return json.loads((directory / report).read_text(encoding="utf-8"))


def routing_of(report: dict[str, Any], seed: int) -> Routing:
    """What is worth keeping of a report; the clock is the slowest one that has a limit."""
    slowest = min(report["fmax"].values(), key=lambda clock: clock["achieved"])["achieved"]
    within = [path for path in report["critical_paths"] if path["from"] == path["to"]]  # register to register
    path = max(within, key=lambda path: sum(part["delay"] for part in path["path"]), default={"path": []})["path"]
    signals = dict.fromkeys(part["net"] for part in path if "net" in part)
    return Routing(
        seed=seed,
        fmax_mhz=round(slowest, 2),
        utilisation={kind: used["used"] for kind, used in report["utilization"].items() if used["used"]},
        path_from=path[0]["from"]["cell"].removeprefix(RESET) if path else "",
        path_to=path[-1]["to"]["cell"].removeprefix(RESET) if path else "",
        path_signals=tuple(signals),
    )


def median_and_best(routings: tuple[Routing, ...]) -> tuple[float | None, float | None]:
    """Median and best clock in MHz; None without a run."""
    clocks = [routing.fmax_mhz for routing in routings]
    return (round(statistics.median(clocks), 2), max(clocks)) if clocks else (None, None)
