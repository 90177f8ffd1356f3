#!/usr/bin/env bash
# Distils the preset: sentiment_tiny_en.sh DATA OUTPUT [MINILM]
# DATA is described in texts.py; MINILM is a folder of all-MiniLM-L6-v2, fetched if it is not given.
# About an hour on two cores.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
data=$(realpath "$1") output=$(realpath "$2") minilm=${3:-all_minilm_l6_v2_en}
python=${PYTHON:-python}
export PYTHONPATH=$root
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m benchmarks.bundled.texts sentiment "$data" "$work"
"$python" -m pipelines.finetune --preset="$minilm" --input="$work/labelled.tsv" \
    --validation="$work/validation.tsv" --sequence_length=128 --epochs=1 --seed=0 \
    --output="$work/teacher"
cat > "$work/student.json" <<STUDENT
{"preset": "$work/teacher", "layers": "first:2", "vocabulary_size": 7000,
 "max_sequence_length": 256, "dropout": 0}
STUDENT
"$python" -m pipelines.finetune --teacher="$work/teacher" --config="$work/student.json" \
    --input="$work/labelled.tsv" --input="$work/unlabelled.tsv" \
    --validation="$work/validation.tsv" --sequence_length=128 --epochs=3 --batch_size=64 \
    --learning_rate=3e-4 --seed=0 --weights_dtype=bfloat16 --output="$output"
