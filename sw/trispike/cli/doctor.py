"""`trispike doctor`: what is installed, what is missing, how to get it."""

import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata

from packaging.requirements import Requirement

from ..errors import TrispikeError
from . import options
from .console import say, show_json, show_table

_PURPOSES = {
    "": "everything",
    "torch": "PyTorch modules and .pt2 files",
    "onnx": "ONNX files",
    "sim": "simulation of the RTL",
    "fpga": "synthesis, place and route",
    "dev": "tests and checks",
}


@dataclass(frozen=True)
class Finding:
    """One thing that trispike can use: `found` is its version (None if it is missing), `remedy` how to get it."""

    name: str
    wanted_for: str
    found: str | None
    remedy: str


def command(as_json: options.Json = False, verbose: options.Verbose = False) -> None:
    """Say what is installed, what is missing and how to get it."""
    findings = [*_packages(), *_simulators(), _shared_python(), _compiler()]
    if as_json:
        show_json([asdict(finding) for finding in findings])
        return
    rows = [(f.name, f.wanted_for, f.found or "missing", "" if f.found else f.remedy) for f in findings]
    show_table(
        f"Python {platform.python_version()}", ("what", "wanted for", "found", "how to get it"), rows, numbers=False
    )
    missing = sum(finding.found is None for finding in findings)
    say(f"{missing} of {len(findings)} missing" if missing else "nothing is missing")


def _packages() -> Iterator[Finding]:
    """The project's requirements, each under the first extra that wants it."""
    seen: set[str] = set()
    for extra, purpose in _PURPOSES.items():
        for requirement in map(Requirement, metadata.requires("trispike") or ()):
            wanted = requirement.marker is None or (extra and requirement.marker.evaluate({"extra": extra}))
            if not wanted or requirement.name in seen or (extra and requirement.marker is None):
                continue
            seen.add(requirement.name)
            remedy = f"pip install 'trispike[{extra}]'" if extra else f"pip install '{requirement.name}'"
            yield Finding(requirement.name, purpose, _version(requirement), remedy)


def _version(requirement: Requirement) -> str | None:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return None
    return version if requirement.specifier.contains(version, prereleases=True) else None


def _simulators() -> Iterator[Finding]:
    try:
        from trispike_sim.tools import available
    except ModuleNotFoundError:  # cocotb is missing, which the packages say already
        return
    for engine, simulator in available().items():
        missing = isinstance(simulator, TrispikeError)
        found = None if missing else simulator.version
        yield Finding(f"simulator {engine}", _PURPOSES["sim"], found, str(simulator) if missing else "")


def _shared_python() -> Finding:
    try:
        from find_libpython import find_libpython
    except ModuleNotFoundError:
        path = None
    else:
        path = find_libpython()
    major, minor, _ = platform.python_version_tuple()
    return Finding("libpython", _PURPOSES["sim"], path, f"apt-get install libpython{major}.{minor}")


def _compiler() -> Finding:
    return Finding("C++ compiler", "Verilator", shutil.which("c++") or shutil.which("g++"), "apt-get install g++")
