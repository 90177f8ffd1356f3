"""What tasks say of data that they cannot learn from, be judged by, or predict."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.family_cases import case

TEXTS = ["the good film", "the bad play", "a great film", "good"]
CLASSES = np.array([1, 0, 1, 1])
KINDS = ["classifier", "embedder", "masked LM", "without a preprocessor"]


def make(kind):
    """Returns a task, texts or features for it, and targets, which a masked LM makes itself."""
    bert = case("bert")
    classifier = bert.classifier(["negative", "positive"])
    backbone, preprocessor = classifier.backbone, classifier.preprocessor
    if kind == "classifier":
        return classifier, TEXTS, CLASSES
    if kind == "embedder":
        embedder = bert.ours("TextEmbedder")(backbone, preprocessor)
        embedder.compile(loss="mse")
        return embedder, TEXTS, np.zeros((4, backbone.hidden_dim))
    if kind == "masked LM":
        hides = bert.ours("MaskedLMPreprocessor")(bert.tokenizer, 16)
        return bert.ours("MaskedLM")(backbone, hides), TEXTS, None
    features = {name: np.asarray(values) for name, values in preprocessor(TEXTS).items()}
    return bert.ours("Classifier")(backbone, 2), features, CLASSES


@pytest.fixture(scope="module")
def made():
    return {kind: make(kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def given(request, made):
    return made[request.param]


class Batches(keras.utils.PyDataset):
    """One batch."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def rows(*parts):
    parts = tuple(part for part in parts if part is not None)
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


def steps(task):
    return task.train_on_batch, task.test_on_batch


def refuses(problem, kind, use, *args, **kwargs):
    kwargs |= {} if use.__name__.endswith("on_batch") else {"verbose": 0}
    with pytest.raises(kind, match=problem) as raised:
        use(*args, **kwargs)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "masked LM"])
def test_without_targets_nothing_is_learnt_or_judged(made, kind):
    task, x, y = made[kind]
    wrong = (x, rows(x).batch(2), Batches(x), Batches((x,)))
    for use in (task.fit, task.evaluate):
        for data in wrong:
            refuses(rf"takes targets too.*{use.__name__}\(texts, targets\)", ValueError, use, data)
    for data in (x, (x,), *wrong[1:3]):
        problem = r"validation_data takes targets too, one for each row: \(texts, targets\)"
        refuses(problem, ValueError, task.fit, x, y, validation_data=data)
    for use in steps(task):
        refuses("on_batch takes targets too", ValueError, use, x)


def test_a_masked_lm_makes_the_targets_of_texts_and_not_of_features(made):
    task, x, _ = made["masked LM"]
    features, labels, weights = task.preprocessor(TEXTS)
    for data in (x, rows(x).batch(2), Batches(x)):
        history = task.fit(data, validation_data=data, verbose=0).history
        assert "val_loss" in history
    assert task.evaluate(rows(features, labels, weights).batch(2), verbose=0)
    for data in (rows(features).batch(2), Batches(features)):
        refuses("fit takes targets too", ValueError, task.fit, data)


def test_a_masked_lm_takes_no_targets_of_texts(made):
    task, x, _ = made["masked LM"]
    problem = r"a masked LM takes texts alone.* as in \(texts, None, weights\)"
    for data in ((x, CLASSES), (rows(x, CLASSES).batch(2),), (Batches((x, CLASSES)),)):
        for use in (task.fit, task.evaluate):
            refuses(problem, ValueError, use, *data)
        refuses(
            problem, ValueError, task.fit, x, validation_data=data[0] if data[1:] == () else data
        )
    for use in steps(task):
        refuses(problem, ValueError, use, x, CLASSES)
    for data in (rows(x, CLASSES).batch(2), Batches((x, CLASSES))):
        assert len(task.predict(data, verbose=0)) == 4


@pytest.mark.parametrize("wrong", [CLASSES[:3], ["negative"] * 4, CLASSES[None]])
def test_a_step_takes_as_many_numbers_as_rows(given, wrong):
    task, x, y = given
    for use in steps(task):
        refuses(
            r"4 texts have |targets are numbers|could not convert", ValueError, use, x, y, wrong
        )
        if not task.makes_targets:
            problem = r"4 texts have targets of|targets are numbers|index of a class"
            refuses(problem, ValueError, use, x, wrong)


def test_a_loss_of_ones_own_may_need_no_targets(made):
    task, x, _ = made["classifier"]

    class Own(type(task)):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(y_pred**2)

    own = Own(task.backbone, 2, task.preprocessor, compile=False)
    own.compile(loss=None, metrics=None)
    assert np.isfinite(own.fit(x, verbose=0).history["loss"]).all()


def test_there_must_be_a_loss_to_learn_from(made):
    task, x, y = made["embedder"]
    bare = type(task)(task.backbone, task.preprocessor)
    for use in (bare.fit, bare.train_on_batch):
        refuses(r"needs a loss: give one to compile", ValueError, use, x, y)


def test_rows_must_come_in_batches(given):
    task, x, y = given
    pairs = rows(x, y)
    for use in (task.fit, task.evaluate, task.predict):
        problem = r"gives single rows, and a model takes batches: make them, as by dataset\.batch"
        refuses(problem, ValueError, use, pairs)
        refuses("batches of batches", ValueError, use, pairs.batch(2).batch(2))
    refuses("gives single rows", ValueError, task.predict, rows(x))
    if task.preprocessor is not None:
        refuses("gives single rows", ValueError, task.predict, Batches("the good film"))
        batch = ("the good film",) if task.makes_targets else ("the good film", 1)
        refuses("gives single rows", ValueError, task.fit, Batches(batch))
    refuses("gives single rows", ValueError, task.fit, x, y, validation_data=pairs)


def test_targets_in_a_dataset_are_numbers(given):
    task, x, _ = given
    names = ["negative"] * 4
    for use in (task.fit, task.evaluate, task.predict):
        for data in (rows(x, names).batch(2), Batches((x, names))):
            is_made = task.makes_targets and use != task.predict
            problem = r"targets, which are numbers.* pairs as \(\(first, "
            refuses("takes texts alone" if is_made else problem, ValueError, use, data)


def test_texts_in_a_dataset_are_strings(given):
    task, _, y = given
    for use in (task.fit, task.predict):
        for data in (rows(CLASSES, y).batch(2), Batches((CLASSES, y))):
            problem = "which are strings, and not int64|without a preprocessor a model takes its"
            refuses(problem, TypeError, use, data)


def test_what_stands_in_batches_is_not_given_beside_them(given):
    task, x, y = given
    data = rows(x, y).batch(2)
    beside = "in its batches: leave y out"
    refuses(beside, ValueError, task.fit, data, CLASSES if y is None else y)
    beside = "in its batches: leave sample_weight out"
    refuses(beside, ValueError, task.evaluate, data, sample_weight=CLASSES)


def test_tokens_are_hidden_in_texts_alone(made):
    for kind in ("classifier", "without a preprocessor"):
        task, x, y = made[kind]
        data = rows(x, y).batch(2)
        refuses(r"token_dropout=0\.1 is for texts", ValueError, task.fit, data, token_dropout=0.1)
    refuses(r"token_dropout=0\.1 is for texts", ValueError, task.fit, x, y, token_dropout=0.1)


def test_a_generator_and_features_are_no_texts(made):
    task, x, y = made["classifier"]
    _, features, _ = made["without a preprocessor"]
    refuses("fit takes no list_iterator: give batches as", TypeError, task.fit, iter([(x, y)]))
    for use in (task.fit, task.evaluate):
        refuses("takes features, such as token_ids, once its", TypeError, use, features, y)
    refuses("not <list_iterator", TypeError, task.predict, iter([x]))


def test_validation_data_is_at_most_three_things(given):
    task, x, y = given
    problem = r"validation_data is \(texts, targets\) or .*, not a tuple of 4"
    refuses(problem, ValueError, task.fit, x, y, validation_data=(x, y, y, y))


def test_a_step_takes_one_batch(given):
    task, x, y = given
    for use in (task.train_on_batch, task.test_on_batch, task.predict_on_batch):
        refuses("one batch is given as texts", TypeError, use, rows(x, y).batch(2))


def test_targets_have_the_shape_of_the_scores():
    bert = case("bert")
    one_hot = np.eye(4)[:, :3]
    exclusive = bert.classifier(["a", "b", "c"])
    for use in (exclusive.fit, exclusive.evaluate, *steps(exclusive)):
        problem = r"index of a class, and these have the shape \(4, 3\): give targets\.argmax"
        refuses(problem, ValueError, use, TEXTS, one_hot)
    parts = (exclusive.backbone, exclusive.preprocessor)
    several = bert.ours("Classifier")(parts[0], 3, parts[1], activation="sigmoid")
    for wrong in (CLASSES, one_hot[:, :2]):
        problem = r"a row has 3 scores, and the targets have the shape .*: make it \(4, 3\)"
        for use in (several.fit, *steps(several)):
            refuses(problem, ValueError, use, TEXTS, wrong)
    number = bert.ours("Classifier")(parts[0], 1, parts[1])
    for use in (number.fit, *steps(number)):
        refuses(r"a row has 1 score,.*: make it \(4, 1\)", ValueError, use, TEXTS, one_hot)
    assert np.isfinite(number.evaluate(TEXTS, CLASSES, verbose=0)[0])


def test_what_was_refused_leaves_a_model_that_learns():
    task, x, y = make("classifier")
    assert np.isfinite(task.fit(Batches((x, y)), verbose=0).history["loss"]).all()
    weights = task.get_weights()
    for wrong in ((CLASSES, y), (x, ["negative"] * 4), (x,)):
        with pytest.raises((TypeError, ValueError)):
            task.fit(Batches(wrong), verbose=0)
    for before, after in zip(weights, task.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert np.isfinite(task.fit(Batches((x, y)), verbose=0).history["loss"]).all()
