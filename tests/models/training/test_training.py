import itertools
from importlib.metadata import version
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from models import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer
from models.errors import RunError
from models.training.recipe import Recipe
from models.training.train import Resumable, WarmupThenDecay, objective_of, train

TEXTS = ["good film", "great play", "good play", "bad film", "awful play", "bad play"] * 10
CLASSES = np.array([1, 1, 1, 0, 0, 0] * 10)


@pytest.fixture
def train_anew(vocabulary, config, randomize):
    """Trains a new small classifier with all its randomness from one seed."""

    def run(
        seed,
        epochs,
        callbacks=(),
        *,
        targets=CLASSES,
        activation=None,
        num_classes=2,
        dropout=0.0,
        rate=0.03,
        patience=None,
        adapt=None,
        **options,
    ):
        keras.utils.set_random_seed(seed)
        classifier = BertClassifier(
            BertBackbone(**{**config, "num_layers": 1, "dropout": dropout}),
            num_classes=num_classes,
            preprocessor=BertPreprocessor(BertTokenizer(vocabulary, lowercase=True), 12),
            activation=activation,
        )
        randomize(classifier)
        if adapt:
            adapt(classifier.backbone)
        training = train(
            classifier,
            TEXTS,
            targets,
            (TEXTS, targets),
            Recipe(epochs, 6, rate, patience),
            objective_of(classifier, "class_weights" in options),
            token_dropout=0.1,
            callbacks=callbacks,
            **options,
        )
        return classifier, training

    return run


one_seed_in_a_process = pytest.mark.skipif(
    version("keras") < "3.13",
    reason="this Keras goes on with the random numbers of an earlier seed in the same process",
)


class Spoil(keras.callbacks.Callback):
    """Makes the classifier take each class for the other from an epoch on."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch >= self.epoch:
            self.model.logits.kernel.assign(-1e3 * np.eye(16, 2))
            self.model.logits.bias.assign([-1e6, 0.0])


def test_the_learning_rate_warms_up_then_decays_to_zero():
    schedule = WarmupThenDecay(peak=2.0, steps=100)
    rates = [float(schedule(step)) for step in range(101)]
    np.testing.assert_allclose(rates[:6], 2.0 * np.arange(1, 7) / 6, rtol=1e-5)
    np.testing.assert_allclose(rates[6:], 2.0 * np.arange(94, -1, -1) / 94, rtol=1e-5)
    assert float(schedule(1_000)) == 0.0


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_learning_rate_of_a_short_training_starts_at_its_peak(steps):
    rates = [float(WarmupThenDecay(0.5, steps)(step)) for step in range(steps)]
    assert rates[0] == 0.5
    assert all(0 < rate <= 0.5 for rate in rates)


def test_a_schedule_comes_back_from_its_configuration():
    schedule = WarmupThenDecay(0.1, 50)
    again = WarmupThenDecay.from_config(schedule.get_config())
    assert [float(again(n)) for n in (0, 3, 30)] == [float(schedule(n)) for n in (0, 3, 30)]


@pytest.mark.slow
@one_seed_in_a_process
def test_training_keeps_the_best_epoch_not_the_last(train_anew):
    classifier, training = train_anew(1, 4, [Spoil(epoch=3)])
    history = training.history
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= history.keys()
    assert len(history["seconds"]) == 4
    assert min(history["seconds"]) > 0
    assert history["val_accuracy"][-1] == 0.5 < max(history["val_accuracy"])
    found = classifier.evaluate(TEXTS, CLASSES, return_dict=True, verbose=0)
    assert history["val_accuracy"][training.best_epoch] == max(history["val_accuracy"])
    assert found["accuracy"] == pytest.approx(max(history["val_accuracy"]))
    best = max(range(4), key=lambda n: (history["val_accuracy"][n], -history["val_loss"][n]))
    assert found["loss"] == pytest.approx(history["val_loss"][best], rel=1e-4)


@pytest.mark.slow
@one_seed_in_a_process
def test_the_same_seed_gives_the_same_model(train_anew):
    (first, training), (second, again) = (train_anew(seed=1, epochs=1) for _ in range(2))
    np.testing.assert_allclose(training.history["loss"], again.history["loss"], rtol=1e-5)
    for weight, same in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(weight, same, atol=1e-5)


# A training that is stopped


class StopAfter(keras.callbacks.Callback):
    """Ends a training as a kill does, in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.current = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.current == self.epoch and batch == 2:
            raise KeyboardInterrupt


def without_seconds(training):
    return {name: values for name, values in training.history.items() if name != "seconds"}


@pytest.mark.slow
@one_seed_in_a_process
@pytest.mark.parametrize("stops", [[0], [3], [1, 2]], ids=str)
def test_a_training_that_was_stopped_ends_as_one_that_was_not(train_anew, tmp_path, stops):
    options = {"seed": 1, "epochs": 4, "dropout": 0.1, "patience": 4}
    whole, expected = train_anew(**options)
    state = Resumable(tmp_path / "state", "key")
    for epoch in stops:
        with pytest.raises(KeyboardInterrupt):
            train_anew(**options, callbacks=[StopAfter(epoch)], resumable=state)
    resumed, training = train_anew(**options, resumable=state)
    assert training.resumed_epoch == stops[-1]
    assert without_seconds(training) == without_seconds(expected)
    assert len(training.history["seconds"]) == len(expected.history["seconds"])
    assert training.best_epoch == expected.best_epoch
    for weight, same in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


@pytest.mark.slow
def test_a_training_that_had_ended_is_not_done_again(train_anew, tmp_path):
    state = Resumable(tmp_path / "state", "key")
    whole, expected = train_anew(1, 2, resumable=state)
    again, training = train_anew(1, 2, [StopAfter(0)], resumable=state)
    assert training.history == expected.history
    for weight, same in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


@pytest.mark.slow
def test_a_state_that_cannot_be_written_ends_no_training(train_anew, tmp_path):
    _, training = train_anew(1, 2, resumable=Resumable(tmp_path / "no" / "state", "key"))
    assert len(training.history["loss"]) == 2
    assert "No such file" in training.problem


@pytest.mark.slow
def test_a_training_of_other_data_is_not_gone_on_with(train_anew, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_anew(1, 3, [StopAfter(1)], resumable=Resumable(tmp_path / "state", "one"))
    _, training = train_anew(1, 2, resumable=Resumable(tmp_path / "state", "other"))
    assert training.resumed_epoch == 0
    assert len(training.history["loss"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\x08\0\0\0\0\0\0\0{}      "], ids=str)
def test_a_damaged_state_is_none(train_anew, tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    _, training = train_anew(1, 1, resumable=Resumable(tmp_path / "state", "key"))
    assert training.resumed_epoch == 0


@pytest.mark.slow
def test_a_training_that_gets_no_better_ends(train_anew):
    _, training = train_anew(1, 30, [Spoil(epoch=1)], patience=2)
    assert len(training.history["loss"]) == training.best_epoch + 3 < 30


@pytest.mark.slow
@one_seed_in_a_process
def test_a_training_ends_when_its_time_is_over(train_anew, monkeypatch):
    ticks = itertools.count()  # a step takes as long as any other, however busy the machine is
    clock = SimpleNamespace(monotonic=lambda: next(ticks) / 100)
    monkeypatch.setattr("models.training.train.time", clock)
    classifier, training = train_anew(1, 10_000, seconds=4)
    assert training.is_out_of_time
    assert len(training.history["val_loss"]) < 10_000
    # The rate has fallen to zero: it follows the steps that there was time for.
    assert classifier.optimizer.iterations > 10
    assert max(training.history["val_accuracy"]) > 0.9


def test_a_loss_that_is_no_number_ends_the_training_with_the_step(train_anew):
    with pytest.raises(
        RunError, match=r"the loss is nan in step \d+ of epoch 1: the learning rate"
    ):
        train_anew(1, 3, rate=1e30)


# What is learned


@pytest.mark.slow
def test_classes_with_weights_are_judged_by_the_mean_of_their_recalls(train_anew):
    targets = np.array([1] * 50 + [0] * 10)
    weights = np.array([2.0, 0.8], "float32")
    _, training = train_anew(1, 3, targets=targets, class_weights=weights)
    assert "val_mean_recall" in training.history
    classifier, training = train_anew(1, 3, targets=targets, class_weights=weights)
    predicted = classifier.predict(TEXTS, verbose=0).argmax(axis=1)
    recalls = [np.mean(predicted[targets == one] == one) for one in (0, 1)]
    found = training.history["val_mean_recall"][training.best_epoch]
    assert found == pytest.approx(np.mean(recalls), abs=1e-5)


@pytest.mark.slow
def test_several_labels_are_judged_by_f1(train_anew):
    targets = np.array([[1, 0], [1, 1], [0, 0]] * 20, "float32")
    _, training = train_anew(1, 3, targets=targets, activation="sigmoid")
    assert training.history["val_f1"][training.best_epoch] == max(training.history["val_f1"])


@pytest.mark.slow
def test_a_number_is_learned_by_its_squared_error(train_anew):
    targets = CLASSES.astype("float32")
    classifier, training = train_anew(1, 8, targets=targets, num_classes=1, rate=0.01)
    assert training.history["val_loss"][training.best_epoch] == min(training.history["val_loss"])
    errors = classifier.predict(TEXTS, verbose=0)[:, 0] - targets
    assert np.mean(errors**2) == pytest.approx(min(training.history["val_loss"]), rel=1e-3)


def test_frozen_layers_stay_as_they_are(train_anew, randomize):
    classifier, _ = train_anew(1, 1, adapt=lambda backbone: backbone.freeze_layers(0))
    untrained = BertBackbone(**classifier.backbone.get_config())
    same = BertClassifier(untrained, 2)
    randomize(same)
    tokens = (model.backbone.token_embedding.embeddings for model in (classifier, same))
    np.testing.assert_array_equal(*tokens)
    with pytest.raises(ValueError, match="cannot freeze 1 of 1 layers"):
        untrained.freeze_layers(1)


def test_thin_matrices_are_learned_and_saved_as_part_of_the_kernels(train_anew, tmp_path):
    classifier, _ = train_anew(1, 2, adapt=lambda backbone: backbone.enable_lora(2))
    names = {weight.path.rsplit("/", 1)[-1] for weight in classifier.trainable_weights}
    assert names == {"lora_kernel_a", "lora_kernel_b", "kernel", "bias"}
    assert len(classifier.trainable_weights) == 2 * 2 + 2 + 2 + 2
    classifier.save_to_preset(tmp_path)
    loaded = BertClassifier.from_preset(tmp_path)
    np.testing.assert_allclose(
        loaded.predict(TEXTS, verbose=0), classifier.predict(TEXTS, verbose=0), atol=1e-5
    )
