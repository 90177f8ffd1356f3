"""What sentence-transformers' files say; their vectors are compared in the parity tests."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from models import BertTokenizer, PresetError
from models.presets.embedding import Dense, EmbeddingSettings, LayerNorm, Normalize, Prompts
from models.presets.lookup import open_preset
from models.presets.sentence_transformers import lowers_texts
from tests.models.presets.hugging_face_folders import (
    LENGTH,
    WIDTH,
    make_folder,
    nested,
    wordpiece_json,
    write,
    write_modules,
)
from tests.models.presets.hugging_face_refusals import SETTINGS, TOKENIZER, WEIGHTS, assert_refused

MODULES = "modules.json"
MODEL = "sentence_bert_config.json"
PROMPTS = "config_sentence_transformers.json"
POOLING = "1_Pooling/config.json"
DENSE = {
    "in_features": WIDTH,
    "out_features": 3,
    "bias": True,
    "activation_function": "torch.nn.modules.activation.Tanh",
}
MEAN = ("Pooling", {"pooling_mode": "mean"})


def embedding(folder):
    return open_preset(folder).embedding


# The modules


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len_tokens"),
        ({"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
        ({"pooling_mode_lasttoken": True}, "lasttoken"),
        ({"pooling_mode": "cls", "embedding_dimension": 4}, "cls"),
        ({"pooling_mode": ["max"]}, "max"),
        ({"pooling_mode": ["max", "cls"]}, ("max", "cls")),
        ({"pooling_mode_cls_token": False}, "mean"),
        (
            {
                "pooling_mode_mean_tokens": True,
                "pooling_mode_max_tokens": True,
                "pooling_mode_cls_token": True,
            },
            ("cls", "max", "mean"),
        ),
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_is_what_sentence_transformers_wrote(bert, pooling, expected, normalize):
    write_modules(bert, ("Pooling", pooling), *([("Normalize", None)] if normalize else []))
    assert embedding(bert) == EmbeddingSettings(expected, normalize)
    assert {MODULES, POOLING} < set(open_preset(bert).files)


def test_without_sentence_transformers_the_mean_is_taken(bert):
    assert embedding(bert) == EmbeddingSettings("mean", False)


@pytest.mark.parametrize("package", ["models", "sentence_transformer.modules.pooling", "x.y"])
def test_a_module_is_known_by_the_last_part_of_its_type(bert, package):
    write_modules(bert, ("Pooling", {"pooling_mode": "cls"}), package=package)
    assert embedding(bert).pooling == "cls"


def test_modules_keep_their_order(bert):
    tokens = {"module_input_name": "token_embeddings"}
    write_modules(
        bert,
        ("Dense", {**DENSE, **tokens, "module_output_name": "token_embeddings"}),
        ("Normalize", tokens),
        ("Pooling", {"pooling_mode": ["cls", "mean"], "include_prompt": False}),
        ("LayerNorm", {"dimension": 6}),
        ("Dropout", {"dropout": 0.5}),
        ("Normalize", None),
        ("Dense", {"in_features": 6, "out_features": 6, "bias": False, "use_residual": True}),
        ("Normalize", None),
    )
    assert embedding(bert) == EmbeddingSettings(
        ("cls", "mean"),
        normalize=True,
        modules=(
            LayerNorm("4_LayerNorm", 6),
            Normalize(),
            Dense("7_Dense", 6, 6, "tanh", has_bias=False, is_residual=True),
        ),
        token_modules=(Dense("1_Dense", WIDTH, 3), Normalize()),
        pools_prefix=False,
    )


def test_a_cross_encoder_is_embedded_as_a_model_without_modules_is(bert):
    write(bert, MODULES, [{"path": "", "type": "sentence_transformers.models.Transformer"}])
    write(bert, MODEL, {"transformer_task": "sequence-classification"})
    prompts = {"prompts": {"query": "q"}, "default_prompt_name": "query"}
    write(bert, PROMPTS, {"model_type": "CrossEncoder", **prompts})
    assert embedding(bert) == EmbeddingSettings()
    assert open_preset(bert).prompts == Prompts()


def module(kind, path=""):
    return {"path": path, "type": kind}


TRANSFORMER = module("sentence_transformers.models.Transformer")


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ([TRANSFORMER, module("sentence_transformers.models.CNN", "1")], "the module 'CNN' is not"),
        (
            [module("sentence_transformers.models.BoW")],
            "the module 'BoW' is not computed here; mus",
        ),
        ([module("custom.Transformer")], "'custom.Transformer' is code by the author of the pres"),
        ([module("a\nb")], "the module 'a\\nb' is not computed here; must be Transformer, Pooling"),
        ([TRANSFORMER], "the modules 'Transformer' make no vector of a text; there must be one"),
        (
            [TRANSFORMER, *[module("sentence_transformers.models.Pooling", "1_Pooling")] * 2],
            "there must be one Pooling",
        ),
        ([TRANSFORMER, {**TRANSFORMER, "path": "../1_Pooling"}], "is not the name of a folder"),
        ([{**TRANSFORMER, "path": ".."}], "'..' is not the name of a folder"),
        ([{**TRANSFORMER, "path": "/etc"}], "'/etc' is not the name of a folder"),
        ([{**TRANSFORMER, "path": "a\nb"}], r"'a\nb' is not the name of a folder"),
        ([TRANSFORMER, {"type": 1}], "each module must be an object with `type` and `path`"),
        ([], "must be an array of modules"),
        ({}, "must be an array of modules"),
    ],
)
def test_steps_that_are_not_computed_here_are_refused(bert, modules, problem):
    write(bert, MODULES, modules)
    assert_refused(bert, MODULES, problem, embedding)


@pytest.mark.parametrize(
    ("pooling", "problem"),
    [
        ({"pooling_mode": "sum"}, "pooling 'sum' is not one of cls, max, mean, mean_sqrt_len_to"),
        ({"pooling_mode": ["cls", 1]}, "pooling 1 is not one of"),
        ({"pooling_mode": {}}, "pooling {} is not one of"),
        ({"pooling_mode": []}, "pooling [] is not one of"),
        ({"pooling_mode_eos_token": True}, "'pooling_mode_eos_token' is not one of pooling_mode_"),
        ({"pooling_mode": "mean", "include_prompt": 0}, "include_prompt must be true or false"),
        ([], "must be an object"),
    ],
)
def test_other_poolings_are_refused(bert, pooling, problem):
    write_modules(bert, ("Pooling", pooling))
    assert_refused(bert, POOLING, problem, embedding)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"activation_function": "torch.nn.Softmax"}, "'torch.nn.Softmax' is not supported; must "),
        ({"activation_function": "mine.Tanh"}, "activation_function 'mine.Tanh' is not supported"),
        ({"activation_function": None}, "activation_function None is not supported"),
        ({"in_features": None}, "lacks 'in_features'"),
        ({"out_features": -1}, "out_features must be a positive integer, not -1"),
        ({"bias": "no"}, "bias must be true or false, not 'no'"),
    ],
)
def test_a_dense_layer_that_is_not_computed_here_is_refused(bert, fields, problem):
    write_modules(bert, MEAN, ("Dense", {**DENSE, **fields}))
    assert_refused(bert, "2_Dense/config.json", problem, embedding)


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ([("Dense", DENSE), MEAN], "a Dense of 'sentence_embedding' before Pooling is not suppor"),
        ([MEAN, ("Normalize", {"module_input_name": "token_embeddings"})], "behind Pooling is no"),
        ([MEAN, ("Dense", {**DENSE, "module_output_name": "x"})], "a Dense of 'x' behind Pooling"),
        ([("LayerNorm", {"dimension": 4}), MEAN], "a LayerNorm of 'sentence_embedding' before"),
    ],
)
def test_vectors_that_do_not_go_through_all_modules_are_refused(bert, modules, problem):
    write_modules(bert, *modules)
    assert_refused(bert, MODULES, problem, embedding)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"transformer_task": "fill-mask"}, "transformer_task 'fill-mask' is not supported"),
        ({"module_output_name": "sentence_embedding"}, "must be 'token_embeddings'"),
        ({"modality_config": {"message": {}}}, "modality_config {'message': {}} is not supported"),
        ({"processing_kwargs": {"text": {"max_length": 5}}}, "processing_kwargs {'text'"),
        ({"config_args": {"num_hidden_layers": 1}}, "config_args 'num_hidden_layers' is not supp"),
        ({"model_kwargs": 1}, "model_kwargs '1' is not supported"),
        ({"max_sequence_length": 5}, "unknown field 'max_sequence_length'; known are max_seq_len"),
    ],
)
def test_settings_of_the_model_that_are_not_followed_are_refused(bert, fields, problem):
    write_modules(bert, MEAN)
    write(bert, MODEL, fields)
    assert_refused(bert, MODEL, problem, embedding)


def test_settings_of_the_model_as_version_6_writes_them(bert):
    write_modules(bert, MEAN)
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    settings = {"module_output_name": "token_embeddings", "modality_config": {"text": text}}
    settings |= {"transformer_task": "feature-extraction", "model_kwargs": {"dtype": "float16"}}
    write(bert, MODEL, {**settings, "do_lower_case": True, "query_length": 5})
    assert embedding(bert) == EmbeddingSettings()
    assert lowers_texts(open_preset(bert))


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
@pytest.mark.parametrize("file", [MODULES, MODEL, PROMPTS, POOLING])
def test_what_is_no_json_is_refused(bert, file, content):
    write_modules(bert, MEAN)
    write(bert, file, content)
    assert_refused(bert, file, "not valid JSON", embedding)


@pytest.mark.parametrize("kind", ["SparseEncoder", "MultiVectorEncoder"])
def test_models_without_dense_vectors_are_refused(bert, kind):
    write_modules(bert, MEAN)
    write(bert, PROMPTS, {"model_type": kind})
    assert_refused(bert, PROMPTS, f"a model of the type {kind!r} does not make one", embedding)


# Lengths and lowercasing


@pytest.mark.parametrize("lowers", [True, False, None])
def test_texts_are_lowercased_if_sentence_transformers_says_so(bert, lowers):
    normalizer = {**wordpiece_json()["normalizer"], "lowercase": False}
    write(bert, TOKENIZER, {**wordpiece_json(), "normalizer": normalizer})
    write(bert, SETTINGS, {"do_lower_case": False})
    write(bert, MODEL, {"do_lower_case": lowers})
    ids = BertTokenizer.from_preset(bert)("A").numpy().tolist()
    assert ids == ([5] if lowers else [1])


def test_lowercasing_that_is_neither_true_nor_false_is_refused(bert):
    write(bert, MODEL, {"do_lower_case": "yes"})
    assert_refused(bert, MODEL, "do_lower_case must be true or false, not 'yes'")


@pytest.mark.parametrize(
    ("sentence", "settings", "expected"),
    [
        ({"max_seq_length": 5}, {"model_max_length": 7}, 5),
        ({"max_seq_length": 100}, {}, LENGTH),
        ({"max_seq_length": None}, {"model_max_length": 7}, 7),
        ({}, {"model_max_length": 10**30}, None),
        ({}, {"model_max_length": 1e30}, None),
        ({}, {}, None),
    ],
)
def test_the_length_is_that_of_sentence_transformers_or_of_the_tokenizer(
    bert, sentence, settings, expected
):
    write(bert, MODEL, sentence)
    write(bert, SETTINGS, settings)
    preset = open_preset(bert)
    assert preset.own_length == expected
    assert preset.sequence_length == (expected or LENGTH)


@pytest.mark.parametrize("length", [0, -1, "5", True])
def test_a_length_that_is_none_is_refused(bert, length):
    write(bert, MODEL, {"max_seq_length": length})
    with pytest.raises(PresetError, match="max_seq_length must be a positive integer"):
        _ = open_preset(bert).own_length


# Files


@pytest.mark.parametrize("folder_name", ["0_Transformer", "0_DistilBERT"])
@pytest.mark.parametrize("root_config", [None, {"__version__": "2.0.0"}])
def test_the_model_may_be_in_a_folder_of_its_own(bert, tmp_path, folder_name, root_config):
    write(bert, MODEL, {"max_seq_length": 5})
    write_modules(bert, MEAN)
    inside = nested(bert, tmp_path / "nested", folder_name)
    if root_config:
        write(inside, "config.json", root_config)
    preset = open_preset(inside)
    assert (preset.family, preset.own_length, preset.embedding.pooling) == ("bert", 5, "mean")
    assert BertTokenizer.from_preset(preset)("a b").numpy().tolist() == [5, 6]
    files = {f"{folder_name}/{file}" for file in ("config.json", "vocab.txt", WEIGHTS, MODEL)}
    assert {MODULES, POOLING, *files} == set(preset.files)
    (inside / folder_name / "vocab.txt").unlink()
    with pytest.raises(PresetError, match=f"{folder_name}/vocab.txt: no such file"):
        BertTokenizer.from_preset(open_preset(inside))


def test_a_folder_without_a_transformer_is_refused_at_once(tmp_path):
    kind = "sentence_transformers.models.StaticEmbedding"
    write(tmp_path, MODULES, [{"path": "0_StaticEmbedding", "type": kind}])
    with pytest.raises(PresetError, match="the module 'StaticEmbedding' is not computed here"):
        open_preset(tmp_path)


def test_the_digest_changes_with_every_file_of_a_module(tmp_path):
    bert = make_folder(tmp_path, "bert")
    write_modules(bert, MEAN, ("Dense", DENSE))
    save_file({}, bert / "2_Dense" / WEIGHTS)
    write(bert, PROMPTS, {})
    digests = {open_preset(bert).digest}
    files = [MODULES, PROMPTS, POOLING, "2_Dense/config.json", f"2_Dense/{WEIGHTS}"]
    for file in files:
        with (bert / file).open("ab") as stream:
            stream.write(b"\n")
        digests.add(open_preset(bert).digest)
    assert len(digests) == 1 + len(files)


# Weights


def dense_arrays(**arrays):
    shapes = {"linear.weight": (3, WIDTH), "linear.bias": (3,), **arrays}
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items() if shape}


def test_the_weights_of_a_module_are_read_by_name(bert):
    write_modules(bert, MEAN, ("Dense", {**DENSE, "use_residual": True}))
    save_file(dense_arrays(**{"residual.weight": (3, WIDTH)}), bert / "2_Dense" / WEIGHTS)
    found = {name: array.shape for name, array in open_preset(bert).module_weights()}
    kernels = {"2_Dense/kernel": (WIDTH, 3), "2_Dense/residual": (WIDTH, 3)}
    assert found == {**kernels, "2_Dense/bias": (3,)}


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"linear.bias": None}, "lacks 'linear.bias'"),
        ({"linear.weight": (WIDTH, 3)}, "'linear.weight' has the shape [4, 3]; its configuration"),
        ({"residual.weight": (3, WIDTH)}, "holds 'residual.weight', which its configuration lack"),
    ],
)
def test_weights_of_a_module_that_do_not_fit_are_refused(bert, arrays, problem):
    write_modules(bert, MEAN, ("Dense", DENSE))
    save_file(dense_arrays(**arrays), bert / "2_Dense" / WEIGHTS)
    assert_refused(bert, f"2_Dense/{WEIGHTS}", problem, read_weights)


def read_weights(folder):
    return list(open_preset(folder).module_weights())


def test_weights_of_a_module_that_are_not_finite_are_refused(bert):
    write_modules(bert, MEAN, ("LayerNorm", {"dimension": WIDTH}))
    arrays = {f"norm.{part}": dense_arrays()["linear.weight"][0] for part in ("weight", "bias")}
    arrays["norm.bias"] = arrays["norm.bias"] * float("nan")
    save_file(arrays, bert / "2_LayerNorm" / WEIGHTS)
    problem = "the weight 'norm.bias' holds nan, not a finite number"
    assert_refused(bert, f"2_LayerNorm/{WEIGHTS}", problem, read_weights)


def test_a_pickle_of_a_module_is_never_read_and_the_error_says_how_to_convert_it(bert):
    write_modules(bert, MEAN, ("Dense", DENSE))
    write(bert, "2_Dense/pytorch_model.bin", "")
    problem = f"SentenceTransformer({str(bert)!r}).save('converted/')"
    assert_refused(bert, f"2_Dense/{WEIGHTS}", problem, read_weights)
