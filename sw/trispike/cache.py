"""The cache of the user: things that take long to make, under a hash of what they are made of."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from .errors import OutputError


def cache_directory() -> Path:
    """Where things are kept: `trispike` in XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trispike"


def key_of(*parts: str) -> str:
    """A name for what is made of `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()[:24]


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
    """Remove all entries but the `kept` last used ones; an entry is used when its time of change is set."""
    entries = sorted((entry for entry in directory.iterdir() if not entry.name.startswith(".")),
                     key=lambda entry: entry.stat().st_mtime)  # fmt: skip
    for entry in entries[:-kept]:
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
