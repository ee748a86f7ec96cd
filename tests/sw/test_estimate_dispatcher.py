"""When windows and contexts reach their lanes, against cycles read off waveforms of the RTL and worked out by hand."""

import pytest

from trispike.estimate.contexts import Contexts
from trispike.estimate.dispatcher import Dispatcher, LoneDispatcher
from trispike.estimate.timings import DispatcherTimings, LoneDispatcherTimings


def started(segments, cycle=0):
    dispatcher = Dispatcher(segments, DispatcherTimings())
    dispatcher.start(cycle)
    return dispatcher


def test_windows_hold_up_those_behind_them():
    """Preset small, first layer of a network with one segment: its first four items, and one behind a pause."""
    dispatcher, slots = started(1), []
    for choice in (1, 4, 7, 10):
        assert dispatcher.next_choice == choice
        slots.append(dispatcher.send(choice, [0]))
    assert slots == [13, 17, 20, 24]
    assert dispatcher.send(100, [0]) == 100 + 11  # nothing else is under way


def test_dropped_rows_take_a_cycle_each():
    free = started(1).send(50, [0])
    assert free == 50 + 11
    assert started(1).send(50, [2]) == free + 2
    dispatcher = started(1)
    assert dispatcher.send(50, [2]) == free + 2
    assert dispatcher.send(53, [0]) == 53 + 11 + 2  # held up once in the mover, and once in the clip


def test_segments_follow_in_two_cycles_each():
    dispatcher = started(3, cycle=20)
    assert dispatcher.next_choice == 21
    described = 20 + 3 * 3 + 1
    assert dispatcher.send(21, [0, 0, 0]) > described + 9 + 2 * 2
    dispatcher.send(500, [0, 0, 0])
    assert dispatcher.next_choice == 500 + 1 + 2 * 2 + 2


def test_a_lane_alone_sends_one_segment_after_the_other():
    dispatcher = LoneDispatcher(2, LoneDispatcherTimings())
    dispatcher.start(0)
    assert dispatcher.next_choice == 0
    assert dispatcher.send(0, [0, 1]) == 10 + 10 + 1
    assert dispatcher.next_choice == 2 * 10 + 1 + 2


def contexts(queue=2):
    done = [[[], []], [[], []]]
    return Contexts(done, queue), done


def test_contexts_go_to_their_queues_one_a_cycle():
    stream, _ = contexts()
    stream.send(10, [(0, 0), (0, 1), (1, 0)])
    assert stream.free_from == 10 + 3 + 1
    stream.send(20, [(0, 0), (0, 0)])  # the first one almost fills its queue, which costs the second one a cycle
    assert stream.free_from == 20 + 2 + 1 + 1


def test_a_queue_that_has_emptied_takes_contexts_at_once():
    stream, done = contexts()
    stream.send(10, [(0, 0), (0, 0)])
    done[0][0].extend([50, 60])
    stream.send(100, [(0, 0), (0, 1)])
    assert stream.free_from == 100 + 2 + 1


@pytest.mark.parametrize("cycle", [60, 70])
def test_a_full_queue_stops_the_contexts_of_all_lanes(cycle):
    stream, done = contexts()
    for sent in (10, 20, 30):
        stream.send(sent, [(0, 0)])  # two in the queue and one in the cluster's register
    assert stream.free_from == 32
    stream.send(40, [(1, 0)])
    assert stream.free_from == 42  # another cluster's
    stream.send(50, [(0, 1)])
    assert stream.free_from is None
    done[0][0].append(cycle)
    stream.move()
    assert stream.free_from == cycle + 1
