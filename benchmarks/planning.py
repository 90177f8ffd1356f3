"""What a bucket costs a run with many files: planning them, a whole run, publishing parts.

    python -m benchmarks.planning [--delay=0.04] [--files=10000] [--read=300] [--parts=5000]

Against the emulator of Google Cloud Storage, in a process of its own behind a proxy that makes each
request take longer; it serves one request at a time, and how long it was at work is printed too.
"""

import argparse
import json
import logging
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.measuring import run

BUCKET = "gs://textbeam-benchmark"
ROWS = 20  # of a file


class Measured:
    """The emulator and its proxy, in another process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def measured(self, title: str, delay: float, files: int, work: Callable[[], Any]) -> None:
        """Prints what some work takes, in seconds and in requests a file."""
        before = self._ask(delay)
        began = time.monotonic()
        work()
        seconds = time.monotonic() - began
        after = self._ask(0.0)
        requests, inside = after[0] - before[0], after[1] - before[1]
        print(
            f"{title}: {seconds:.1f} s, {requests / files:.2f} requests each, at most {after[2]} "
            f"at once; the emulator itself {inside:.1f} s",
            flush=True,
        )

    def _ask(self, delay: float) -> tuple[int, float, int]:
        self._connection.send(delay)
        found: tuple[int, float, int] = self._connection.recv()
        return found


@contextmanager
def emulated() -> Iterator[Measured]:
    """Starts the storage, and lets this process find it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as credentials:
        names = ("client_id", "client_secret", "refresh_token", "token", "quota_project_id")
        expiry = {"type": "authorized_user", "expiry": "2099-01-01T00:00:00Z"}
        json.dump(dict.fromkeys(names, "none") | expiry, credentials)
        credentials.flush()
        os.environ |= {
            "STORAGE_EMULATOR_HOST": ours.recv(),
            "GOOGLE_APPLICATION_CREDENTIALS": credentials.name,
            "GOOGLE_CLOUD_PROJECT": "textbeam",
            "NO_GCE_CHECK": "true",
            "GCE_METADATA_HOST": "127.0.0.1:1",
            "GCE_METADATA_IP": "127.0.0.1:1",
        }
        yield Measured(ours)
    process.terminate()


def _serve(connection: Connection) -> None:
    from gcp_storage_emulator.server import create_server
    from gcp_storage_emulator.storage import Storage

    from tests.storage_proxy import StorageProxy

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bucket = BUCKET.removeprefix("gs://")
    logging.getLogger("gcp_storage_emulator").setLevel(logging.ERROR)
    # It writes all that it knows of all objects down with each change, and reads it only when it
    # starts: with 10,000 objects that would be most of what is measured.
    Storage._write_config_to_file = lambda self: None
    create_server("127.0.0.1", port, in_memory=True, default_bucket=bucket).start()
    proxy = StorageProxy(port)
    connection.send(proxy.url)
    while True:
        proxy.delay = connection.recv()
        connection.send((proxy.requests, proxy.seconds_inside, proxy.most_at_once))
        proxy.most_at_once = 0


def put(files: dict[str, bytes]) -> None:
    """Stores objects by their names."""
    from google.cloud import storage

    bucket = storage.Client(project=None).bucket(BUCKET.removeprefix("gs://"))
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda name: bucket.blob(name).upload_from_string(files[name]), files):
            pass


def csv_files(folder: str, count: int) -> dict[str, bytes]:
    """Returns small CSV files by their names in the bucket."""
    return {
        f"{folder}/{number:06}.csv": b"text,number\n"
        + b"".join(b"a row of file %d,%d\n" % (number, row) for row in range(ROWS))
        for number in range(count)
    }


def plan(folder: str) -> None:
    """Finds files and their columns, and cuts them into units."""
    from transforms.reading.corpus import find_files, plan_corpus
    from transforms.reading.units import plan_units
    from transforms.versions import with_fingerprints

    plan_units(plan_corpus(with_fingerprints(find_files([f"{BUCKET}/{folder}"]))))


def classify(folder: str) -> None:
    """Classifies all rows with the bundled model, from the start of a process to its end."""
    with tempfile.TemporaryDirectory() as output:
        arguments = [f"--input={BUCKET}/{folder}", f"--output={output}/out"]
        run([sys.executable, "-m", "pipelines.classify", *arguments])


def computed(parts: int) -> Callable[[], Any]:
    """Puts a run into the bucket of which only the publishing is left; returns what does that."""
    from tests.faults import null_run as runs
    from transforms.writing import publish as publishing

    kept: list[Any] = []
    publish, fsync = publishing.publish, os.fsync

    def copy(plan: Any, *others: Any) -> None:
        out = Path(plan.folder)
        files = (path for path in sorted(out.rglob("*")) if path.is_file())
        put({f"out/{path.relative_to(out)}": path.read_bytes() for path in files})
        kept.extend([replace(plan, folder=f"{BUCKET}/out"), *others])

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "in").mkdir()
        for number in range(parts):
            (folder / "in" / f"{number:06}.txt").write_text(f"the one row of file {number}\n")
        # The run's last step takes its parts into the bucket, instead of publishing them.
        runs.publish = copy  # type: ignore[assignment]  # it is another function, for this run
        os.fsync = lambda descriptor: None
        try:
            with suppress(AssertionError):  # there is no manifest
                runs.null_run([str(folder / "in")], str(folder / "out"), unit_bytes=30)
        finally:
            runs.publish, os.fsync = publish, fsync
    return lambda: publish(*kept)


def main() -> None:
    """Prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.04, help="seconds a request")
    parser.add_argument("--files", type=int, default=10_000, help="to plan")
    parser.add_argument("--read", type=int, default=300, help="files to classify")
    parser.add_argument("--parts", type=int, default=5_000, help="to publish")
    args = parser.parse_args()
    with emulated() as storage:
        if args.files:
            put(csv_files("many", args.files))
            title = f"planning {args.files:,} files"
            storage.measured(title, args.delay, args.files, lambda: plan("many"))
        if args.read:
            put(csv_files("few", args.read))
            title = f"classifying {args.read:,} files, the whole command"
            storage.measured(title, args.delay, args.read, lambda: classify("few"))
        if args.parts:
            work = computed(args.parts)
            storage.measured(f"publishing {args.parts:,} parts", args.delay, args.parts, work)


if __name__ == "__main__":
    main()
