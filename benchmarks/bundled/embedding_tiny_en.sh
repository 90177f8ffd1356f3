#!/usr/bin/env bash
# Distils the preset: embedding_tiny_en.sh DATA OUTPUT [MINILM]
# DATA is described in texts.py; MINILM is a folder of all-MiniLM-L6-v2, fetched if it is not given.
# About 15 minutes on two cores.
set -euo pipefail
source "$(dirname "$0")/opening.sh" embedding "$@"

cat > student.json <<STUDENT
{"preset": "$minilm", "layers": "first:4", "intermediate_dim": 384, "vocabulary_size": 10000,
 "max_sequence_length": 256, "dropout": 0}
STUDENT
python -m pipelines.finetune --teacher="$minilm" --config=student.json --input=labelled.tsv \
    --input=unlabelled.tsv --validation=validation.tsv --epochs=2 --batch_size=64 \
    --learning_rate=3e-4 --seed=0 --weights_dtype=bfloat16 --output="$output"
rm -r "$work"
