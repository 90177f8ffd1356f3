#!/usr/bin/env bash
# Distils the preset: embedding_tiny_en.sh DATA OUTPUT [MINILM]
# DATA is described in texts.py; MINILM is a folder of all-MiniLM-L6-v2, fetched if it is not given.
# About half an hour on two cores.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
data=$(realpath "$1") output=$(realpath "$2") minilm=${3:-all_minilm_l6_v2_en}
python=${PYTHON:-python}
export PYTHONPATH=$root
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m benchmarks.bundled.texts embedding "$data" "$work"
cat > "$work/student.json" <<STUDENT
{"preset": "$minilm", "layers": "first:2", "vocabulary_size": 10000, "max_sequence_length": 256,
 "dropout": 0}
STUDENT
"$python" -m pipelines.finetune --teacher="$minilm" --config="$work/student.json" \
    --input="$work/labelled.tsv" --input="$work/unlabelled.tsv" \
    --validation="$work/validation.tsv" --epochs=2 --batch_size=64 --learning_rate=3e-4 --seed=0 \
    --weights_dtype=bfloat16 --output="$output"
