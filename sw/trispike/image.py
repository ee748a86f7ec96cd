"""Image files: a program on disk, as one directory that is written at once or not at all.

`image.bin` holds every array one behind the other, `manifest.json` says what they are and how to check them, and
`mem/*.hex` are the memories for `$readmemh`. The same program gives the same bytes.
"""

import hashlib
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from pydantic import ValidationError

from trispike_hw.architecture import Architecture, build
from trispike_hw.layout import PROGRAM_BITS, constant_word

from .book import Book
from .errors import ArchitectureError, ImageError, OutputError
from .image_codes import chapter_record, code_record, codes_of
from .image_manifest import (
    FORMAT,
    MOST_BYTES,
    SCHEMA_VERSION,
    ArchitectureRecord,
    BinaryRecord,
    FileRecord,
    Manifest,
    SectionRecord,
)
from .image_sections import (
    arrays_of,
    layer_record,
    network_record,
    program_from,
)
from .program import Program
from .streams import weight_words

BINARY, MANIFEST, MEMORIES = "image.bin", "manifest.json", "mem"
DIGEST_DIGITS = 12


def save(program: Program | Book, directory: Path | str) -> None:
    """Write `program` to `directory`, which is made or, if it holds an image, replaced; other files in it are kept.

    Raises:
        OutputError: if it cannot be written, or is not empty and holds no image; nothing is left half-written.
    """
    check_target(directory)
    target = Path(directory).resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        fresh.mkdir()
        try:
            _write(program, fresh)
            _replace(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise _unwritable(directory, error.strerror or str(error)) from error


def check_target(directory: Path | str) -> None:
    """Refuse a directory to which `save` cannot write; to be called before the long work on what is to be saved.

    Raises:
        OutputError: as `save` does. A disk that is full or failing shows only there.
    """
    target = Path(directory).resolve()
    try:
        if target.exists():
            if not target.is_dir():
                raise _unwritable(directory, "it is a file, not a directory")
            if any(target.iterdir()) and not _is_image(target):
                raise _unwritable(directory, "it is not empty and holds no trispike image")
        above = next(path for path in target.parents if path.exists())  # the directories below it, `save` makes
    except OSError as error:
        raise _unwritable(directory, error.strerror or str(error)) from error
    if not above.is_dir():
        raise _unwritable(directory, f"{above} is a file, not a directory")
    if not os.access(above, os.W_OK | os.X_OK):
        raise _unwritable(directory, f"{above} is not writable")


def _unwritable(directory: Path | str, reason: str) -> OutputError:
    return OutputError(f"cannot write the image to {directory}: {reason}; choose another directory")


def load(directory: Path | str, arch: Architecture | None = None) -> Program | Book:
    """Read a program or book; with `arch`, only one for that architecture.

    Raises:
        ImageError: if files are missing, truncated or altered, of another schema version or for another architecture.
    """
    path = Path(directory)
    manifest = _read_manifest(path / MANIFEST)
    made_for = _architecture(manifest, path)
    if arch is not None and arch.digest != made_for.digest:
        raise ImageError(
            f"the image in {path} is for architecture {made_for.name} (digest {made_for.digest[:DIGEST_DIGITS]}), not "
            f"for {arch.name} (digest {arch.digest[:DIGEST_DIGITS]}); compile the network for {arch.name}"
        )
    binary = _read(path / BINARY, manifest.binary.size)
    arrays = _sections(path / BINARY, binary, manifest.sections)
    if hashlib.sha256(binary).hexdigest() != manifest.binary.sha256:
        raise ImageError(f"{path / BINARY} is altered: its SHA-256 is not the manifest's; compile the network again")
    _check_files(path, manifest, made_for)
    return program_from(manifest, arch or made_for, arrays)


def memory_files(program: Program | Book) -> dict[str, str]:
    """Texts for `$readmemh` by path, one row a line: program, constants, the resident weights of every lane pair and,
    where weights stream in, what stands behind the external weight port. Of a book, whose host writes program and
    constants again and again, it is the latter alone."""
    arch = program.arch
    external = [] if program.external is None else [program.external]
    resident = program.weights if isinstance(program, Program) else ()
    files = {}
    if isinstance(program, Program):
        files = {
            f"{MEMORIES}/program.hex": _hex([int(word) for word in program.program], PROGRAM_BITS),
            f"{MEMORIES}/constants.hex": _hex(program.constants, Shape.cast(constant_word(arch)).width),
        }
    names = _weight_files(len(resident), bool(external))
    return files | {name: _hex_of_weights(rows, arch) for name, rows in zip(names, [*resident, *external], strict=True)}


def _weight_files(pairs: int, streamed: bool) -> list[str]:
    resident = [f"{MEMORIES}/weights_{pair:02d}.hex" for pair in range(pairs)]
    return [*resident, f"{MEMORIES}/external.hex"] if streamed else resident


def _hex_of_weights(rows: np.ndarray, arch: Architecture) -> str:
    """Lines of weight rows int8 [rows, columns]; a row is whole bytes (the architecture sees to it)."""
    size = arch.columns * arch.weight_bits // 8
    data = weight_words(rows, arch.weight_bits).astype("<u4").view(np.uint8)[:, size - 1 :: -1]
    digits = np.frombuffer(data.tobytes().hex().encode(), np.uint8).reshape(len(rows), 2 * size)
    return np.pad(digits, ((0, 0), (0, 1)), constant_values=ord("\n")).tobytes().decode()


def _hex(rows: Sequence[int], bits: int) -> str:
    digits = -(-bits // 4)
    return "".join(f"{row:0{digits}x}\n" for row in rows)


def _write(program: Program | Book, directory: Path) -> None:
    """Write all files into an empty directory."""
    sections, parts = [], []
    offset = 0
    for name, array in arrays_of(program):
        data = np.ascontiguousarray(array).tobytes()
        sections.append(
            SectionRecord.model_validate(
                {
                    "name": name,
                    "dtype": array.dtype.str[1:],
                    "shape": array.shape,
                    "offset": offset,
                    "size": len(data),
                    "crc32": zlib.crc32(data),
                }
            )
        )
        parts.append(data)
        offset += len(data)
    content = b"".join(parts)
    files = {path: text.encode() for path, text in memory_files(program).items()}
    arch = program.arch
    manifest = Manifest(
        format=FORMAT,
        schema_version=SCHEMA_VERSION,
        tool_version=version("trispike"),
        architecture=ArchitectureRecord(digest=arch.digest, fields=arch.model_dump()),
        binary=BinaryRecord(size=len(content), sha256=hashlib.sha256(content).hexdigest()),
        sections=sections,
        files=[FileRecord(path=path, size=len(data), crc32=zlib.crc32(data)) for path, data in files.items()],
        network=network_record(program.network),
        layers=[layer_record(layer) for layer in program.network.layers],
        codes=[code_record(code, program.network) for code in codes_of(program)],
        chapters=[chapter_record(chapter) for chapter in program.chapters] if isinstance(program, Book) else [],
    )
    (directory / MEMORIES).mkdir()
    (directory / BINARY).write_bytes(content)
    for path, data in files.items():
        (directory / path).write_bytes(data)
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _is_image(directory: Path) -> bool:
    try:
        return json.loads((directory / MANIFEST).read_bytes())["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _replace(fresh: Path, target: Path) -> None:
    """Put `fresh` in the place of `target`; files of `target` that belong to no image move over."""
    if not target.exists():
        fresh.rename(target)
        return
    old = fresh.with_name(fresh.name + ".old")
    target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        old.rename(target)
        raise
    for entry in old.iterdir():
        if entry.name not in (BINARY, MANIFEST, MEMORIES):
            entry.rename(target / entry.name)
    shutil.rmtree(old)


def _read(path: Path, size: int | None = None) -> bytes:
    """The bytes of a file of an image, `size` of them."""
    try:
        found = path.stat().st_size
        if found > MOST_BYTES:
            raise ImageError(f"{path} has {found} bytes, more than the {MOST_BYTES} that an image can have")
        if size is not None and found != size:
            what = "truncated" if found < size else "altered"
            raise ImageError(
                f"{path} is {what}: it has {found} bytes where the manifest says {size}; compile the network again"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(
            f"{path.parent} holds no whole image: {path.name} is missing; compile the network again"
        ) from error
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}") from error


def _read_manifest(path: Path) -> Manifest:
    try:
        fields: Any = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{path} is not valid JSON; compile the network again") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ImageError(f"{path} is not the manifest of a trispike image; compile the network again")
    if fields.get("schema_version") != SCHEMA_VERSION:
        raise ImageError(
            f"{path} has schema version {fields.get('schema_version')!r}, but this trispike reads version "
            f"{SCHEMA_VERSION}; compile the network again"
        )
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ImageError(f"{path} is malformed at {field}: {first['msg']}; compile the network again") from error


def _architecture(manifest: Manifest, path: Path) -> Architecture:
    record = manifest.architecture
    try:
        arch = build(record.fields, origin=f"{path / MANIFEST}, architecture")
    except ArchitectureError as error:
        raise ImageError(str(error)) from error
    if arch.digest != record.digest:
        raise ImageError(
            f"{path / MANIFEST} is altered: its architecture has digest {arch.digest[:DIGEST_DIGITS]}, not the "
            f"{record.digest[:DIGEST_DIGITS]} that it says; compile the network again"
        )
    return arch


def _sections(path: Path, binary: bytes, records: Sequence[SectionRecord]) -> dict[str, np.ndarray]:
    """The arrays of `image.bin` by section name; they stand one behind the other and fill it."""
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for record in records:
        dtype = np.dtype(f"<{record.dtype}")
        if record.offset != offset or record.size != prod(record.shape) * dtype.itemsize or record.name in arrays:
            raise ImageError(
                f"section {record.name} of {path} has an impossible place or size; compile the network again"
            )
        offset += record.size
        data = binary[record.offset : offset]
        found = zlib.crc32(data)
        if len(data) == record.size and found != record.crc32:
            raise ImageError(
                f"section {record.name} of {path} is altered: its CRC-32 is {found:08x} where the manifest says "
                f"{record.crc32:08x}; compile the network again"
            )
        if len(data) != record.size:
            raise ImageError(f"section {record.name} of {path} reaches beyond its end; compile the network again")
        arrays[record.name] = np.frombuffer(data, dtype).reshape(record.shape)
    if offset != len(binary):
        raise ImageError(f"the sections of {path} fill {offset} of its {len(binary)} bytes; compile the network again")
    return arrays


def _check_files(path: Path, manifest: Manifest, arch: Architecture) -> None:
    """Refuse memory files that are not the ones this architecture has, or not intact; no other path is ever opened."""
    book, streamed = bool(manifest.chapters), any(code.load_list for code in manifest.codes)
    own = [] if book else [f"{MEMORIES}/program.hex", f"{MEMORIES}/constants.hex"]
    expected = own + _weight_files(0 if book else arch.pairs, streamed or book)
    if [record.path for record in manifest.files] != expected:
        raise ImageError(
            f"{path / MANIFEST} does not list the memory files of its architecture; compile the network again"
        )
    for record in manifest.files:
        found = zlib.crc32(_read(path / record.path, record.size))
        if found != record.crc32:
            raise ImageError(
                f"{path / record.path} is altered: its CRC-32 is {found:08x} where the manifest says "
                f"{record.crc32:08x}; compile the network again"
            )
