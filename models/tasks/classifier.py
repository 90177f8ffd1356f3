"""The base class of classifiers: Keras models that take raw strings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from typing_extensions import Self

from models.backbone import Backbone
from models.encoder import dense
from models.errors import PresetError
from models.named_weights import assign, dense_weights
from models.preprocessors.preprocessor import Preprocessor
from models.presets import keras_hub
from models.presets.fields import check_labels
from models.presets.keras_hub_preset import LABELS
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from models.tasks.task import Task
from models.training.batches import is_empty


class Classifier(Task):
    """A backbone with a head that gives a score for each class; see `Task`.

    Scores are logits unless `activation` says otherwise.

    >>> classifier = BertClassifier.from_preset("sentiment_tiny_en", num_classes=3)
    >>> _ = classifier.fit(["fine", "so-so", "poor"], np.array([0, 1, 2]), verbose=0)
    >>> classifier.predict(["A fine day."], verbose=0).shape
    (1, 3)

    The head is a dense layer on the vector of the first token, with another dense layer before it
    in families whose backbone has no pooler.

    Args:
        backbone: The encoder.
        num_classes: Number of classes.
        preprocessor: Turns strings into the backbone's inputs; `None` if those are given directly.
        activation: Activation of the scores; `None` leaves them as logits.
        hidden_dim: Width of the head's first layer, in a family that has one; the backbone's if
            `None`.
        dropout: Dropout rate in training; the family's if `None`.
        labels: Names of the classes; `LABEL_0`, … if `None`.
        is_regression: Whether the scores are numbers and no classes; one score always is.
        compile: Whether to compile it with defaults.
        name: Name of the model.
        trainable: Whether training changes the weights.
    """

    part = "Classifier"
    own_arguments = (
        "activation",
        "dropout",
        "labels",
        "hidden_dim",
        "is_regression",
        *Task.own_arguments,
    )

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        preprocessor: Preprocessor | None = None,
        activation: Any = None,
        hidden_dim: int | None = None,
        dropout: float | None = None,
        *,
        labels: Sequence[str] | None = None,
        is_regression: bool = False,
        compile: bool = True,  # noqa: A002 - Keras Hub's name
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        record = self.record
        dropout = record.head_dropout if dropout is None else dropout
        if hidden_dim is not None and record.head_activation is None:
            raise ValueError(f"hidden_dim={hidden_dim}: the head of {self.family} has one layer")

        # === Layers ===
        policy = backbone.dtype_policy
        hidden_dim = backbone.hidden_dim if hidden_dim is None else hidden_dim
        logits = dense(num_classes, policy, activation=activation, name="logits")
        pooled_dense = (
            dense(hidden_dim, policy, activation=record.head_activation, name="pooled_dense")
            if record.head_activation
            else None
        )

        # === Functional model ===
        outputs = backbone(backbone.input)
        if pooled_dense is None:
            first = outputs["pooled_output"]
        else:
            first = outputs[:, 0, :]
            if record.drops_first:
                first = keras.layers.Dropout(dropout, dtype=policy)(first)
            first = pooled_dense(first)
        first = keras.layers.Dropout(dropout, dtype=policy)(first)
        super().__init__(
            backbone,
            preprocessor,
            inputs=backbone.input,
            outputs=logits(first),
            compile=compile,
            name=name,
            trainable=trainable,
            # === Config ===
            pooled_dense=pooled_dense,
            logits=logits,
            num_classes=num_classes,
            activation=keras.activations.get(activation),
            dropout=dropout,
            hidden_dim=hidden_dim,
            labels=check_labels(labels, num_classes),
            is_regression=is_regression,
        )

    @property
    def is_multi_label(self) -> bool:
        """Whether the classes are not mutually exclusive."""
        return bool(self.activation == keras.activations.sigmoid) and not self.gives_numbers

    @property
    def gives_numbers(self) -> bool:
        """Whether a row gets scores and no label, as with a regression or cross-encoder."""
        return self.is_regression or self.num_classes == 1

    def scores(self, features: Mapping[str, Any]) -> Any:
        """Returns the score of each class, `[batch, num_classes]`, for inference.

        These are the model's own outputs, without computing what they do not depend on.

        Args:
            features: The backbone's inputs.
        """
        first = self.backbone.first(features)
        return self.logits(first if self.pooled_dense is None else self.pooled_dense(first))

    def compile(
        self,
        optimizer: Any = "auto",
        loss: Any = "auto",
        *,
        metrics: Any = "auto",
        **kwargs: Any,
    ) -> None:
        """Compiles as `keras.Model.compile` does, with defaults for fine-tuning.

        Args:
            optimizer: `auto` is Adam with a learning rate of 5e-5.
            loss: `auto` is binary cross-entropy if the activation is `sigmoid`; otherwise, for
                numbers, the mean squared error, and for classes sparse categorical cross-entropy.
            metrics: `auto` is accuracy; for numbers, the root mean squared error.
            **kwargs: Arguments of `keras.Model.compile`; see `Task.compile`.
        """
        if loss == "auto" and self.activation == keras.activations.sigmoid:
            loss = keras.losses.BinaryCrossentropy()
        elif loss == "auto" and self.gives_numbers:
            loss = keras.losses.MeanSquaredError()
        elif loss == "auto":
            from_logits = self.activation == keras.activations.linear
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        if metrics == "auto" and self.gives_numbers:
            metrics = [keras.metrics.RootMeanSquaredError(name="rmse")]
        elif metrics == "auto" and self.is_multi_label:
            metrics = [keras.metrics.BinaryAccuracy(name="accuracy")]
        elif metrics == "auto":
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def _batches(self, x: Any, y: Any, *settings: Any, **named: Any) -> Any:
        if y is not None:
            self._check_targets(np.asarray(y))
        return super()._batches(x, y, *settings, **named)

    def _batch(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        if y is not None:
            self._check_targets(np.asarray(y))
        return super()._batch(x, y, sample_weight)

    def _check_targets(self, targets: np.ndarray) -> None:
        """Raises `ValueError` if the loss cannot compare a row's targets with its scores.

        Of a class that is none, and of several numbers for one score, Keras would learn something
        else, and say nothing.
        """
        count = self.num_classes
        if isinstance(self.loss, keras.losses.SparseCategoricalCrossentropy):
            if targets.ndim > 1 and targets.shape[1:] != (1,):
                raise ValueError(
                    "a target is the index of a class, and these have the shape "
                    f"{targets.shape}: give targets.argmax(axis=1), or make the classifier with "
                    "activation='sigmoid' if a text may have several classes"
                )
            if targets.dtype.kind in "iuf" and targets.size and self.loss.ignore_class is None:
                wrong = targets[~((targets >= 0) & (targets < count))]
                if wrong.size:
                    raise ValueError(
                        f"the classes are 0 to {count - 1}, and one of the targets is "
                        f"{wrong.item(0)!r}"
                    )
        elif isinstance(self.loss, keras.losses.BinaryCrossentropy | keras.losses.MeanSquaredError):
            fits = targets.shape[1:] == (count,) or (count == 1 and targets.ndim < 2)
            if targets.ndim and targets.dtype.kind in "biuf" and not fits:
                raise ValueError(
                    f"a row has {count} score{'s' * (count != 1)}, and the targets have the shape "
                    f"{targets.shape}: make it ({len(targets)}, {count})"
                )

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        """Returns the score of each class, float `[rows, num_classes]`; `x` as in `fit`."""
        data = self._batches(x, None, None, batch_size)
        if is_empty(data):
            return np.zeros((0, self.num_classes), self.compute_dtype)
        return keras.Model.predict(self, data, **kwargs)

    @classmethod
    def from_preset(
        cls,
        preset: str | Path | Preset,
        load_weights: bool = True,
        num_classes: int | None = None,
        **overrides: Any,
    ) -> Self:
        """Creates a classifier from a classifier's preset, or from a backbone's with a new head.

        `Classifier` itself creates one of the preset's family.

        Args:
            preset: A preset's name or folder.
            load_weights: Whether to load weights; otherwise they are random.
            num_classes: Number of classes of a new, random head; `None` keeps the preset's head.
            **overrides: `backbone`, `preprocessor`, `activation`, `dropout`, `labels`,
                `hidden_dim`, `is_regression`, `compile`, `name` and `trainable` are the
                classifier's; the others go to the backbone.

        Raises:
            PresetError: There is no such preset, its files are invalid, or it has no head and
                `num_classes` is not given.
        """
        preset = open_preset(preset, getattr(cls, "family", None))
        if not hasattr(cls, "family"):
            kind = cls.member_of(preset)
            return kind.from_preset(preset, load_weights, num_classes, **overrides)
        head = cls._own(overrides)
        has_head = num_classes is None
        if num_classes is None:
            if not preset.has_classifier:
                raise PresetError(f"{preset.no_classifier()}, or pass num_classes for a new head")
            head = {"labels": preset.labels, **preset.head_config, **head}
            num_classes = len(preset.labels)
        preset, backbone, head["preprocessor"] = cls._opened(preset, load_weights, overrides)
        weights = None
        if has_head and load_weights:
            width = head.get("hidden_dim", backbone.hidden_dim)
            weights = preset.head_weights(backbone.architecture(), width)
        try:
            classifier = cls(backbone, num_classes, **head)
        except ValueError as error:
            raise preset.error(preset.head_file, str(error)) from None
        if weights is not None:
            assign(classifier.named_head_weights(), weights)
        return classifier

    def named_head_weights(self) -> dict[str, keras.Variable]:
        """Returns the head's weights by the names under which presets are read and written."""
        named = dense_weights("logits", self.logits)
        if self.pooled_dense is not None:
            named |= dense_weights("pooled_dense", self.pooled_dense)
        return named

    def head_layout(self) -> list[keras_hub.H5Weight]:
        """Returns where a preset stores each weight of the head."""
        config = self.backbone.architecture()
        return keras_hub.head_layout(self.record, config, self.hidden_dim, self.num_classes)

    def head_description(self) -> tuple[str, dict[str, Any]]:
        """Returns what Keras Hub calls the task, and its settings there."""
        settings = {
            "num_classes": self.num_classes,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
        }
        if self.pooled_dense is not None:
            settings["hidden_dim"] = self.hidden_dim
        return "TextClassifier", settings

    def save_to_preset(
        self, folder: str | os.PathLike[str], weights_dtype: str = "float32"
    ) -> None:
        """Writes a preset folder that Keras Hub can read too; see `Task.save_to_preset`."""
        super().save_to_preset(folder, weights_dtype)
        keras_hub.write_json(Path(folder), LABELS, self.labels)

    def own_settings(self) -> dict[str, Any]:
        """Returns the settings that Keras Hub has no place for, and does not need."""
        return {"is_regression": True} if self.is_regression else {}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, written as JSON can hold them."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "labels": list(self.labels),
            "is_regression": self.is_regression,
            **({} if self.pooled_dense is None else {"hidden_dim": self.hidden_dim}),
        }
