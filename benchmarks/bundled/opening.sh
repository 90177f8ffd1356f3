# How the recipes begin: goes to a folder beside OUTPUT, with the texts, and all-MiniLM-L6-v2 under
# the name $minilm. The same command goes on in it after a stop.
# Arguments: sentiment or embedding, and those of the recipe.
: "${3:?usage: $0 DATA OUTPUT [MINILM]}"
export PYTHONPATH
PYTHONPATH=$(cd "$(dirname "$0")/../.." && pwd)
data=$(realpath -e "$2")
output=$(realpath "$3")
if [ -e "$output" ]; then
    echo "$output exists: name another OUTPUT, or remove it" >&2
    exit 1
fi
work=$output.work
mkdir -p "$work"
minilm=all_minilm_l6_v2_en
if [ -n "${4:-}" ]; then
    minilm=./all-MiniLM-L6-v2
    ln -sfn "$(realpath -e "$4")" "$work/$minilm"
fi
cd "$work"
python -m benchmarks.bundled.texts "$1" "$data" .
