"""The benchmark of cards, on a CPU with tiny sizes: it is run by hand elsewhere."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.flops import Shape
from benchmarks.gpu_work import QUICK, lengths, make_texts

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_part_of_the_benchmark_of_cards_runs_on_a_cpu() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device=cpu", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    for way in ("textbeam, from tokens", "textbeam  ", "Keras predict, padded to 128"):
        assert way in run.stdout


@pytest.mark.parametrize("length", [1, 24])
def test_flops_are_those_of_the_matrix_products_of_the_graph(length: int) -> None:
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


def test_attention_is_counted_by_row_and_not_by_batch() -> None:
    shape = Shape(1, 4, 2, 8)
    together, apart = shape.flops(np.array([6])), shape.flops(np.array([3, 3]))
    assert together - apart == 2 * 2 * 4 * (36 - 18)


def test_texts_have_the_words_that_their_lengths_say() -> None:
    shape = QUICK.shapes["tiny"]
    texts = make_texts(shape, 50)
    assert [len(text.split()) + 2 for text in texts] == lengths(50).tolist()
