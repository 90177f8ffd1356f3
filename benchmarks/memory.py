"""Peak memory of `classify` on 200,000 and on 2,000,000 lines of text.

python -m benchmarks.memory
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import run, write_news

ROWS = (200_000, 2_000_000)


def main() -> None:
    """Prints seconds and peak memory for both, and how much the latter grows."""
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in ROWS:
            corpus = write_news(Path(folder) / f"{rows}.txt", rows)
            result = run(
                [
                    *(sys.executable, "-m", "pipelines.classify"),
                    *(f"--input={corpus}", f"--output={folder}/out{rows}"),
                ]
            )
            peaks.append(result.peak_mb)
            print(
                f"{rows:,} lines: {result.wall:.0f} s, {rows / result.wall:,.0f} rows/s, "
                f"peak {result.peak_mb:,.0f} MB",
                flush=True,
            )
    print(f"peak memory grows by {peaks[1] / peaks[0] - 1:.1%}")


if __name__ == "__main__":
    main()
