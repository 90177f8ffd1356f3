"""Live comparison of heads with sentence-transformers' CrossEncoder and transformers' pipeline."""

import json
import string
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines import classify

pytestmark = pytest.mark.parity

torch = pytest.importorskip("torch", reason="needs the parity extra")
transformers = pytest.importorskip("transformers", reason="needs the parity extra")

LENGTH = 24
LETTERS = string.ascii_lowercase
FAMILIES = {"bert": "Bert", "roberta": "Roberta", "xlm_roberta": "XLMRoberta"}
FAMILIES["distil_bert"] = "DistilBert"
FIRST = ["what is a day", "a", "one two", "night and day"]
SECOND = ["a day is bright", "b c", "three", "or not"]


def tokenizer_of(family):
    if family in ("bert", "distil_bert"):
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
        tokens += [f"##{letter}" for letter in LETTERS]
        vocabulary = {token: index for index, token in enumerate(tokens)}
        arguments = {"vocab": vocabulary}
    elif family == "roberta":
        tokens = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, "Ġ", "Ġa", "<mask>"]
        arguments = {"vocab": {t: i for i, t in enumerate(tokens)}, "merges": [("Ġ", "a")]}
    else:
        specials = ("<s>", "<pad>", "</s>", "<unk>")
        pieces = [(name, 0.0) for name in specials]
        pieces += [(piece, -1.0 - i / 50) for i, piece in enumerate(["▁", *LETTERS, "▁a"])]
        arguments = {"vocab": [*pieces, ("<mask>", 0.0)]}
    kind = getattr(transformers, f"{FAMILIES[family]}Tokenizer")
    return kind(**arguments, model_max_length=LENGTH)


def save(family, folder, task="ForSequenceClassification", **overrides):
    """Saves a random model with its tokenizer; no weight of it is zero or one."""
    tokenizer = tokenizer_of(family)
    tokenizer.save_pretrained(folder)
    if family == "distil_bert":
        shape = {"n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 24}
    else:
        shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16}
        shape["intermediate_size"] = 24
    positions = LENGTH + (2 if "roberta" in family else 0)
    shape |= {"vocab_size": len(tokenizer), "max_position_embeddings": positions}
    if "roberta" in family:
        shape |= {"pad_token_id": 1, "type_vocab_size": 1}
    config = getattr(transformers, f"{FAMILIES[family]}Config")(**{**shape, **overrides})
    torch.manual_seed(0)
    model = getattr(transformers, f"{FAMILIES[family]}{task}")(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape) * 0.2)
    model.save_pretrained(folder)
    return model.eval()


def edit(folder, file="config.json", **fields):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}))


def cross_encoder(folder, **arguments):
    package = pytest.importorskip("sentence_transformers", reason="needs the parity extra")
    return package.CrossEncoder(str(folder), device="cpu", **arguments)


def assert_scores(folder):
    """Pairs get the scores of `CrossEncoder.predict`; returns them."""
    expected = cross_encoder(folder).predict(list(zip(FIRST, SECOND, strict=True)))
    found = Predictor.from_preset(folder)(FIRST, SECOND)
    assert found.shape == (len(FIRST), 1)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    assert np.ptp(expected) > 1e-3
    return expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("function", [None, "Identity", "Tanh"])
@pytest.mark.parametrize("by", ["sentence_transformers", "sbert_ce_default_activation_function"])
def test_one_label_gives_the_score_of_a_cross_encoder(tmp_path, family, function, by):
    save(family, tmp_path, num_labels=1)
    if function is not None:
        path = f"torch.nn.modules.{'linear' if function == 'Identity' else 'activation'}.{function}"
        is_new = by == "sentence_transformers"
        edit(tmp_path, **{by: {"activation_fn": path, "version": "4.1.0"} if is_new else path})
    assert_scores(tmp_path)
    assert open_preset(tmp_path).gives_numbers


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("function", ["Sigmoid", "Identity", "Softplus", "Hardsigmoid", "Hardtanh"])
def test_a_folder_that_a_cross_encoder_saved_gives_its_scores(tmp_path, family, function):
    save(family, tmp_path / "base", num_labels=1)
    model = cross_encoder(tmp_path / "base", activation_fn=getattr(torch.nn, function)())
    model.save_pretrained(str(tmp_path / "saved"))
    scores = model.predict(list(zip(FIRST, SECOND, strict=True)))
    np.testing.assert_array_equal(assert_scores(tmp_path / "saved"), scores)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_command_writes_the_scores_and_no_label(tmp_path, family):
    save(family, tmp_path / "model", num_labels=1)
    expected = cross_encoder(tmp_path / "model").predict(list(zip(FIRST, SECOND, strict=True)))
    with (tmp_path / "rows.jsonl").open("w") as lines:
        for first, second in zip(FIRST, SECOND, strict=True):
            lines.write(json.dumps({"q": first, "d": second}) + "\n")
    output = tmp_path / "scores"
    flags = {"input": tmp_path / "rows.jsonl", "text_column": "q", "text_pair_column": "d"}
    flags |= {"preset": tmp_path / "model", "output": output}
    assert classify.main([f"--{name}={value}" for name, value in flags.items()]) == 0
    table = pq.read_table(output, columns=["q", "score"])
    assert "label" not in pq.read_schema(next(output.glob("part*"))).names
    found = dict(zip(*(table.column(name).to_pylist() for name in ("q", "score")), strict=True))
    np.testing.assert_allclose([found[text] for text in FIRST], expected, atol=1e-5)


# transformers


def pipeline_of(folder, texts, **arguments):
    pipe = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    return pipe(texts, **arguments)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("problem", [None, "regression", "multi_label_classification"])
def test_one_label_gives_the_score_of_the_pipeline(tmp_path, family, problem):
    save(family, tmp_path, num_labels=1, problem_type=problem)
    expected = [row["score"] for row in pipeline_of(tmp_path, FIRST)]
    np.testing.assert_allclose(Predictor.from_preset(tmp_path)(FIRST)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("problem", ["regression", "multi_label_classification", None])
def test_three_labels_give_the_scores_of_the_pipeline(tmp_path, family, problem):
    names = {0: "valence", 1: "arousal", 2: "dominance"}
    save(family, tmp_path, id2label=names, problem_type=problem)
    expected = [
        {row["label"]: row["score"] for row in rows}
        for rows in pipeline_of(tmp_path, FIRST, top_k=None)
    ]
    predictor = Predictor.from_preset(tmp_path)
    assert predictor.labels == list(names.values())
    assert predictor.model.gives_numbers == (problem == "regression")
    found = [dict(zip(predictor.labels, row, strict=True)) for row in predictor(FIRST)]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_several_labels_of_a_cross_encoder_are_the_softmax_of_what_it_predicts(tmp_path):
    save("roberta", tmp_path, id2label={0: "contradiction", 1: "entailment", 2: "neutral"})
    edit(tmp_path, sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity"})
    pairs = list(zip(FIRST, SECOND, strict=True))
    expected = cross_encoder(tmp_path).predict(pairs, apply_softmax=True)
    np.testing.assert_allclose(Predictor.from_preset(tmp_path)(FIRST, SECOND), expected, atol=1e-5)


@pytest.mark.parametrize(
    "fields",
    [
        {"id2label": {"0": 3, "1": 4, "2": 5.5}},
        {"id2label": {"0": "a", "1": "a", "2": "b"}},
        {"id2label": {"02": "c", "1": "b", "0": "a"}},
        {"id2label": None, "num_labels": 3},
        {"id2label": {"0": "a", "1": "b"}, "num_labels": 3},
        {"_num_labels": 7},
    ],
    ids=["numbers", "alike", "spelled", "unnamed", "disagreeing", "old"],
)
def test_labels_are_those_of_the_pipeline(tmp_path, fields):
    save("bert", tmp_path, num_labels=3)
    edit(tmp_path, **fields)
    expected = pipeline_of(tmp_path, FIRST)
    predictor = Predictor.from_preset(tmp_path)
    outputs = predictor(FIRST)
    labels = [predictor.labels[best] for best in outputs.argmax(axis=1)]
    assert labels == [str(row["label"]) for row in expected]
    np.testing.assert_allclose(outputs.max(axis=1), [row["score"] for row in expected], atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_named", [True, False], ids=["as its backbone", "not at all"])
def test_a_head_that_the_configuration_does_not_name_is_found(tmp_path, family, is_named):
    save(family, tmp_path, num_labels=1)
    edit(tmp_path, architectures=[f"{FAMILIES[family]}Model"] if is_named else None)
    assert_scores(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", ["ForMultipleChoice", "ForTokenClassification"])
def test_a_model_for_another_task_embeds_and_says_what_it_is(tmp_path, family, task):
    model = save(family, tmp_path, task)
    preset = open_preset(tmp_path)
    assert not preset.has_classifier
    assert f"it is a {FAMILIES[family]}{task}, which" in str(preset.no_classifier())
    inputs = tokenizer_of(family)(FIRST[:1], return_tensors="pt")
    with torch.no_grad():
        expected = model.base_model(**inputs).last_hidden_state[0].mean(dim=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the missing pooler
        found = Predictor.from_preset(tmp_path, "embed", pooling="mean", normalize=False)(FIRST[:1])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
