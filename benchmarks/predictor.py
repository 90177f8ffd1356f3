"""Token areas and streams of the predictor on a CPU.

    python -m benchmarks.predictor [PRESET]

Each row is a process of its own, since TensorFlow's threads are set only once: micro-batches of a
token area, in one stream whose operations take all cores, or in one or two streams per core whose
operations take one.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.measuring import median, news_lines
from models.inference import cores, runtime

AREAS = (512, 1024, 2048, 4096)
STREAMS = (1, cores.own(), 2 * cores.own())
TEXTS = 4096
REPEATS = 5


def main() -> None:
    """Prints texts a second for each area and number of streams."""
    preset = sys.argv[1] if len(sys.argv) > 1 else "sentiment_tiny_en"
    print(f"{preset}, {TEXTS:,} texts of AG News, tokenization not included")
    for streams in STREAMS:
        for area in AREAS:
            command = [
                sys.executable,
                "-m",
                "benchmarks.predictor",
                preset,
                str(area),
                str(streams),
            ]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"{streams} streams, area {area:5}: {output.strip()}", flush=True)


def measure(preset: str, area: int, streams: int) -> None:
    """Prints the median of several passes."""
    runtime.start(streams=streams > 1)
    # The number of streams is not an option of the product: it is what is compared here.
    from models.inference import predictor as predictors
    from models.inference.predictor import Predictor

    predictors.streams = lambda device: ThreadPoolExecutor(streams)
    predictor = Predictor.from_preset(preset, batch_tokens=area)
    tokens, _ = predictor.preprocessor.encode(news_lines()[:TEXTS])
    speeds = []
    for repeat in range(REPEATS + 1):
        predictor.forget()
        began = time.perf_counter()
        padded = predictor.predict(tokens).padded_tokens
        if repeat:
            speeds.append(TEXTS / (time.perf_counter() - began))
    share = padded / (padded + tokens.splits[-1])
    print(f"{median(speeds):,.0f} texts/s, {share:.1%} padding")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
