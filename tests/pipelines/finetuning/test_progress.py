"""What a terminal shows of the steps of a training."""

import contextlib

import pytest

from pipelines.finetuning import progress
from pipelines.finetuning.progress import TrainingProgress


@pytest.fixture
def training(monkeypatch):
    """The progress of a training of two epochs of three steps, as on a terminal."""
    monkeypatch.setattr(progress, "has_bar", lambda: True)
    monkeypatch.setattr(progress, "say_outcome", lambda *_, **__: None)
    with contextlib.closing(TrainingProgress()) as training:
        training.set_params({"epochs": 2, "steps": 3})
        yield training


def doing(training: TrainingProgress) -> str:
    """What the bar says beside the epoch."""
    (task,) = training._bar.tasks
    return task.fields["doing"]


LOGS = {"loss": 0.5, "val_loss": 0.5, "seconds": 1.0}


def test_the_first_epoch_compiles_the_model_before_its_first_step(training):
    training.on_epoch_begin(0)
    assert doing(training) == "compiling the model"
    training.on_train_batch_end(0)
    assert doing(training) == "1/3 steps"
    training.on_epoch_end(0, LOGS)
    training.on_epoch_begin(1)
    assert doing(training) == "0/3 steps"


def test_after_the_steps_the_validation_rows_are_judged(training):
    training.on_test_begin()  # by who trains, before the first epoch
    training.on_epoch_begin(0)
    training.on_train_batch_end(2)
    training.on_test_begin()
    assert doing(training) == "judging the validation rows"
    training.on_epoch_end(0, LOGS)
    training.on_test_begin()
