#!/usr/bin/env bash
# Distils the preset: sentiment_tiny_en.sh DATA OUTPUT [MINILM]
# DATA is described in texts.py; MINILM is a folder of all-MiniLM-L6-v2, fetched if it is not given.
# About 40 minutes on two cores.
set -euo pipefail
source "$(dirname "$0")/opening.sh" sentiment "$@"

[ -e teacher ] || python -m pipelines.finetune --preset="$minilm" --input=labelled.tsv \
    --validation=validation.tsv --sequence_length=128 --epochs=1 --seed=0 --output=teacher
cat > student.json <<'STUDENT'
{"preset": "teacher", "layers": "first:4", "intermediate_dim": 384, "vocabulary_size": 6200,
 "max_sequence_length": 256, "dropout": 0}
STUDENT
python -m pipelines.finetune --teacher=teacher --config=student.json --input=labelled.tsv \
    --input=unlabelled.tsv --validation=validation.tsv --sequence_length=128 --epochs=2 \
    --batch_size=64 --learning_rate=3e-4 --seed=0 --weights_dtype=bfloat16 --output="$output"
rm -r "$work"
