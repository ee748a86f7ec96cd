"""Files of arrays: inputs checked before anything long starts, outputs that are there whole or not at all."""

import errno
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import InputError, OutputError
from .inputs import checked_images

_WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM, errno.EISDIR}


def load_images(path: Path, shape: tuple[int, int, int] | None = None) -> np.ndarray:
    """The array `x` of an .npz file as float32 [N, C, H, W].

    `shape` is (C, H, W) of the network, if it is known already.

    Raises:
        InputError: if there is no such file or array, or its type, shape or content is not usable.
    """
    return checked_images(_read_x(path), shape, f"images x in {path}", dtype=np.float32)


def load_labels(path: Path, count: int) -> np.ndarray | None:
    """The array `labels` of an .npz file, int64 [count], or None if it holds none.

    Raises:
        InputError: if there is no such file, or the labels are no integers or not as many as images.
    """
    labels = _read(path).get("labels")
    if labels is not None and (labels.dtype.kind not in "ui" or labels.shape != (count,)):
        raise InputError(
            f"labels in {path} must be {count} integers, one per image, not {labels.dtype} {list(labels.shape)}"
        )
    return None if labels is None else labels.astype(np.int64)


def _read_x(path: Path) -> np.ndarray:
    arrays = _read(path)
    if "x" in arrays:
        return arrays["x"]
    found = ", ".join(arrays) or "nothing"
    raise InputError(f"input file {path} must hold an array named x, but it holds {found}")


def _read(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by name."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            raise InputError(f"input file {path} is a single array; write an .npz file that holds x")
        with content as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"there is no input file {path}; give an .npz file that holds x") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, of another format, or holds Python objects"
        raise InputError(f"cannot read input file {path}: {reason}") from error


@contextmanager
def atomic_output(path: Path) -> Iterator[BinaryIO]:
    """A file that becomes `path` when the block ends well, and leaves no trace when it does not.

    Open it before the long work, so that an unwritable place is found before and not after.

    Raises:
        OutputError: if the file cannot be written.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that nobody else may read
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _WRITE_ERRORS:  # raised by what the block does besides writing
            raise
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A directory that becomes `path` when the block ends well, and leaves no trace when it does not.

    Raises:
        OutputError: if `path` is there already and no empty directory, or cannot be written.
    """
    target = path.resolve()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise FileExistsError(0, "it is there already")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())  # mkdtemp makes directories that nobody else may read
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose a new directory in a writable one") from error


def _umask() -> int:
    """The mask of this process, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror}; choose a file in an existing, writable directory")
