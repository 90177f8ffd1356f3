"""The time to the first result, against what no program can do without.

    python -m benchmarks.startup [--embed=FOLDER]

A command over one text, from its start to Parquet on disk, against processes that import
TensorFlow, that import it and Beam, and that import it and load the weights into the backbone; and
the same command with a worker process, whose own start comes after the command's.
Labels with the bundled preset, or embeds with the preset in a folder; whole processes, alternating.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import alternate, median, write_news

_LOAD = """
import sys
from models.inference import runtime
runtime.start()
from models import Backbone
Backbone.from_preset(sys.argv[1])
"""


def main() -> None:
    """Prints seconds of each, and the ratio of the command to TensorFlow and the weights."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--embed", metavar="FOLDER", help="preset to embed with")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    preset = args.embed or "sentiment_tiny_en"
    command = "embed" if args.embed else "classify"
    with tempfile.TemporaryDirectory() as name:
        corpus = write_news(Path(name) / "corpus.txt", 1)
        commands = {
            command: [
                *(sys.executable, "-m", f"pipelines.{command}", f"--preset={preset}"),
                *(f"--input={corpus}", f"--output={name}/out", "--if_exists=overwrite"),
            ],
            "in a worker process": [
                *(sys.executable, "-m", f"pipelines.{command}", f"--preset={preset}"),
                *(f"--input={corpus}", f"--output={name}/out", "--if_exists=overwrite"),
                "--direct_running_mode=multi_processing",
            ],
            "TensorFlow": [sys.executable, "-c", "import tensorflow"],
            "TensorFlow and Beam": [sys.executable, "-c", "import apache_beam, tensorflow"],
            "TensorFlow and weights": [sys.executable, "-c", _LOAD, preset],
        }
        runs = alternate(commands, args.repeats)
    print(f"{preset}, one text, median of {args.repeats} alternating runs")
    for way, results in runs.items():
        wall, cpu = median([run.wall for run in results]), median([run.cpu for run in results])
        print(f"  {way:22} {wall:6.2f} s, {cpu:6.2f} CPU s")
    pairs = zip(runs[command], runs["TensorFlow and weights"], strict=True)
    ratios = [(a.wall / b.wall, a.cpu / b.cpu) for a, b in pairs]
    wall, cpu = (median(values) for values in zip(*ratios, strict=True))
    print(f"  {command} takes {wall:.2f} times as long, and {cpu:.2f} times the CPU")


if __name__ == "__main__":
    main()
