"""The benchmark of cards, on a CPU with tiny sizes: it is run by hand elsewhere."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.flops import Shape
from benchmarks.gpu.__main__ import Clock, _run
from benchmarks.gpu.work import QUICK, lengths, make_texts

ROOT = Path(__file__).parents[2]


def run(module, *options):
    command = [sys.executable, "-m", f"benchmarks.{module}", "--device=cpu", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_every_part_of_the_benchmark_of_cards_runs_on_a_cpu(backend, tmp_path):
    file = tmp_path / "found.json"
    done = run("gpu", "--quick", f"--backend={backend}", f"--json={file}")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["problems"] == []
    assert found["card"]["library"].startswith(backend)
    for result in found["results"]:
        assert result["name"] in done.stdout
        assert len(result["seconds"]) == QUICK.passes
    names = " ".join(result["name"] for result in found["results"])
    for way in ("from ids", "all at once", "from texts", "Transformers", "Keras predict"):
        assert way in names


@pytest.mark.slow
def test_a_part_that_fails_is_told_and_stops_no_other(tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho broken >&2\nexit 3\n", encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    done = run("gpu", "--quick", f"--rival_python={tmp_path / 'python'}")
    assert done.returncode == 1
    assert "rival tiny float32: failed: broken" in done.stdout
    assert "Keras predict" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_the_check_of_cards_passes_on_a_cpu(backend, tmp_path):
    file = tmp_path / "found.json"
    done = run("gpu_check", "--quick", f"--backend={backend}", f"--json={file}")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(file.read_text(encoding="utf-8"))["checks"]
    assert {check["name"] for check in checks} >= {"vectors in float16", "vectors in bfloat16"}
    assert all(check["passed"] for check in checks)


def test_what_a_part_started_ends_with_it_when_time_is_up(tmp_path):
    """Else its nvidia-smi would go on for ever."""
    os.mkfifo(tmp_path / "pipe")
    started = "sh -c 'exec >pipe; sleep 100' & exec sleep 100"
    command = ["sh", "-c", f"cd {tmp_path} && {started}"]
    with ThreadPoolExecutor(1) as pool:
        # Read to its end, which is when all that could write to it have ended.
        written = pool.submit((tmp_path / "pipe").read_bytes)
        assert _run(command, dict(os.environ), Clock(1)) == ([], "stopped: time is up")
        assert written.result(timeout=20) == b""


@pytest.mark.parametrize("length", [1, 24])
def test_flops_are_those_of_the_matrix_products_of_the_graph(length):
    tf = pytest.importorskip("tensorflow")
    from models import BertBackbone

    shape = QUICK.shapes["tiny"]
    backbone = BertBackbone(**shape.config())
    spec = {name: tf.TensorSpec([3, length], tf.int32) for name in backbone.input}
    graph = tf.function(backbone.tokens, autograph=False).get_concrete_function(spec).graph
    counted = 0
    for operation in graph.get_operations():
        if operation.type in ("MatMul", "BatchMatMulV2"):
            inner = operation.inputs[0].shape[-1]
            counted += 2 * inner * int(np.prod(operation.outputs[0].shape))
    assert shape.flops(np.full(3, length)) == counted


def test_attention_is_counted_by_row_and_not_by_batch():
    shape = Shape(1, 4, 2, 8)
    together, apart = shape.flops(np.array([6])), shape.flops(np.array([3, 3]))
    assert together - apart == 2 * 2 * 4 * (36 - 18)


def test_bytes_are_those_of_weights_and_of_what_goes_in_and_out_of_each_step():
    shape = Shape(num_layers=3, hidden_dim=4, num_heads=2, intermediate_dim=8)
    steps = [(4, 12), (12, 4), (4, 4), (8, 4), (4, 8), (8, 4), (8, 4)]
    token = sum(map(sum, steps))
    weights = 4 * 12 + 4 * 4 + 4 * 8 + 8 * 4
    embedded = 8
    assert shape.bytes_moved(10, 2, 1) == 3 * (10 * token + 2 * weights) + 10 * embedded
    assert shape.bytes_moved(10, 2, 4) == 4 * shape.bytes_moved(10, 2, 1)


def test_texts_have_the_words_that_their_lengths_say():
    shape = QUICK.shapes["tiny"]
    texts = make_texts(shape, 50)
    assert [len(text.split()) + 2 for text in texts] == lengths(50).tolist()
