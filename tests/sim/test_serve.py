"""The simulated board behind a pseudo-terminal, driven by the host program that drives a board."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from shared_data import mnist, shared_graph
from small_graphs import Builder, images

from trispike import api
from trispike.book import Book
from trispike.device import open_device
from trispike.errors import DeviceError
from trispike.examples import CALIBRATION_SET, MODEL, TEST_SET, load_digits
from trispike.graph import Graph
from trispike.image import save
from trispike.link import session
from trispike.network import INPUT
from trispike_hw.architecture import build, preset
from trispike_sim.serve import Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve"), pytest.mark.usefixtures("verilator")]

ROOT = Path(__file__).parents[2]
TRISPIKE = [sys.executable, "-c", "import sys; from trispike.cli import main; sys.exit(main())"]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("hw", "sw", "sim"))}


@pytest.fixture(scope="module")
def program():
    return api.compile(MODEL, "nano", calibration=load_digits(CALIBRATION_SET).x)


@contextmanager
def served(name: str, **options) -> Iterator[Server]:
    """A simulated board that is being served."""
    with Server(preset(name), **options) as server:
        over = threading.Event()
        carrier = threading.Thread(target=server.serve, args=(lambda: not over.is_set(),))
        carrier.start()
        try:
            yield server
        finally:
            over.set()
            carrier.join()


def interruptible() -> None:
    """For a child that is to be interrupted: what a shell runs in the background ignores it, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def serve_verb() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`trispike serve` as a user starts it, with the device that it names."""
    with subprocess.Popen(
        [*TRISPIKE, "serve", "--preset", "nano"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
        preexec_fn=interruptible,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def golden(program, x):
    return open_device("golden").run(program, x).integers


@pytest.mark.parametrize("faults", [pytest.param(0.0, marks=pytest.mark.long), 0.01])
def test_a_hundred_digits_are_right_over_any_line(program, faults):
    x = load_digits().x[:100]
    with served("nano", faults=faults, seed=3) as server:
        answers = open_device(f"serial:{server.path}").run(program, x)
        assert bool(server.fault_counts) == bool(faults)
    np.testing.assert_array_equal(answers.integers, golden(program, x))


@pytest.mark.long
def test_a_hundred_mnist_digits_are_right_over_a_bad_line():
    graph, (x, _) = shared_graph("diehl2015_mnist_cnn.onnx"), mnist("test_10k")
    program = api.compile(graph, "small", calibration=mnist("train_60k")[0][:512])
    with served("small", faults=0.01, seed=4) as server:
        answers = open_device(f"serial:{server.path}").run(program, x[:100])
    np.testing.assert_array_equal(answers.integers, golden(program, x[:100]))


def larger_than_the_chip(chapters: bool) -> Graph:
    """A network with more weights than preset nano holds, or with larger maps."""
    net = Builder((2, 17, 16) if chapters else (1, 8, 8))
    first = net.relu(net.conv(INPUT, 24, stride=1 if chapters else 2))
    second = net.relu(net.conv(first, 8 if chapters else 40, stride=2))
    net.conv(second, 5, kernel=net.shapes[second][1:], padding=(0, 0, 0, 0))
    return net.graph("larger")


@pytest.mark.parametrize("chapters", [False, True])
def test_weights_come_from_the_external_memory(chapters):
    graph = larger_than_the_chip(chapters)
    program = api.compile(graph, "nano", calibration=images(graph, 8))
    assert isinstance(program, Book) if chapters else program.load_list
    x = images(graph, 1 if chapters else 2, seed=2)
    with served("nano", faults=0.01, seed=5) as server:
        answers = open_device(f"serial:{server.path}").run(program, x)
    np.testing.assert_array_equal(answers.integers, golden(program, x))


def test_hosts_come_and_go_and_one_may_stop_in_the_middle(program):
    x = load_digits().x[:3]

    def stop(done: float, total: int) -> None:
        raise KeyboardInterrupt

    with served("nano") as server:
        device = open_device(f"serial:{server.path}")
        with pytest.raises(KeyboardInterrupt):
            device.run(program, x, progress=stop)
        np.testing.assert_array_equal(device.run(program, x).integers, golden(program, x))


def test_a_device_of_another_architecture_is_refused(program):
    other = build(preset("nano").model_dump() | {"name": "other", "weight_rows": 2048})
    foreign = api.compile(MODEL, other, calibration=load_digits(CALIBRATION_SET).x)
    with served("nano") as server, pytest.raises(DeviceError) as raised:
        open_device(f"serial:{server.path}").run(foreign, load_digits().x[:1])
    assert str(raised.value) == (
        f"the program is for architecture other ({other.digest[:16]}), but the device on {server.path} is of "
        f"architecture {preset('nano').digest[:16]}; build its bitstream for other, or compile the network for the "
        "architecture that it has"
    )


def test_a_line_that_is_cut_ends_in_one_sentence(program, tmp_path):
    save(program, tmp_path / "image")
    with serve_verb() as (server, device):
        assert device.startswith("serial:")
        run = subprocess.Popen(
            run_verb(device, tmp_path), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
        )
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(6)
        server.kill()
        _, err = run.communicate(timeout=60)
    path = device.removeprefix("serial:")
    assert run.returncode == 1
    assert err.startswith(f"error: the line to {path} was cut (") and err.count("\n") == 1
    assert os.listdir(tmp_path) == ["image"]
    gone = subprocess.run(run_verb(device, tmp_path), env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert gone.returncode == 1
    assert gone.stderr == (
        f"error: cannot open serial port {path}: No such file or directory; give the port of the board, or the one "
        "that `trispike serve` names\n"
    )


def test_interrupts_end_in_one_sentence(program, tmp_path):
    save(program, tmp_path / "image")
    with serve_verb() as (server, device):
        run = subprocess.Popen(
            run_verb(device, tmp_path), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
        )
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(6)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
        assert (run.returncode, err) == (1, "error: interrupted before the end; no output was written\n")
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=60)
        assert server.returncode == 0
        assert err.endswith("stopped; faults: none\n")


def test_a_port_without_a_device_is_given_up(program, monkeypatch):
    monkeypatch.setattr(session, "HELLO_ATTEMPTS", 2)
    ours, theirs = os.openpty()
    try:
        with pytest.raises(DeviceError, match=r"did not answer HELLO in 2 attempts over 0\.4 s; check that it runs a"):
            open_device(f"serial:{os.ttyname(theirs)}").run(program, load_digits().x[:1])
    finally:
        os.close(ours)
        os.close(theirs)


def run_verb(device: str, directory: Path) -> list[str]:
    """`trispike run` on all digits, many times over, so that it takes a while."""
    x = np.tile(load_digits(TEST_SET).x, (20, 1, 1, 1))
    np.savez(directory / "image" / "x.npz", x=x)
    files = ["--input", str(directory / "image" / "x.npz"), "--output", str(directory / "y.npz")]
    return [*TRISPIKE, "run", str(directory / "image"), *files, "--device", device]
