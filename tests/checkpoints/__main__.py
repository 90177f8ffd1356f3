"""Reads every kind of checkpoint here and with its reference.

python -m tests.checkpoints [NAME …]
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", USE_TF="0", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
os.environ.setdefault("TQDM_DISABLE", "1")
import warnings

warnings.filterwarnings("ignore")
from tests.checkpoints import comparing, reference
from tests.checkpoints.kinds import KINDS
from tests.checkpoints.texts import PAIRS, TEXTS


def main() -> int:
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp())
    bad = 0
    for kind in KINDS:
        if args.name and not any(n in kind.name for n in args.name):
            continue
        t0 = time.time()
        try:
            folder = kind.build(root / kind.name)
        except Exception as error:
            print(f"{kind.name}: BUILD FAILED {type(error).__name__}: {error}")
            import traceback; traceback.print_exc()
            continue
        t1 = time.time()
        for reading in kind.readings:
            a = time.time()
            try:
                found = comparing.ours(folder, reading)
            except Exception as error:
                found = f"CRASH {type(error).__name__}: {error}"
            b = time.time()
            expected = reference.read(str(folder), reading, TEXTS, PAIRS)
            c = time.time()
            outcome = comparing.compare(reading, found, expected)
            ok = kind.refused in outcome.refusal and outcome.refusal if kind.refused else (outcome.is_equal or (not outcome.refusal and not outcome.reference and {(TEXTS if reading in ("embed","classify") else PAIRS)[i] for i in outcome.texts} == set(kind.differing) and reading in ("embed","classify")))
            bad += not ok
            print(f"{'ok ' if ok else 'BAD'} {kind.name} [{reading}] {outcome}   ({t1-t0:.2f} {b-a:.2f} {c-b:.2f})", flush=True)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
