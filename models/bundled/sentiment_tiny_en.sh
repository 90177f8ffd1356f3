#!/usr/bin/env bash
# Trains the bundled preset anew: sentiment_tiny_en.sh DATA OUTPUT
# DATA is a folder with sst2_train.tsv, sst_train.tsv and sst_dev.tsv.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
output=$(realpath "$2")
python=$(realpath --no-symlinks "${PYTHON:-$here/../../.venv/bin/python}")
cd "$1"
PYTHONPATH="$here/../.." "$python" -m pipelines.finetune \
    --config="$here/sentiment_tiny_en.json" \
    --input=sst2_train.tsv --input=sst_train.tsv --validation=sst_dev.tsv \
    --text_column=sentence --label_column=label --label_names=negative,positive \
    --sequence_length=128 --epochs=1 --batch_size=64 --learning_rate=5e-4 --token_dropout=0.3 \
    --seed="${SEED:-0}" --weights_dtype=float16 --output="$output"
