"""Weight rows: every weight is where a spike of its channel and tap looks for it."""

import numpy as np
import pytest

from trispike.lowering.weights import WeightMemory, broadcast_rows, lanewise_rows, signed_width, tile_mode_rows
from trispike.network import INPUT, Kind, Segment
from trispike_hw.architecture import preset

SMALL = preset("small")


def test_broadcast_rows() -> None:
    weights = np.random.default_rng(0).integers(-128, 128, (20, 3, 2, 4))
    block, pitch = broadcast_rows(Segment(INPUT, Kind.BROADCAST, weights), 5, 16)
    assert (block.shape, pitch, block.dtype) == ((2, 2 * 18, 16), 18, np.int8)
    for o, i, ky, kx in np.ndindex(*weights.shape):
        assert block[o // 16, ky * pitch + kx * 5 + i, o % 16] == weights[o, i, ky, kx]
    assert np.count_nonzero(block) == np.count_nonzero(weights)


def test_lanewise_rows() -> None:
    weights = np.random.default_rng(0).integers(-128, 128, (20, 2, 4))
    block, pitch = lanewise_rows(Segment(INPUT, Kind.LANEWISE, weights), 16)
    assert (block.shape, pitch) == ((2, 8, 16), 4)
    for o, ky, kx in np.ndindex(*weights.shape):
        assert block[o // 16, ky * pitch + kx, o % 16] == weights[o, ky, kx]


def test_equal_kernel_rows_are_stored_once() -> None:
    weights = np.random.default_rng(0).integers(-128, 128, (20, 3, 1, 4)).repeat(5, axis=2)
    block, pitch = broadcast_rows(Segment(INPUT, Kind.BROADCAST, weights), 3, 16)
    assert (block.shape, pitch) == ((2, 12, 16), 0)


@pytest.mark.parametrize(
    ("tiles", "lanes", "expected"),
    [(1, 4, (7, 0)), (2, 4, (14, 7)), (4, 4, (14, 7)), (5, 4, (21, 14)), (6, 4, (28, 14)), (3, 2, (21, 14))],
)
def test_tile_mode_rows(tiles: int, lanes: int, expected: tuple[int, int]) -> None:
    assert tile_mode_rows(tiles, 7, lanes) == expected


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, 5, 6, 9])
def test_tile_mode_holds_every_tile_once(tiles: int) -> None:
    block = np.random.default_rng(tiles).integers(-128, 128, (tiles, 3, 16)).astype(np.int8)
    base = 3 * tiles
    length, offset = tile_mode_rows(tiles, 3, SMALL.lanes)
    memory = WeightMemory(SMALL, base + length)
    memory.write(0, block, tile_mode=False)
    memory.write(base, block, tile_mode=True)
    contents = memory.contents()
    assert len(contents) == SMALL.pairs
    for tile in range(tiles):
        number, lane = divmod(tile, SMALL.lanes)
        start = base + number * 3 + lane % 2 * offset
        np.testing.assert_array_equal(contents[lane // 2][start : start + 3], block[tile])
    for rows in contents:
        assert rows.shape == (base + length, 16)
        np.testing.assert_array_equal(rows[:base], block.reshape(-1, 16))


def test_signed_width() -> None:
    assert [signed_width(v) for v in (0, 1, -1, 127, 128, -128, -129)] == [1, 2, 1, 8, 9, 8, 9]
