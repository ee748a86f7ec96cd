"""`trispike flash`: the file for the flash, and what has none."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from shapes import PAIR
from test_streamed_weights import two_layer_program, two_layers

from trispike import image
from trispike.external import external_words
from trispike.lowering import lower
from trispike_hw.architecture import build, preset
from trispike_hw.memory.flash import FLASH_WORDS


def test_header_and_rows_in_words_of_four_bytes(trispike, tmp_path):
    program = two_layer_program()
    image.save(program, tmp_path / "image")
    code, out, err = trispike("flash", "image", "-o", "weights.bin")
    content = (tmp_path / "weights.bin").read_bytes()
    assert (code, out) == (0, "")
    assert err == f"wrote weights.bin: {len(content)} bytes; write it to the flash from byte 4194304 on\n"
    assert content[16:] == program.external.tobytes()  # 16 columns of 8 bits are four words
    assert content[:16] == hashlib.sha256(content[16:]).digest()[:16]


def test_networks_without_weights_outside_are_refused(trispike, tmp_path):
    image.save(lower(two_layers(), preset("small")), tmp_path / "image")
    assert trispike("flash", "image", "-o", "weights.bin") == (
        1,
        "",
        "error: network two has all its weights on the chip of architecture small; run it without a flash file\n",
    )


def test_weights_that_no_flash_holds_are_refused(trispike, tmp_path, monkeypatch):
    program = two_layer_program()
    large = replace(program, external=np.broadcast_to(program.external[:1], (FLASH_WORDS // 4, 16)))
    monkeypatch.setattr(image, "load", lambda directory: large)
    code, _, err = trispike("flash", "image", "-o", "weights.bin")
    assert code == 1 and err == (
        "error: network two has 12582928 bytes of weights outside the chip, but the flash has 12582912 for them; use a "
        "board with SDRAM, or a smaller network\n"
    )
    assert not (tmp_path / "weights.bin").exists()


@pytest.mark.parametrize(("columns", "bits", "stride"), [(4, 2, 1), (8, 5, 2), (16, 5, 4)])
def test_rows_are_filled_up_to_a_power_of_two(columns, bits, stride):
    fields = {"columns": columns, "weight_bits": bits, "tsa_width": 2}
    arch = build(PAIR.model_dump() | fields)
    rows = np.zeros((3, columns), np.int8)
    rows[:, 0] = (1, -1, 2)
    words = external_words(rows, arch)
    assert len(words) == 4 + 3 * stride
    assert words[4::stride].tolist() == [1, (1 << bits) - 1, 2]
