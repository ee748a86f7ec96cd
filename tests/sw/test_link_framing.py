"""Frames as bytes: whole ones come back, damaged ones do not, noise does not pile up."""

import random
import zlib

import numpy as np
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from trispike.link.framing import Deframer, Frame
from trispike_hw.link.frames import FRAME_WORDS, FRAMING_WORDS, Kind

WORDS = st.lists(st.integers(0, 2**32 - 1), max_size=(FRAME_WORDS - FRAMING_WORDS))


def frame(payload=(), sequence: int = 513) -> Frame:
    return Frame(Kind.SEND, 77, sequence, np.array(payload, np.uint32))


def fields(found: Frame) -> tuple:
    return found.kind, found.session, found.sequence, found.payload.tolist()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(WORDS, st.integers(0, 0xFFFF), st.integers(1, 40))
def test_frames_survive_the_line_in_any_pieces(payload, sequence, piece):
    sent = frame(payload, sequence)
    line, deframer = sent.encoded(), Deframer()
    found = [each for start in range(0, len(line), piece) for each in deframer.feed(line[start : start + piece])]
    assert [fields(each) for each in found] == [fields(sent)]


def test_bytes_on_the_line():
    body = bytes([1, 2, 77, 0x20, 4, 3, 2, 1])
    expected = b"\0" + cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"
    assert frame([0x01020304]).encoded() == expected


@settings(max_examples=50, deadline=None, derandomize=True)
@given(WORDS, st.randoms(use_true_random=False))
def test_a_damaged_frame_is_dropped_and_the_next_one_is_not(payload, rng: random.Random):
    line = bytearray(frame(payload).encoded())
    line[rng.randrange(1, len(line) - 1)] ^= 1 << rng.randrange(8)
    assert [each.sequence for each in Deframer().feed(bytes(line) + frame(sequence=2).encoded())] == [2]


def test_frames_of_no_words_or_of_a_later_version_are_dropped():
    for body in (b"", b"\1\2\3", (9 << 28 | 5).to_bytes(4, "little"), bytes(4 * 300)):
        line = cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"
        assert not list(Deframer().feed(line))


def test_noise_does_not_pile_up():
    deframer = Deframer()
    for _ in range(100):
        assert not list(deframer.feed(b"\x55" * 4096))
    assert len(deframer._rest) <= 4096
    assert [each.sequence for each in deframer.feed(frame(sequence=3).encoded())] == [3]
