import pytest

from models import BertBackbone
from models.inference import cores, runtime
from models.inference.cost import seconds_per_token


def test_the_cost_of_a_token_grows_with_the_layers_and_not_with_the_vocabulary():
    runtime.start()
    small = BertBackbone(100, 1, 1, 8, 16, max_sequence_length=16)
    words = BertBackbone(900, 1, 1, 8, 16, max_sequence_length=16)
    deep = BertBackbone(100, 11, 1, 8, 16, max_sequence_length=16)
    cost = {name: seconds_per_token(m, "CPU") for name, m in
            (("small", small), ("words", words), ("deep", deep))}  # fmt: skip
    assert cost["words"] == cost["small"]
    assert cost["deep"] > 5 * cost["small"]
    assert seconds_per_token(small, "GPU") < cost["small"]
    # 4 products of 8 x 8 and 2 of 8 x 16, with biases and norms beside them.
    assert cost["small"] * 100e9 * cores.own() == pytest.approx(2 * 600, rel=0.3)
