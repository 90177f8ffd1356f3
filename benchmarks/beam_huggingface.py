"""`classify` against Beam's own way, in whole processes, alternating.

    python3 -m venv rival && rival/bin/pip install -r benchmarks/rivals/requirements.txt
    python -m benchmarks.beam_huggingface rival/bin/python

Both label the texts of AG News with a random BERT of 2 layers of 128 and write Parquet.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import alternate, median, run, write_news, write_random_preset

_RIVAL = str(Path(__file__).parent / "rivals" / "beam_huggingface.py")


def main() -> None:
    """Prints seconds, rows a second and the ratio, for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rival_python", help="Python of the rival's environment")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_001, 100_010])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        preset = write_random_preset(folder / "preset")
        model = folder / "model"
        model.mkdir()
        texts = write_news(folder / "vocabulary.txt", 10_001)
        run([args.rival_python, _RIVAL, "--make", str(model), str(texts)])
        for rows in args.rows:
            corpus = write_news(folder / f"{rows}.txt", rows)
            results = alternate(
                {
                    "textbeam": [
                        *(sys.executable, "-m", "pipelines.classify", f"--preset={preset}"),
                        *(f"--input={corpus}", f"--output={folder}/a", "--if_exists=overwrite"),
                    ],
                    "beam": [args.rival_python, _RIVAL, str(model), str(corpus), f"{folder}/b"],
                },
                args.repeats,
            )
            shutil.rmtree(folder / "b")
            print(f"{rows:,} rows, median of {args.repeats} alternating runs")
            for way, runs in results.items():
                wall = median([result.wall for result in runs])
                peak = max(result.peak_mb for result in runs)
                print(f"  {way:8} {wall:7.1f} s  {rows / wall:7,.0f} rows/s  {peak:5,.0f} MB")
            pairs = zip(results["beam"], results["textbeam"], strict=True)
            print(f"  ratio {median([b.wall / a.wall for b, a in pairs]):.1f}", flush=True)


if __name__ == "__main__":
    main()
