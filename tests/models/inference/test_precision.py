import numpy as np
import pytest

from models import BertBackbone, BertClassifier, BertPreprocessor, Predictor, backends
from models.backends import processor
from models.errors import Advice, UserError
from models.inference import loading, precision
from models.inference.computation import computation_of, outputs_of
from models.inference.int8.encoder import int8_products
from models.inference.int8.texts import TEXTS as OF_MANY_KINDS
from models.inference.int8.texts import encoded
from models.inference.precision import choices
from tests.models.family_cases import case

TEXTS = ["A fine day.", "Cold soup and slow service, never again!", "It is what it is."]


@pytest.fixture
def has(monkeypatch):
    """Makes the processor say that it has the given features alone, on TensorFlow."""
    monkeypatch.setattr(backends, "name", lambda: "tensorflow")

    def set_flags(*flags, kernels=True):
        monkeypatch.setattr(processor, "_flags", lambda: frozenset(flags))
        monkeypatch.setattr("models.inference.int8.kernels.work", lambda: kernels)

    return set_flags


def test_this_processor_is_asked():
    flags = processor._flags()
    assert flags == frozenset() or "fpu" in flags or "asimd" in flags


def test_a_system_without_a_description_has_no_features(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "_DESCRIPTION", tmp_path / "none")
    assert processor._flags.__wrapped__() == frozenset()


@pytest.mark.parametrize(
    ("asked", "device", "expected"),
    [
        ("auto", "CPU", "float32"),
        ("auto", "GPU", "float16"),
        ("fast", "GPU", "float16"),
        ("bfloat16", "CPU", "bfloat16"),
        ("float32", "GPU", "float32"),
    ],
)
def test_automatic_precision_is_half_on_a_gpu_only(asked, device, expected):
    assert choices(asked, device) == (expected,)


@pytest.mark.parametrize(
    ("flags", "kernels", "expected"),
    [
        ((), True, ()),
        (("avx512_bf16",), True, ("bfloat16",)),
        (("amx_bf16",), True, ("bfloat16",)),
        (("avx512_vnni",), True, ("int8",)),
        (("avx512_vnni", "avx512_bf16"), True, ("int8", "bfloat16")),
        (("avx512_vnni", "avx512_bf16"), False, ("bfloat16",)),
        (("avx512_vnni",), False, ()),
    ],
)
def test_fast_is_what_the_processor_and_tensorflow_have(has, flags, kernels, expected):
    has(*flags, kernels=kernels)
    assert choices("fast", "CPU") == (*expected, "float32")
    assert choices("auto", "CPU") == ("float32",)


def test_jax_is_fast_in_float32_on_a_cpu(has, monkeypatch):
    has("avx512_vnni", "avx512_bf16")
    monkeypatch.setattr(backends, "name", lambda: "jax")
    assert choices("fast", "CPU") == ("float32",)
    with pytest.raises(UserError, match="it is TensorFlow that computes in it"):
        choices("int8", "CPU")


def test_int8_is_refused_with_the_reason_and_the_way_out(has):
    has("avx512_bf16")
    with pytest.raises(UserError, match=r"no instructions for it .*; choose bfloat16, float32 or"):
        choices("int8", "CPU")
    has("avx512_vnni", kernels=False)
    with pytest.raises(UserError, match="this TensorFlow has no kernels for it"):
        choices("int8", "CPU")
    with pytest.raises(UserError, match="there is a GPU here; choose float16, bfloat16 or auto"):
        choices("int8", "GPU")


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match=r"precision 'int4' is not one of auto, fast, float32"):
        choices("int4", "CPU")


def test_float16_without_instructions_for_it_is_advised_against(has):
    has("avx512_bf16")
    with pytest.warns(Advice, match="so that bfloat16 or float32 is faster"):
        assert choices("float16", "CPU") == ("float16",)
    has()
    with pytest.warns(Advice, match="so that float32 is faster"):
        choices("float16", "CPU")


def test_advice_names_the_line_of_who_makes_a_predictor(monkeypatch):
    monkeypatch.setattr(processor, "_flags", frozenset)
    with pytest.warns(Advice) as found:
        Predictor.from_preset("sentiment_tiny_en", precision="float16")
    assert [advice.filename for advice in found if advice.category is Advice] == [__file__]


@pytest.mark.filterwarnings("error")
def test_float16_with_instructions_for_it_is_not(has):
    has("avx512_fp16")
    assert choices("float16", "CPU") == ("float16",)


needs_int8 = pytest.mark.skipif(
    precision.int8_problem("CPU") is not None, reason="this machine does not compute in int8"
)


@needs_int8
@pytest.mark.parametrize("task", ["classify", "embed"])
def test_fast_gives_way_to_float32_where_nothing_else_is_close(task, monkeypatch):
    assert Predictor.from_preset("sentiment_tiny_en", task, precision="fast").precision == "int8"
    monkeypatch.setattr(precision, "COSINE", 1.1)
    monkeypatch.setattr(precision, "CHANGE", -1.0)
    predictor = Predictor.from_preset("sentiment_tiny_en", task, precision="fast")
    assert predictor.precision == "float32"
    expected = Predictor.from_preset("sentiment_tiny_en", task, precision="float32")(TEXTS)
    np.testing.assert_array_equal(predictor(TEXTS), expected)


needs_tensorflow = pytest.mark.skipif(
    backends.name() != "tensorflow", reason="on JAX there is nothing faster on a processor"
)


@needs_tensorflow
@pytest.mark.parametrize("task", ["classify", "embed"])
def test_fast_gives_way_where_bfloat16_is_not_close(task, has, monkeypatch):
    has("avx512_bf16")
    expected = Predictor.from_preset("sentiment_tiny_en", task, precision="bfloat16")
    predictor = Predictor.from_preset("sentiment_tiny_en", task, precision="fast")
    assert predictor.precision == expected.precision == "bfloat16"
    np.testing.assert_array_equal(predictor(TEXTS), expected(TEXTS))
    monkeypatch.setattr(precision, "COSINE", 1.1)
    monkeypatch.setattr(precision, "CHANGE", -1.0)
    assert Predictor.from_preset("sentiment_tiny_en", task, precision="fast").precision == "float32"


@needs_int8
@pytest.mark.parametrize("is_half_close", [True, False])
def test_fast_judges_half_precision_where_int8_is_not_close(is_half_close, monkeypatch):
    if not processor.has_bfloat16_products():
        pytest.skip("this processor has no instructions for bfloat16")
    answers = [False, is_half_close]
    monkeypatch.setattr(loading, "is_close", lambda *_: answers.pop(0))
    predictor = Predictor.from_preset("sentiment_tiny_en", "embed", precision="fast")
    expected = "bfloat16" if is_half_close else "float32"
    assert (predictor.precision, answers) == (expected, [])
    same = Predictor.from_preset("sentiment_tiny_en", "embed", precision=expected)
    np.testing.assert_array_equal(predictor(TEXTS), same(TEXTS))


@needs_int8
def test_int8_that_is_not_close_is_computed_with_a_note(monkeypatch):
    monkeypatch.setattr(precision, "COSINE", 1.1)
    with pytest.warns(Advice, match="int8 are farther from those in float32 than fast would"):
        predictor = Predictor.from_preset("sentiment_tiny_en", "embed", precision="int8")
    assert predictor.precision == "int8"


@needs_int8
@pytest.mark.filterwarnings("error::models.errors.Advice")
def test_int8_that_is_close_is_computed_without_a_note():
    assert Predictor.from_preset("sentiment_tiny_en", precision="int8").precision == "int8"


@pytest.fixture
def shifted():
    """Makes a classifier whose scores are shifted, and what computes its results."""

    def make(shifts, **arguments):
        bert = case("bert")
        preprocessor = BertPreprocessor(bert.tokenizer, 24)
        backbone = BertBackbone(**bert.config)
        random = np.random.default_rng(0)
        for weight in backbone.variables:  # so that results depend on texts
            weight.assign(weight + random.normal(size=weight.shape, scale=0.3))
        classifier = BertClassifier(backbone, len(shifts), preprocessor, **arguments)
        classifier.logits.bias.assign(shifts)
        return classifier, computation_of(classifier)

    return make


def test_classes_are_not_close_because_there_are_many(shifted):
    model, exact = shifted([10.0] + [0.0] * 999)
    assert precision.is_close(model, outputs_of(model), exact)

    def other_classes(features):
        return np.roll(exact(features), 1, axis=1)

    assert not precision.is_close(model, outputs_of(model), other_classes)


@pytest.mark.parametrize(("error", "is_close"), [(0.04, True), (0.05, False)])
def test_numbers_may_be_as_far_off_as_vectors(shifted, error, is_close):
    model, exact = shifted([0.0, 10.0], is_regression=True)

    def found(features):
        numbers = np.asarray(exact(features))
        signs = np.where(np.arange(len(numbers)) % 2, 1, -1)[:, None]
        return numbers + signs * error * numbers.std(axis=0)

    assert precision.is_close(model, outputs_of(model), found) == is_close


def test_numbers_are_not_close_because_one_of_them_is_large(shifted):
    model, exact = shifted([0.0, 1000.0], is_regression=True)
    assert precision.is_close(model, outputs_of(model), exact)

    def of_other_texts(features):
        return exact(features)[::-1]

    assert not precision.is_close(model, outputs_of(model), of_other_texts)


@needs_int8
def test_closeness_is_judged_with_the_prefix_of_the_preset():
    options = {"task": "embed", "prefix": "query: ", "precision": "float32"}
    model = Predictor.from_preset("sentiment_tiny_en", **options).model
    exact = outputs_of(model)
    assert precision.is_close(model, exact, computation_of(model, products=int8_products(model)))

    def other_texts(features):
        return computation_of(model)(features)[::-1]

    assert not precision.is_close(model, exact, other_texts)


def test_texts_of_many_kinds_are_tokenized_with_the_prefix_of_the_preset():
    options = {"task": "embed", "precision": "float32"}
    plain = Predictor.from_preset("sentiment_tiny_en", **options).model
    prefixed = Predictor.from_preset("sentiment_tiny_en", prefix="query: ", **options).model
    spelled = encoded(plain, [f"query: {text}" for text in OF_MANY_KINDS])
    found = encoded(prefixed, OF_MANY_KINDS)
    np.testing.assert_array_equal(found.ids, spelled.ids)
