"""Decoding takes bounded memory, by image and by all threads together."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from sivae_translate.data.decoding import Allowance, decoding, decoding_bytes
from sivae_translate.data.images import read_image

MIB = 1 << 20


def test_threads_share_the_allowance() -> None:
    allowance, most, lock = Allowance(10), [0, 0], threading.Lock()

    def work(size: int) -> None:
        with allowance.part(size):
            with lock:
                most[0] += min(size, 10)
                most[1] = max(most)
            with lock:
                most[0] -= min(size, 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [3, 4, 25, 5, 1, 10, 7, 2] * 50))
    assert 0 < most[1] <= 10 and allowance.taken == 0


def test_an_image_larger_than_the_allowance_is_decoded_alone() -> None:
    allowance, entered = Allowance(10), threading.Event()

    def large() -> None:
        with allowance.part(1000):
            entered.set()

    with allowance.part(1):
        thread = threading.Thread(target=large)
        thread.start()
        assert not entered.wait(0.05)
    thread.join(10)
    assert entered.is_set()


def test_decoding_waits_for_its_part(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    with ThreadPoolExecutor(1) as pool:
        with decoding.part(decoding.total):
            reading = pool.submit(read_image, tmp_path / "x.png")
            with pytest.raises(TimeoutError):
                reading.result(0.1)
        assert reading.result(10).shape == (9, 9, 3)


def test_an_error_gives_the_part_back() -> None:
    allowance = Allowance(10)
    with pytest.raises(ValueError, match="x"), allowance.part(10):
        raise ValueError("x")
    assert allowance.taken == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads_that_it_lacks() -> None:
    with decoding.part(decoding.total), decoding.changed:
        child = os.fork()
        if not child:
            with decoding.part(1):
                os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_the_estimate_follows_the_mode() -> None:
    sizes = {mode: decoding_bytes(Image.new(mode, (10, 10))) for mode in ("1", "L", "P", "I;16", "I", "F", "LA", "RGB")}
    assert sizes == {"1": 100, "L": 100, "P": 100, "I;16": 200, "I": 400, "F": 400, "LA": 400, "RGB": 400}


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


PEAK = """
import resource, sys
from pathlib import Path
from sivae_translate.data.images import Frame
from sivae_translate.data.reader import read_images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for image in read_images([Path(sys.argv[1])] * 4, Frame(64, "crop", (255, 255, 255))):
    assert image.shape == (64, 64, 3)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_four_large_images_take_little_more_than_they_are_in_memory(tmp_path: Path) -> None:
    """5000 x 5000 pixels of 16 bits are 48 MiB; as floats in double precision they would be 191 MiB each."""
    stream = zlib.compressobj(1)
    rows = b"".join(stream.compress(b"\0" + b"\1" * 10000) for _ in range(5000)) + stream.flush()
    header = struct.pack(">IIBBBBB", 5000, 5000, 16, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(data)
    command = [sys.executable, "-c", PEAK, str(tmp_path / "x.png")]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert peak < 4 * 48 + 150
