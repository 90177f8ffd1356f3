from importlib.metadata import version

import keras
import numpy as np
import pytest

from models import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer
from models.training import WarmupThenDecay, train

TEXTS = ["good film", "great play", "good play", "bad film", "awful play", "bad play"] * 10
CLASSES = np.array([1, 1, 1, 0, 0, 0] * 10)


@pytest.fixture
def train_anew(vocabulary, config, randomize):
    """Trains a new small classifier with all its randomness from one seed."""

    def run(seed, epochs, callbacks=()):
        keras.utils.set_random_seed(seed)
        classifier = BertClassifier(
            BertBackbone(**{**config, "num_layers": 1, "dropout": 0.0}),
            num_classes=2,
            preprocessor=BertPreprocessor(BertTokenizer(vocabulary, lowercase=True), 12),
        )
        randomize(classifier)
        history = train(
            classifier,
            TEXTS,
            CLASSES,
            (TEXTS, CLASSES),
            epochs=epochs,
            batch_size=6,
            learning_rate=0.03,
            token_dropout=0.1,
            callbacks=callbacks,
        )
        return classifier, history.history

    return run


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


def test_training_keeps_the_best_epoch_not_the_last(train_anew):
    classifier, history = train_anew(1, 4, [Spoil(epoch=3)])
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= history.keys()
    assert history["val_accuracy"][-1] == 0.5 < max(history["val_accuracy"])
    found = classifier.evaluate(TEXTS, CLASSES, return_dict=True, verbose=0)
    assert found["accuracy"] == pytest.approx(max(history["val_accuracy"]))
    best = max(range(4), key=lambda n: (history["val_accuracy"][n], -history["val_loss"][n]))
    assert found["loss"] == pytest.approx(history["val_loss"][best], rel=1e-4)


@pytest.mark.skipif(
    version("keras") < "3.13",
    reason="this Keras goes on with the random numbers of an earlier seed in the same process",
)
def test_the_same_seed_gives_the_same_model(train_anew):
    (first, history), (second, again) = (train_anew(seed=1, epochs=1) for _ in range(2))
    np.testing.assert_allclose(history["loss"], again["loss"], rtol=1e-5)
    for weight, same in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(weight, same, atol=1e-5)
