"""Image files: what goes in comes out, the same bytes every time, and everything altered is refused by name."""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_image, random_network

from trispike import image
from trispike.emulator import Emulator
from trispike.errors import ImageError, OutputError
from trispike.image import load, save
from trispike.lowering import lower
from trispike.program import Program
from trispike.streams import input_stream, load_stream
from trispike_hw.architecture import build, preset

SMALL = preset("small")


@pytest.fixture(scope="module")
def program() -> Program:
    return lower(random_network(3, SMALL), SMALL)


@pytest.fixture
def saved(program: Program, tmp_path: Path) -> Path:
    save(program, tmp_path / "net")
    return tmp_path / "net"


@pytest.fixture(scope="module")
def streamed() -> Program:
    arch = build(SMALL.model_dump() | {"name": "tight", "weight_rows": 256})
    program = lower(random_network(2, SMALL), arch)
    assert program.external is not None
    assert len(program.layer_names) > len(program.network.layers)
    return program


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def edit_manifest(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = directory / "manifest.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def refusal(directory: Path) -> str:
    with pytest.raises(ImageError) as caught:
        load(directory)
    return str(caught.value).replace(str(directory), "DIR")


@pytest.mark.parametrize("seed", range(4))
def test_round_trip(seed: int, tmp_path: Path) -> None:
    program = lower(random_network(seed, SMALL), SMALL)
    save(program, tmp_path / "net")
    again = load(tmp_path / "net", SMALL)
    assert again.arch.digest == program.arch.digest
    assert again.placements == program.placements
    assert again.input_packing == program.input_packing
    assert again.layer_names == program.layer_names
    assert again.constants == program.constants
    np.testing.assert_array_equal(load_stream(again), load_stream(program))
    x = random_image(program.network, seed)
    np.testing.assert_array_equal(input_stream(again, x), input_stream(program, x))
    for layer, expected in zip(again.network.layers, program.network.layers, strict=True):
        assert (layer.name, layer.mode, layer.neurons, layer.shape, layer.silent, layer.pool) == (
            expected.name,
            expected.mode,
            expected.neurons,
            expected.shape,
            expected.silent,
            expected.pool,
        )
        for name in ("bias", "theta", "phi", "scale", "unit"):
            np.testing.assert_array_equal(getattr(layer, name), getattr(expected, name))
        for segment, other in zip(layer.segments, expected.segments, strict=True):
            assert (segment.source, segment.kind, segment.stride) == (other.source, other.kind, other.stride)
            assert (segment.padding, segment.dilation) == (other.padding, other.dilation)
            np.testing.assert_array_equal(segment.weights, other.weights)
    save(again, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(tmp_path / "net")


def test_saving_twice_gives_the_same_bytes_and_keeps_files_of_others(program: Program, saved: Path) -> None:
    before = contents(saved)
    (saved / "answers.npz").write_bytes(b"mine")
    save(program, saved)
    assert contents(saved) == before | {"answers.npz": b"mine"}
    assert [p.name for p in saved.parent.iterdir()] == ["net"]


def test_memory_files_hold_the_rows_that_the_stream_loads(program: Program, saved: Path) -> None:
    emulator = Emulator(SMALL)
    emulator.feed(load_stream(program))
    rows = [int(line, 16) for line in (saved / "mem/program.hex").read_text().split()]
    assert rows == [int(word) for word in program.program]
    assert [int(line, 16) for line in (saved / "mem/constants.hex").read_text().split()] == list(program.constants)
    for pair, weights in enumerate(program.weights):
        lines = (saved / f"mem/weights_{pair:02d}.hex").read_text().split()
        unpacked = [[(int(line, 16) >> 8 * c & 0xFF ^ 0x80) - 0x80 for c in range(16)] for line in lines]
        np.testing.assert_array_equal(unpacked, weights)


def test_streamed_weights_round_trip(streamed: Program, tmp_path: Path) -> None:
    save(streamed, tmp_path / "net")
    again = load(tmp_path / "net", streamed.arch)
    assert (again.layer_names, again.load_list) == (streamed.layer_names, streamed.load_list)
    assert again.external is not None
    np.testing.assert_array_equal(again.external, streamed.external)
    np.testing.assert_array_equal(load_stream(again), load_stream(streamed))
    lines = (tmp_path / "net/mem/external.hex").read_text().split()
    unpacked = [[(int(line, 16) >> 8 * c & 0xFF ^ 0x80) - 0x80 for c in range(16)] for line in lines]
    np.testing.assert_array_equal(unpacked, streamed.external)
    save(again, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(tmp_path / "net")


def test_altered_external_rows(streamed: Program, tmp_path: Path) -> None:
    save(streamed, tmp_path / "net")
    path = tmp_path / "net/image.bin"
    manifest = json.loads((tmp_path / "net/manifest.json").read_text())
    record = next(section for section in manifest["sections"] if section["name"] == "external")
    data = bytearray(path.read_bytes())
    data[record["offset"]] ^= 1
    path.write_bytes(data)
    found = zlib.crc32(data[record["offset"] : record["offset"] + record["size"]])
    assert refusal(tmp_path / "net") == (
        f"section external of DIR/image.bin is altered: its CRC-32 is {found:08x} where the manifest says "
        f"{record['crc32']:08x}; compile the network again"
    )


def test_a_load_list_beyond_the_program(streamed: Program, tmp_path: Path) -> None:
    save(streamed, tmp_path / "net")
    words = len(streamed.program)
    edit_manifest(tmp_path / "net", lambda m: m["codes"][0].update(load_list=words))
    assert refusal(tmp_path / "net") == (
        f"the load list of the image begins at program word {words} of {words}; compile the network again"
    )


def drop_external(manifest: dict[str, Any]) -> None:
    manifest["codes"][0].update(load_list=0)
    manifest["files"].pop()


def test_an_image_without_its_external_rows(streamed: Program, tmp_path: Path) -> None:
    save(streamed, tmp_path / "net")
    edit_manifest(tmp_path / "net", drop_external)
    assert refusal(tmp_path / "net") == "the image has an unknown section external; compile the network again"


def test_a_foreign_directory_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError) as caught:
        save(program, tmp_path)
    assert str(caught.value) == (
        f"cannot write the image to {tmp_path}: it is not empty and holds no trispike image; choose another directory"
    )
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_in_the_place_of_the_directory_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "net").write_text("mine")
    with pytest.raises(OutputError) as caught:
        save(program, tmp_path / "net")
    assert str(caught.value) == (
        f"cannot write the image to {tmp_path / 'net'}: it is a file, not a directory; choose another directory"
    )


def test_a_failure_while_writing_leaves_the_old_image(
    program: Program, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(saved)
    monkeypatch.setattr(image, "memory_files", lambda _: {"mem/no/such/directory": "0"})
    with pytest.raises(OutputError) as caught:
        save(program, saved)
    assert str(caught.value) == (
        f"cannot write the image to {saved}: No such file or directory; choose another directory"
    )
    assert contents(saved) == before
    assert [p.name for p in saved.parent.iterdir()] == ["net"]


@pytest.mark.parametrize("name", ["manifest.json", "image.bin", "mem/program.hex", "mem/weights_01.hex"])
def test_missing_files(saved: Path, name: str) -> None:
    (saved / name).unlink()
    where = "DIR/mem" if name.startswith("mem/") else "DIR"
    assert refusal(saved) == (f"{where} holds no whole image: {Path(name).name} is missing; compile the network again")


def test_truncation(saved: Path) -> None:
    data = (saved / "image.bin").read_bytes()
    (saved / "image.bin").write_bytes(data[:-3])
    assert refusal(saved) == (
        f"DIR/image.bin is truncated: it has {len(data) - 3} bytes where the manifest says {len(data)}; "
        f"compile the network again"
    )


@pytest.mark.parametrize("name", ["program", "constants", "weights.0", "weights.1", "layer.0.bias"])
def test_every_flipped_bit_is_found(saved: Path, name: str) -> None:
    data = bytearray((saved / "image.bin").read_bytes())
    section = next(s for s in json.loads((saved / "manifest.json").read_text())["sections"] if s["name"] == name)
    data[section["offset"] + section["size"] // 2] ^= 4
    (saved / "image.bin").write_bytes(data)
    found = zlib.crc32(data[section["offset"] : section["offset"] + section["size"]])
    assert refusal(saved) == (
        f"section {name} of DIR/image.bin is altered: its CRC-32 is {found:08x} where the manifest says "
        f"{section['crc32']:08x}; compile the network again"
    )


def test_an_altered_memory_file(saved: Path) -> None:
    path = saved / "mem/program.hex"
    data = bytearray(path.read_bytes())
    stated = zlib.crc32(data)
    data[0] ^= 1
    path.write_bytes(data)
    assert refusal(saved) == (
        f"DIR/mem/program.hex is altered: its CRC-32 is {zlib.crc32(data):08x} where the manifest says {stated:08x}; "
        f"compile the network again"
    )


def test_schema_version(saved: Path) -> None:
    edit_manifest(saved, lambda m: m.update(schema_version=2))
    assert refusal(saved) == (
        "DIR/manifest.json has schema version 2, but this trispike reads version 5; compile the network again"
    )


def test_another_architecture(saved: Path) -> None:
    base = preset("base")
    with pytest.raises(ImageError) as caught:
        load(saved, base)
    assert str(caught.value) == (
        f"the image in {saved} is for architecture small (digest {SMALL.digest[:12]}), not for base "
        f"(digest {base.digest[:12]}); compile the network for base"
    )


def test_an_edited_architecture(saved: Path) -> None:
    edit_manifest(saved, lambda m: m["architecture"]["fields"].update(weight_rows=4096))
    text = refusal(saved)
    assert text.startswith("DIR/manifest.json is altered: its architecture has digest ")
    assert text.endswith(f", not the {SMALL.digest[:12]} that it says; compile the network again")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff", '"trispike image"', "{}"])
def test_a_manifest_that_is_none(saved: Path, text: str) -> None:
    (saved / "manifest.json").write_bytes(text.encode("latin-1"))
    assert refusal(saved) in {
        "DIR/manifest.json is not valid JSON; compile the network again",
        "DIR/manifest.json is not the manifest of a trispike image; compile the network again",
    }


HOSTILE = {
    "huge file": (
        lambda m: m["binary"].update(size=1 << 60),
        "DIR/manifest.json is malformed at binary.size: Input should be less than or equal to 4294967296; "
        "compile the network again",
    ),
    "huge section": (
        lambda m: m["sections"][0].update(shape=[1 << 32, 1 << 32]),
        "section program of DIR/image.bin has an impossible place or size; compile the network again",
    ),
    "section beyond the end": (
        lambda m: m["sections"][-1].update(shape=[1 << 24], size=1 << 24),
        "section layer.1.segment.0.weights of DIR/image.bin reaches beyond its end; compile the network again",
    ),
    "section elsewhere": (
        lambda m: m["sections"][1].update(offset=0),
        "section constants of DIR/image.bin has an impossible place or size; compile the network again",
    ),
    "path outside": (
        lambda m: m["files"][0].update(path="../../etc/passwd"),
        "DIR/manifest.json does not list the memory files of its architecture; compile the network again",
    ),
    "type": (
        lambda m: m["sections"][0].update(dtype="O"),
        "DIR/manifest.json is malformed at sections.0.dtype: Input should be 'i1', 'i2', 'i4', 'i8', 'u1', 'u8' or "
        "'f8'; compile the network again",
    ),
    "unknown field": (
        lambda m: m.update(run="me"),
        "DIR/manifest.json is malformed at run: Extra inputs are not permitted; compile the network again",
    ),
    "name": (
        lambda m: m["sections"][2].update(name="weights.7"),
        "the image has no section weights.0; compile the network again",
    ),
    "placement": (
        lambda m: m["codes"][0]["placements"]["input"].update(base=1 << 18),
        "the placement of tensor input in the image is impossible; compile the network again",
    ),
    "source": (
        lambda m: m["layers"][0]["segments"][0].update(source="nowhere"),
        "the network of the image is inconsistent: layer layer0: source nowhere is not computed before it; known "
        "tensors are input",
    ),
    "layers": (
        lambda m: m["layers"].pop(),
        "the network of the image is inconsistent: layer layer0: mode logits belongs to the last layer and to no "
        "other, but the last layer has mode relu",
    ),
    "not a number": (
        lambda m: m["network"].update(tau=float("nan")),
        "DIR/manifest.json is malformed at network.tau: Input should be less than or equal to 1; compile the network "
        "again",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifests(saved: Path, name: str) -> None:
    change, expected = HOSTILE[name]
    edit_manifest(saved, change)
    assert refusal(saved) == expected


def test_sections_beyond_the_whole_are_refused(saved: Path) -> None:
    def append(manifest: dict[str, Any]) -> None:
        data = (saved / "image.bin").read_bytes() + b"more"
        (saved / "image.bin").write_bytes(data)
        manifest["binary"].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())

    edit_manifest(saved, append)
    size = (saved / "image.bin").stat().st_size
    assert refusal(saved) == (
        f"the sections of DIR/image.bin fill {size - 4} of its {size} bytes; compile the network again"
    )
