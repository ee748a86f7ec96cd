"""The model of the machine's timing, block by block, and `trispike estimate`."""

import json
from dataclasses import replace
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest

from trispike import image
from trispike.estimate import statistics
from trispike.estimate.estimate import of_statistics
from trispike.estimate.lane import Lane
from trispike.estimate.machine import image_cycles
from trispike.estimate.row import Outlets, Port, Row, RowLayer
from trispike.estimate.statistics import _balanced, _moments, assumed, measured
from trispike.estimate.timings import TIMINGS, LaneTimings, RowTimings
from trispike.estimate.work import ItemWork
from trispike.examples import TEST_SET, load_digits
from trispike_hw.architecture import build, preset

ARCH = preset("small")


def item(events, words, banks=None):
    """An item with one slot whose reads make `events`; the banks turn up one after the other."""
    return ItemWork(list(banks or range(len(events))), list(events), [0] * len(events), words)


def test_a_spike_takes_a_cycle_and_an_empty_word_none():
    def sums_of(events):
        lane = Lane(0, 4, LaneTimings())
        lane.give(0, item(events, len(events), [at % 4 for at in range(len(events))]))
        return lane.ready

    full = sums_of([16, 16, 16, 16])
    assert sums_of([16, 16, 0, 16, 16]) == full
    assert sums_of([16, 16, 17, 16]) == full + 1
    assert sums_of([16, 16, 16, 16, 0]) == full + 1  # the mark of the step's end takes one


def test_a_lane_waits_for_its_bank_and_for_the_row():
    lane = Lane(0, 4, LaneTimings(queue=16, read=3, load=2, hand_over=4, vectors=2))
    lane.give(10, item([1, 1, 1], 1, banks=[3, 0, 1]))  # reads from cycle 12 on: bank 3 turns up in cycle 15
    assert lane.ready == 15 + 3 + 1 + 4
    assert lane.read_ends == [17]
    lane.take(100)
    assert lane.ready == 101  # the second step's sums stood behind the first one's
    lane.take(104)
    assert lane.ready == 105  # the third step ended in cycle 100, when there was a place for its sums


def test_segments_turn_while_a_word_waits_for_its_bank():
    """Two segments of a word each. The second is turned to in cycle 1 and waits for its bank until cycle 3; the first
    one can come again two cycles behind that turn, not behind the read."""
    lane = Lane(0, 4, LaneTimings(load=0))
    lane.give(0, ItemWork(banks=[0, 3, 0, 2], events=[1] * 4, begins=[0, 1, 1, 1], words=2))
    assert lane.read_ends == [6]  # reads in cycles 0, 3, 4 and 6


def test_reads_stop_when_the_queue_is_full():
    lane = Lane(0, 1, LaneTimings(queue=2, read=3, load=0, hand_over=4))
    lane.give(0, item([10] * 6, 3, banks=[0] * 6))
    # Four words came while the first two were read; the third left in cycle 23, which counted two cycles later. Until
    # the fifth came, the level let the sixth be read.
    assert lane.read_ends == [26]
    assert lane.ready == 3 + 30 + 4


def test_pauses_take_their_cycles():
    lane = Lane(0, 1, LaneTimings(), pauses=[(0, 4), (12, 14), (500, 600)])
    other = Lane(0, 1, LaneTimings())
    for one in (lane, other):
        one.give(0, item([20], 1, banks=[0]))
    assert lane.ready == other.ready + 2


def test_a_row_serves_in_turn_and_runs_the_silent_steps_by_itself():
    row = Row(ARCH, RowLayer(time_steps=1, silent=1, answers=False, window=1), RowTimings(), Outlets())
    for tiles in row.tiles:
        tiles.append(0)
    row.request(0, 50)
    row.request(2, 50)
    assert row.next_event() == 50
    first = row.act(50)
    reload = ARCH.constant_passes + TIMINGS.row.constants if ARCH.tsa_passes == 1 else 0
    assert first == (0, 50 + TIMINGS.row.choose + reload + ARCH.tsa_passes - 1)
    lane, taken = row.act(row.next_event())
    assert lane == 2 and taken == first[1] + ARCH.tsa_passes
    assert row.act(row.next_event()) == (0, None)
    assert row.act(row.next_event()) == (2, None)
    assert row.next_event() is None and len(row.items_done[0]) == 1


def test_two_turns_stand_behind_one_that_waits_for_its_constants():
    """As the RTL does on preset small: chosen in cycles 220, 222 and 223; the next one in 230 at the earliest."""
    row = Row(ARCH, RowLayer(time_steps=2, silent=0, answers=False, window=1), RowTimings(), Outlets())
    for tiles in row.tiles:
        tiles.append(0)
    for lane, ready in enumerate((220, 222, 223, 224)):
        row.request(lane, ready)
    choices = []
    for _ in row.tiles:
        choices.append(row.next_event())
        row.act(choices[-1])
    assert choices == [220, 222, 223, 230]


def test_rows_take_turns_at_the_answer_store():
    """With eight neurons a vector is two parts, each ten cycles at the store. Worked by hand: a turn's first pass comes
    three cycles behind its choice, a part four behind its pass, and the next pass nine after the store took it up."""
    arch = build(ARCH.model_dump() | {"tsa_width": 8})
    outlets = Outlets()
    rows = [Row(arch, RowLayer(time_steps=1, silent=0, answers=True, window=1), RowTimings(), outlets) for _ in "ab"]
    for row, ready in zip(rows, (50, 52), strict=True):
        row.tiles[0].append(0)
        row.request(0, ready)
    acts, taken = [], []
    while due := [(cycle, number) for number, row in enumerate(rows) if (cycle := row.next_event()) is not None]:
        acts.append(min(due))
        cycle, number = acts[-1]
        _, when = rows[number].act(cycle)
        taken.append(when)
    assert acts == [(50, 0), (52, 1), (57, 0), (59, 1), (70, 0), (80, 1)]
    assert taken == [None, None, 66, 76, None, None], "sums go in the last pass, not when the store has them"
    assert outlets.answer.free == 57 + 4 * 10, "the store never waits"


@pytest.mark.parametrize("busy", [0, 500])
def test_turns_stop_while_the_writer_takes_words_of_another_row(busy):
    """Three words stand in pooling, eight in the queue in front of it; up to eight turns have begun by then."""
    row = Row(ARCH, RowLayer(time_steps=16, silent=0, answers=False, window=1), RowTimings(), Outlets(Port(free=busy)))
    row.tiles[0].extend([0] * 4)
    row.request(0, 20)
    choices = []
    for _ in range(40):
        choices.append(row.next_event())
        _, taken = row.act(choices[-1])
        row.request(0, taken)
    waits = [after - before for before, after in pairwise(choices)]
    if busy:
        stopped = int(np.argmax(waits)) + 1
        assert 3 + 8 <= stopped <= 3 + 8 + 8 and choices[stopped] >= busy
    else:
        assert max(waits[1:]) == 4  # behind the first turn, which waits for its constants


def test_an_image_begins_with_the_lane_behind_the_last_one_of_the_image_before(digits_image, monkeypatch):
    program = image.load(digits_image)
    found = measured(program.network, load_digits(TEST_SET).x[:3])
    begun = []

    def with_a_lane_more(program, trains, timings, next_lane):
        begun.append(image_cycles(program, trains, timings, next_lane))
        return replace(begun[-1], next_lane=next_lane + 1)

    monkeypatch.setattr(import_module("trispike.estimate.estimate"), "image_cycles", with_a_lane_more)
    estimated = of_statistics(program, found, TIMINGS)
    alone = [image_cycles(program, trains, TIMINGS, lane) for lane, trains in enumerate(found.trains)]
    assert begun == alone and estimated.cycles == pytest.approx(np.mean([one.run for one in alone]))
    assert image_cycles(program, found.trains[0], TIMINGS, 1) != alone[0]


def test_typical_images_are_timed(digits_image, monkeypatch):
    monkeypatch.setattr(statistics, "TIMED", 2)
    network = image.load(digits_image).network
    x = load_digits().x[:6]
    found = measured(network, np.concatenate([x, np.zeros_like(x[:1])]))
    assert found.images == 7 and len(found.trains) == 2
    assert all(trains["input"].any() for trains in found.trains)  # the empty image is not typical


@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (9, [0, 1, 2, 3])])
def test_timed_images_make_up_for_each_other(count, chosen):
    """0.1 is nearest to none too much; -0.3 balances it better than 0.2, which then balances both."""
    assert _balanced(np.array([[0.1], [0.2], [-0.3], [5.0]]), count) == chosen


def test_timed_images_have_the_variance_of_all():
    """Ten images are average, but eight of them would say nothing of the others, which differ much."""
    additions = np.repeat([100.0, 40.0, 160.0], 10)[:, None]
    chosen = additions[_balanced(_moments(additions), 8)]
    assert chosen.mean() == 100 and chosen.std() == pytest.approx(additions.std(), rel=0.15)


def test_assumed_spikes_are_the_same_in_every_run(digits_image):
    network = image.load(digits_image).network
    one, other = assumed(network), assumed(network)
    assert one.additions == other.additions
    assert all((one.trains[0][name] == other.trains[0][name]).all() for name in one.trains[0])
    assert np.mean(one.trains[0][network.layers[0].name] != 0) == pytest.approx(0.19, abs=0.02)


def test_json(trispike, digits_image):
    code, out, err = trispike("estimate", digits_image, "--data", TEST_SET, "--images", "2", "--json")
    found = json.loads(out)
    assert code == 0 and err == "" and found["assumed"] is False and found["images"] == 2
    assert 4500 < found["cycles"] < 5500
    assert [layer["name"] for layer in found["layers"]] == list(image.load(digits_image).layer_names)
    assert sum(layer["cycles"] for layer in found["layers"]) <= found["cycles"]


def test_table_with_assumed_spikes(trispike, digits_image):
    code, out, err = trispike("estimate", digits_image)
    assert code == 0 and err == "note: the spikes are assumed; --data X.npz measures them\n"
    assert "assumed spikes (estimated)" in out and "/conv2/Conv" in out


def test_refusals(trispike, digits_image, tmp_path):
    np.savez(tmp_path / "none.npz", x=np.zeros((0, 1, 8, 8), np.float32))
    code, out, _ = trispike("estimate", digits_image, "--images", "3")
    assert code == 2 and out == ""
    code, out, err = trispike("estimate", digits_image, "--data", tmp_path / "none.npz")
    assert code == 1 and out == "" and err.startswith("error: ") and "none.npz" in err
