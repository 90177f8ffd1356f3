"""What exact duplicates save: texts of which 40% are copies, against as many without copies.

    python -m benchmarks.duplicates [--embed=FOLDER]

Labels with the bundled preset, or embeds with the preset in a folder; loaded and warm, tokenization
included.
"""

import argparse
import random
import time

from benchmarks.measuring import median, news_lines
from models import Predictor

SHARE = 0.4


def main() -> None:
    """Prints texts a second with and without copies, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--embed", metavar="FOLDER", help="preset to embed with")
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    if args.embed:
        predictor = Predictor.from_preset(args.embed, task="embed")
    else:
        predictor = Predictor.from_preset("sentiment_tiny_en")
    corpora = make_corpora(args.texts)
    seconds: dict[str, list[float]] = {name: [] for name in corpora}
    for repeat in range(args.repeats + 1):
        for name, texts in corpora.items():
            predictor.forget()
            began = time.perf_counter()
            predictor(texts)
            if repeat:
                seconds[name].append(time.perf_counter() - began)
    print(f"{args.texts:,} texts of AG News, median of {args.repeats} alternating passes")
    for name, passes in seconds.items():
        print(f"  {name:12} {args.texts / median(passes):8,.0f} texts/s")
    distinct, copied = seconds.values()
    ratio = median([a / b for a, b in zip(distinct, copied, strict=True)])
    print(f"  {ratio:.2f} times as fast with {SHARE:.0%} copies")


def make_corpora(texts: int) -> dict[str, list[str]]:
    """Returns two shuffled corpora of this many texts: one without copies, one with `SHARE`."""
    shuffle = random.Random(0)
    distinct = shuffle.sample(list(dict.fromkeys(news_lines())), texts)
    originals = distinct[: texts - round(SHARE * texts)]
    copied = originals + shuffle.choices(originals, k=texts - len(originals))
    shuffle.shuffle(copied)
    return {"no copies": distinct, f"{SHARE:.0%} copies": copied}


if __name__ == "__main__":
    main()
