"""How busy a GPU is, according to `nvidia-smi`."""

import subprocess
import tempfile
from types import TracebackType

from typing_extensions import Self

from benchmarks.measuring import median

_QUERY = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=100", "--id=0")


class CardUse:
    """Samples the share of time in which a kernel ran, between entry and exit.

    Attributes:
        percent: Median of the samples; `None` if there is no `nvidia-smi`, or no sample.
    """

    percent: float | None = None

    def __enter__(self) -> Self:
        self._samples = tempfile.TemporaryFile("w+")
        try:
            self._process: subprocess.Popen[str] | None = subprocess.Popen(
                ["nvidia-smi", *_QUERY], stdout=self._samples, stderr=subprocess.DEVNULL, text=True
            )
        except FileNotFoundError:
            self._process = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._samples.seek(0)
            samples = [float(line) for line in self._samples if line.strip().isdigit()]
            self.percent = median(samples) if samples else None
        self._samples.close()
