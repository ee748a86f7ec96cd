"""How networks are divided into chapters: what runs together, what is cut, what is used again, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from book_emulation import check_book
from random_networks import random_image

from trispike.book import Book, Region
from trispike.book_streams import EXPORT_WORDS, chapter_stream, output_words, read_output
from trispike.budget import Effort, efforts, memories, spill_bytes
from trispike.emulator import Emulator
from trispike.errors import DeviceError, PlacementError
from trispike.golden import GoldenModel
from trispike.lowering import fit, lower, write_book
from trispike.lowering.cut import Cut
from trispike.network import INPUT, Kind, Layer, Mode, Network, Pool, Segment
from trispike.program import Program
from trispike_hw.architecture import Architecture, build, preset

TIME_STEPS = 4
SIDE = 12


def layer(name: str, *segments: Segment, size: int = SIDE, channels: int = 16, pool: int = 1) -> Layer:
    """A layer of `size` x `size` neurons, pooled by `pool`."""
    nothing, ones = np.zeros(channels, np.int64), np.ones(channels)
    shape = (channels, size // pool, size // pool)
    window = Pool((pool, pool), (pool, pool)) if pool > 1 else None
    return Layer(
        name, segments, (channels, size, size), shape, Mode.RELU, nothing, nothing + 60, nothing + 40, 1, ones, ones,
        window,
    )  # fmt: skip


def conv(source: str, outputs: int, inputs: int, kernel: int = 3, **fields: object) -> Segment:
    weights = np.random.default_rng(outputs + kernel).integers(-20, 21, (outputs, inputs, kernel, kernel))
    return Segment(source, Kind.BROADCAST, weights, padding=(kernel // 2, kernel // 2), **fields)


def block() -> Network:
    """Two convolutions with the first one's output added to the second's, pooling, a stride, ten classes."""
    shortcut = Segment("first", Kind.LANEWISE, np.full((16, 1, 1), 15))
    layers = (
        layer("first", conv(INPUT, 16, 3)),
        layer("second", conv("first", 16, 16), shortcut, pool=2),
        layer("third", conv("second", 40, 16, stride=(2, 2)), size=3, channels=40),
    )
    weights = np.random.default_rng(0).integers(-9, 10, (10, 40, 3, 3))
    nothing, ones = np.zeros(10, np.int64), np.ones(10)
    segments, shape = (Segment("third", Kind.BROADCAST, weights),), (10, 1, 1)
    last = Layer(
        "logits", segments, shape, shape, Mode.LOGITS, nothing + 7, nothing, nothing, 0, ones, ones
    )  # fmt: skip
    return Network("block", TIME_STEPS, (3, SIDE, SIDE), np.ones(3), (*layers, last))


def tight(**fields: int) -> Architecture:
    return build(preset("small").model_dump() | {"name": "tight", **fields})


def test_what_fits_is_a_program() -> None:
    program, reason = fit(block(), preset("small"))
    assert isinstance(program, Program) and reason is None
    np.testing.assert_array_equal(program.program, lower(block(), preset("small")).program)


def test_layers_that_fit_together_are_a_chapter() -> None:
    """Constants for five tiles of the six: two chapters, the second with what the first one left."""
    book, reason = fit(block(), tight(constant_tiles=5))
    assert isinstance(book, Book)
    assert reason is not None and reason.startswith(
        "the network runs in 2 chapters: the network needs 6 tiles of constants, but there are 5 in architecture "
        "tight; "
    )
    layers = [book.codes[chapter.code].layer_names for chapter in book.chapters]
    assert [set(names) for names in layers] == [{"first", "second", "third"}, {"logits"}]
    third = Region.whole("third", (40, 3, 3))
    assert book.chapters[0].exports == {"third": third} and book.chapters[0].answer is None
    assert book.chapters[1].reads == {"third": third} and book.chapters[1].answer == (0, 10)
    check_book(book, [random_image(book.network, 1)])


@pytest.mark.parametrize("words", [256, 384, 512, 768])
def test_boxes_in_every_size(words: int) -> None:
    book = write_book(block(), tight(spike_words=words))
    assert memories(book).spike_words <= words
    check_book(book, [random_image(book.network, seed) for seed in (1, 2)])


def test_few_of_everything() -> None:
    arch = tight(
        spike_words=256, weight_rows=160, constant_tiles=4, program_words=64, max_layers=4, lanes=2, clusters=1
    )
    check_book(write_book(block(), arch), [random_image(block(), 3)])


def test_inner_boxes_share_their_program_and_their_weights() -> None:
    """The weights of the layer come with its first box and stay."""
    book = write_book(replace(block(), time_steps=8), tight(spike_words=256))
    second = [chapter for chapter in book.chapters if "second" in chapter.exports]
    assert len({chapter.code for chapter in second}) < len(second)
    assert [chapter.loads for chapter in second] == [True] + [False] * (len(second) - 1)
    assert len(book.external) < len(second) * (9 * 16 + 1)


def test_estimates_add_up_what_goes_over_the_streams() -> None:
    book = write_book(block(), tight(spike_words=256))
    golden = GoldenModel(book.network).run(random_image(book.network, 1)[None], keep_trains=True)
    tensors = {name: trains[0] for name, trains in golden.trains.items()}
    total = sum(efforts(book).values(), Effort())
    loaded, sent, received = None, 0, 0
    for chapter in book.chapters:
        sent += len(chapter_stream(book, chapter, loaded, tensors)) - 3 * (len(chapter.reads) + 1)
        received += output_words(book, chapter)
        loaded = chapter.code
    assert total.read + total.code == sent
    assert EXPORT_WORDS * total.sent + sum(chapter.answer is not None for chapter in book.chapters) * 10 == received
    assert [set(chapter.exports) for chapter in book.chapters][-1] == set()  # the last two layers fit together
    assert spill_bytes(book) == 4 * TIME_STEPS * (SIDE**2 + (SIDE // 2) ** 2)
    assert total.cycles > sent


def test_words_that_do_not_belong_to_a_box() -> None:
    book = write_book(block(), tight(spike_words=256))
    golden = GoldenModel(book.network).run(random_image(book.network, 1)[None], keep_trains=True)
    tensors = {name: trains[0] for name, trains in golden.trains.items()}
    chapter = book.chapters[0]
    output = Emulator(book.arch, book.external).feed(chapter_stream(book, chapter, None, tensors))
    region, trains = read_output(book, chapter, output)[0][0]
    np.testing.assert_array_equal(trains, tensors["first"][:, *region.index])
    with pytest.raises(DeviceError) as caught:
        read_output(book, chapter, output[:-1])
    assert str(caught.value) == f"a chapter of network block gives {len(output)} words, not {len(output) - 1}"
    output[0] = output[2]
    with pytest.raises(DeviceError) as caught:
        read_output(book, chapter, output)
    assert str(caught.value) == "layer first sent words that do not belong to its output; send the input again"


def test_boxes_of_a_cut() -> None:
    boxes = list(Cut(1, 2, 5).boxes("x", (20, 4, 5), 16))
    assert [box.channels for box in boxes] == [(0, 16), (0, 16), (16, 20), (16, 20)]
    assert [box.rows for box in boxes] == [(0, 2), (2, 4)] * 2
    assert {box.columns for box in boxes} == {(0, 5)}


def test_a_layer_of_which_no_box_fits() -> None:
    network = block()
    wide = replace(network.layers[2], segments=(conv("second", 40, 16, kernel=5, stride=(2, 2)),))
    network = replace(network, layers=(*network.layers[:2], wide, network.layers[3]))
    with pytest.raises(PlacementError) as caught:
        fit(network, tight(weight_rows=128))
    assert str(caught.value) == (
        "a tile of layer second needs 145 weight rows per lane pair, but there are 128 in architecture tight; preset "
        "nano would do"
    )
