"""What a memory outside the chip holds: weight rows behind a header that says which."""

import hashlib

import numpy as np

from trispike_hw.architecture import Architecture
from trispike_hw.memory.port import HEADER_WORDS, row_shift, row_words

from .streams import weight_words


def external_words(rows: np.ndarray, arch: Architecture) -> np.ndarray:
    """The words, uint32 [n], of an external memory with weight rows int8 [rows, columns], from its first word on.

    The header is the beginning of the SHA-256 of the words behind it.
    """
    padding = (1 << row_shift(arch)) - row_words(arch)
    body = np.pad(weight_words(rows, arch.weight_bits), ((0, 0), (0, padding))).astype("<u4").reshape(-1)
    digest = hashlib.sha256(body.tobytes()).digest()
    return np.concatenate([np.frombuffer(digest, "<u4", HEADER_WORDS), body]).astype(np.uint32)
