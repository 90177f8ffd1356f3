"""Workers that have nothing of this process but what a runner sends to them."""

import os
import signal
import subprocess
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from tests.distributions import build, install, run_python

COMMAND = "TEXTBEAM_TEST_WORKERS"
"""Names the program that is the `python` of workers, for runners in processes of their own."""

# What starts instead of `python`: it leaves its process id, and may be kept from going on.
_SCRIPT = """#!/bin/sh
cd / || exit
unset PYTHONPATH KERAS_BACKEND
export TEXTBEAM_CACHE={folder}/cache
: >{folder}/started/$$
while [ -e {folder}/hold ]; do sleep 0.05; done
exec {folder}/env/bin/python "$@"
"""
_TRIES = 3


class Site:
    """An environment of Python in which the project is installed from its sdist.

    What the project depends on is that of the tests; what is installed there for editing, the
    project itself, is not found by that way.

    Args:
        folder: Where to make it.

    Attributes:
        python: The program of workers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.python = folder / "bin" / "python"
        for name in ("bin", "started"):
            (folder / name).mkdir()
        self.python.write_text(_SCRIPT.format(folder=folder))
        self.python.chmod(0o755)
        venv.create(folder / "env", symlinks=True)
        (site,) = (folder / "env" / "lib").glob("python*/site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        find = (
            "from importlib.util import find_spec; import apache_beam; print(find_spec('models'))"
        )
        assert self._says(find) == "None\n"
        install(build("sdist", folder), site)
        assert str(site) in self._says("import models; print(models.__file__)")

    def _says(self, code: str) -> str:
        return run_python("-c", code, cwd=Path("/"), python=str(self.python))

    @property
    def command(self) -> str:
        """What starts a worker of the local runner."""
        return f"exec {self.python} -m apache_beam.runners.worker.sdk_worker_main"

    def environment(self) -> SubprocessSDKEnvironment:
        """Returns it as a runner takes it."""
        return SubprocessSDKEnvironment(command_string=self.command)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps workers that are started from doing anything."""
        hold = self._folder / "hold"
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    def forget(self) -> None:
        """Forgets the workers that were started before."""
        for file in (self._folder / "started").iterdir():
            file.unlink()

    def wait_for_worker(self, seconds: float = 300) -> int:
        """Returns the process id of the worker that was started last, once there is one."""
        deadline = time.monotonic() + seconds
        while not (started := list((self._folder / "started").iterdir())):
            assert time.monotonic() < deadline, "no worker was started"
            time.sleep(0.02)
        return int(max(started, key=lambda file: file.stat().st_mtime_ns).name)

    @contextmanager
    def pool(self) -> Iterator[str]:
        """Runs a worker pool; yields its address."""
        code = (
            "import signal, sys\n"
            "from apache_beam.runners.worker.worker_pool_main import "
            "BeamFnExternalWorkerPoolServicer as Pool\n"
            "address, _ = Pool.start(use_process=True)\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit())\n"
            "print(address, flush=True)\n"
            "signal.pause()\n"
        )
        path = f"{self.python.parent}:{os.environ['PATH']}"
        process = subprocess.Popen(
            [self.python, "-c", code],
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            try:
                address = process.stdout.readline().strip()
                self.forget()  # it is none of its workers
                yield address
            finally:
                process.terminate()
                process.wait()


def kill(process_id: int) -> None:
    """Kills a process as the machine does that is short of memory."""
    os.kill(process_id, signal.SIGKILL)


class Workers(FnApiRunner):
    """Runs pipelines in worker processes of a site, and what fails once more, as Dataflow does."""

    failures = 0

    def __init__(self) -> None:
        environment = SubprocessSDKEnvironment(command_string=os.environ[COMMAND])
        super().__init__(default_environment=environment)

    def run_pipeline(self, pipeline, options):
        for _ in range(_TRIES - 1):
            try:
                return super().run_pipeline(pipeline, options)
            except Exception:
                type(self).failures += 1
        return super().run_pipeline(pipeline, options)
