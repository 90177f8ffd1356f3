"""BERT here beside Hugging Face's, on the same random weights."""

import numpy as np
import pytest

from models import BertBackbone, BertTokenizer
from models.backbone import assign

pytestmark = pytest.mark.parity

CONFIG = {
    "vocabulary_size": 211,
    "num_layers": 3,
    "num_heads": 4,
    "hidden_dim": 32,
    "intermediate_dim": 64,
    "max_sequence_length": 48,
}


@pytest.fixture(scope="module", params=["gelu", "gelu_new", "relu"])
def reference(request):
    torch = pytest.importorskip("torch", reason="needs the parity extra")
    transformers = pytest.importorskip("transformers", reason="needs the parity extra")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=CONFIG["vocabulary_size"],
        num_hidden_layers=CONFIG["num_layers"],
        num_attention_heads=CONFIG["num_heads"],
        hidden_size=CONFIG["hidden_dim"],
        intermediate_size=CONFIG["intermediate_dim"],
        max_position_embeddings=CONFIG["max_sequence_length"],
        hidden_act=request.param,
        initializer_range=0.2,
    )
    return transformers.BertModel(config).eval()


@pytest.fixture(scope="module")
def backbone(reference):
    activations = {"gelu": "gelu", "gelu_new": "gelu_approximate", "relu": "relu"}
    backbone = BertBackbone(**CONFIG, activation=activations[reference.config.hidden_act])
    state = {name: weight.detach().numpy() for name, weight in reference.state_dict().items()}
    assign(backbone.named_weights(), named_weights(state, CONFIG["num_layers"]).items())
    return backbone


def named_weights(state, num_layers):
    def dense(name, path):
        kernel, bias = state[f"{path}.weight"].T, state[f"{path}.bias"]
        return {f"{name}/kernel": kernel, f"{name}/bias": bias}

    def norm(name, path):
        gamma, beta = state[f"{path}.weight"], state[f"{path}.bias"]
        return {f"{name}/gamma": gamma, f"{name}/beta": beta}

    weights = {
        "embeddings/token": state["embeddings.word_embeddings.weight"],
        "embeddings/position": state["embeddings.position_embeddings.weight"],
        "embeddings/segment": state["embeddings.token_type_embeddings.weight"],
        **norm("embeddings/norm", "embeddings.LayerNorm"),
        **dense("pooler", "pooler.dense"),
    }
    for index in range(num_layers):
        name, path = f"encoder/{index}", f"encoder.layer.{index}"
        attention = [f"{path}.attention.self.{kind}" for kind in ("query", "key", "value")]
        kernels = [state[f"{part}.weight"].T for part in attention]
        biases = [state[f"{part}.bias"] for part in attention]
        weights |= {
            f"{name}/qkv/kernel": np.concatenate(kernels, axis=1),
            f"{name}/qkv/bias": np.concatenate(biases),
            **dense(f"{name}/attention_output", f"{path}.attention.output.dense"),
            **norm(f"{name}/attention_norm", f"{path}.attention.output.LayerNorm"),
            **dense(f"{name}/intermediate", f"{path}.intermediate.dense"),
            **dense(f"{name}/output", f"{path}.output.dense"),
            **norm(f"{name}/output_norm", f"{path}.output.LayerNorm"),
        }
    return weights


@pytest.mark.parametrize("length", [2, 17, 48])
def test_outputs_equal_those_of_transformers(reference, backbone, length):
    import torch

    random = np.random.default_rng(length)
    mask = (np.arange(length) < random.integers(1, length + 1, (5, 1))).astype(np.int32)
    features = {
        "token_ids": random.integers(0, CONFIG["vocabulary_size"], (5, length), np.int32),
        "segment_ids": random.integers(0, 2, (5, length), np.int32),
        "padding_mask": mask,
    }
    with torch.no_grad():
        expected = reference(
            input_ids=torch.tensor(features["token_ids"]),
            token_type_ids=torch.tensor(features["segment_ids"]),
            attention_mask=torch.tensor(mask),
        )
    outputs = backbone(features)
    np.testing.assert_allclose(
        outputs["pooled_output"].numpy(), expected.pooler_output.numpy(), atol=1e-5
    )
    real = mask.astype(bool)
    np.testing.assert_allclose(
        outputs["sequence_output"].numpy()[real],
        expected.last_hidden_state.numpy()[real],
        atol=1e-5,
    )


@pytest.mark.parametrize("lowercase", [True, False])
def test_token_ids_equal_those_of_transformers(tmp_path, lowercase):
    transformers = pytest.importorskip("transformers", reason="needs the parity extra")
    texts = [
        "The café's naïve résumé: $5.00 (unaffable!)",
        "日本語 and 한국어 mixed, e-mail@example.com…",
        "a\x00b\x0bc\td\u00a0e\u200bf \ufffdg",
        "x" * 100 + " " + "x" * 101,
        "",
        "   ",
    ]
    characters = sorted(
        {c for text in texts for c in text.lower() + text if c.isprintable() and c != " "}
    )
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    vocabulary += [f"##{c}" for c in characters] + ["the", "una", "##ffa", "##ble", "cafe"]
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in vocabulary), "utf-8")
    reference = transformers.BertTokenizer(str(path), do_lower_case=lowercase)
    expected = [reference.encode(text, add_special_tokens=False) for text in texts]
    assert BertTokenizer(path, lowercase=lowercase)(texts).to_list() == expected
