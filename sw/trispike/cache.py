"""What is slow to make and the same for the same sources, kept in a cache of the user."""

import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from trispike_hw import __file__ as hardware

from .errors import OutputError


def cache_directory() -> Path:
    """Where generated Verilog, compiled simulations and bitstreams are kept: `trispike` in XDG_CACHE_HOME or
    ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trispike"


class NewEntry(tempfile.TemporaryDirectory):
    """A scratch directory beside a cache entry, on its file system, so that the entry appears at once and whole.

    Raises:
        OutputError: if the cache cannot be written.
    """

    def __init__(self, entry: Path) -> None:
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            super().__init__(prefix=".new-", dir=entry.parent)
        except OSError as error:
            raise OutputError(
                f"cannot write the cache {entry.parent}: {error.strerror}; "
                "set XDG_CACHE_HOME to a directory that is writable"
            ) from error

    def __enter__(self) -> Path:
        return Path(super().__enter__())


def forget_oldest(directory: Path, kept: int) -> None:
    """Remove all entries of `directory` but the `kept` last used ones."""
    entries = sorted((entry for entry in directory.iterdir() if not entry.name.startswith(".")),
                     key=lambda entry: entry.stat().st_mtime)  # fmt: skip
    for entry in entries[:-kept]:
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)


@cache
def hardware_sources() -> str:
    """Hash of everything that the Verilog of an architecture depends on, but the architecture."""
    from importlib.metadata import version

    sources = sorted(Path(hardware).parent.glob("**/*.py"))
    return key_of(version("amaranth"), *(source.read_text(encoding="utf-8") for source in sources))


def key_of(*parts: str) -> str:
    """A name for what is made of `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()[:24]
