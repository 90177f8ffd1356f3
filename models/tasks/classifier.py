"""The base class of classifiers: Keras models that take raw strings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from typing_extensions import Self

from models import backends
from models.backbone import Backbone
from models.encoder import dense
from models.errors import PresetError
from models.families.member import FamilyMember, making
from models.named_weights import arrays, assign, dense_weights
from models.preprocessors.preprocessor import Preprocessor
from models.presets import keras_hub
from models.presets.fields import check_labels
from models.presets.keras_hub_preset import LABELS, OWN_SETTINGS, TASK, TASK_WEIGHTS, classes
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from models.serialization import deserialize_parts
from models.text_layer import Preprocessed
from models.training.batches import dataset_of, is_empty, split_off

# Arguments of the constructor that `from_preset` does not pass to the backbone.
_HEAD_ARGUMENTS = (
    *("preprocessor", "activation", "dropout", "labels", "hidden_dim", "name"),
    "is_regression",
)


class Classifier(FamilyMember, Preprocessed, keras.Model):
    """A backbone with a head that gives a score for each class; already compiled.

    If the classifier has a preprocessor, `fit`, `evaluate` and `predict` take raw strings, or pairs
    as a tuple of first and second texts; otherwise they take the backbone's inputs. Scores are
    logits unless `activation` says otherwise.

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
        name: Name of the model.
        trainable: Whether training changes the weights.
    """

    backbone_class: ClassVar[type[Backbone]]
    preprocessor_class: ClassVar[type[Preprocessor]]

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        preprocessor: Preprocessor | None = None,
        activation: Any = None,
        *,
        hidden_dim: int | None = None,
        dropout: float | None = None,
        labels: Sequence[str] | None = None,
        is_regression: bool = False,
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
        outputs = logits(first)
        with making:
            super().__init__(inputs=backbone.input, outputs=outputs, name=name)

        # === Config ===
        self.dtype_policy = policy  # read by `compile`, which scales the loss in float16
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooled_dense = pooled_dense
        self.logits = logits
        self.num_classes = num_classes
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.hidden_dim = hidden_dim
        self.labels = check_labels(labels, num_classes)
        self.is_regression = is_regression
        if not trainable:
            self.trainable = False
        self.compile()

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
            **kwargs: Arguments of `keras.Model.compile`. `jit_compile` is off unless asked for,
                except on JAX: batches differ in length, and XLA compiles anew for each length.
        """
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(5e-5)
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
        compiles = backends.compiles_each_shape() and not kwargs.get("run_eagerly")
        kwargs.setdefault("jit_compile", compiles)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *,
        sample_weight: Any = None,
        validation_data: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        token_dropout: float = 0.0,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does.

        Args:
            x: Texts, a tuple of first and second texts, or a dataset of batches of `(x, y)`.
            y: int `[rows]`: the class of each row; if the activation is `sigmoid`, 0 or 1 for
                each class, `[rows, num_classes]`; for a number, float `[rows]`, for several
                `[rows, num_classes]`.
            batch_size: Rows per step; 32 if `None`.
            sample_weight: float `[rows]`.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a dataset.
            validation_split: Share of the rows, taken from the end, to validate on instead of
                `validation_data`.
            shuffle: Whether to shuffle the rows in every epoch.
            token_dropout: Share of the tokens that are replaced by the mask token, chosen anew each
                time a row is seen. For raw strings only.
            **kwargs: Arguments of `keras.Model.fit`.

        Raises:
            ValueError: There are no rows, or not as many classes or weights as texts.
        """
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_off(
                (x, y, sample_weight), validation_split
            )
        if isinstance(validation_data, tuple):
            texts, classes, *weights = validation_data
            validation_data = self._batches(
                texts, classes, weights[0] if weights else None, batch_size
            )
        elif validation_data is not None:
            validation_data = self._batches(validation_data, None, None, batch_size)
        data = self._batches(x, y, sample_weight, batch_size, shuffle, token_dropout)
        return super().fit(data, validation_data=validation_data, shuffle=False, **kwargs)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Evaluates as `keras.Model.evaluate` does; arguments as in `fit`."""
        return super().evaluate(self._batches(x, y, sample_weight, batch_size), **kwargs)

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        """Returns the score of each class, float `[rows, num_classes]`; `x` as in `fit`."""
        data = self._batches(x, None, None, batch_size)
        if is_empty(data):
            return np.zeros((0, self.num_classes), self.compute_dtype)
        return super().predict(data, **kwargs)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any
    ) -> Any:
        """Trains one step as `keras.Model.train_on_batch` does; `x` as in `fit`, not a dataset."""
        return super().train_on_batch(self._features(x), y, sample_weight, **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.test_on_batch` does; `x` as in `fit`, not a dataset."""
        return super().test_on_batch(self._features(x), y, sample_weight, **kwargs)

    def predict_on_batch(self, x: Any) -> np.ndarray:
        """Returns the score of each class, float `[rows, num_classes]`; `x` as in `fit`."""
        return super().predict_on_batch(self._features(x))

    def _features(self, x: Any) -> Any:
        """Returns the backbone's inputs."""
        return x if self.preprocessor is None else self.preprocessor(x)

    def _batches(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        batch_size: int | None,
        shuffle: bool = False,
        token_dropout: float = 0.0,
    ) -> Any:
        """Returns batches; see `dataset_of`."""
        targets = [target for target in (y, sample_weight) if target is not None]
        return dataset_of(x, targets, self.preprocessor, batch_size, shuffle, token_dropout)

    @classmethod
    def from_preset(
        cls,
        preset: str | Path | Preset,
        load_weights: bool = True,
        num_classes: int | None = None,
        **overrides: Any,
    ) -> Self:
        """Creates a classifier from a classifier's preset, or from a backbone's with a new head.

        Args:
            preset: A preset's name or folder.
            load_weights: Whether to load weights; otherwise they are random.
            num_classes: Number of classes of a new, random head; `None` keeps the preset's head.
            **overrides: `preprocessor`, `activation`, `dropout`, `labels`, `hidden_dim`,
                `is_regression` and `name` are the classifier's; the others go to the backbone.

        Raises:
            PresetError: There is no such preset, its files are invalid, or it has no head and
                `num_classes` is not given.
        """
        preset = open_preset(preset, cls.family)
        head = {name: overrides.pop(name) for name in _HEAD_ARGUMENTS if name in overrides}
        if "preprocessor" not in head:
            head["preprocessor"] = cls.preprocessor_class.from_preset(preset)
        has_head = num_classes is None
        if num_classes is None:
            if not preset.has_classifier:
                raise PresetError(f"{preset.no_classifier()}, or pass num_classes for a new head")
            head = {"labels": preset.labels, **preset.head_config, **head}
            num_classes = len(preset.labels)
        backbone = cls.backbone_class.from_preset(preset, load_weights, **overrides)
        if head["preprocessor"] is not None:
            backbone.check_vocabulary(preset, head["preprocessor"].tokenizer.vocabulary_size())
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

    def save_to_preset(
        self, folder: str | os.PathLike[str], weights_dtype: str = "float32"
    ) -> None:
        """Writes a preset folder that Keras Hub can read too.

        Args:
            folder: Created if needed; its files are replaced.
            weights_dtype: Type of the weights in the files, `float32` or `float16`.
        """
        folder = keras_hub.folder_to_write(folder, weights_dtype)
        if self.preprocessor is not None:
            self.preprocessor.save_to_preset(folder)
        self.backbone.save_to_preset(folder, weights_dtype)
        config = {
            "backbone": self.backbone.description(),
            "preprocessor": self.preprocessor and self.preprocessor.description(),
            "num_classes": self.num_classes,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
        }
        if self.pooled_dense is not None:
            config["hidden_dim"] = self.hidden_dim
        class_name = classes(self.record)[TASK][0]
        description = keras_hub.description(self.family, class_name, config)
        if self.is_regression:
            description[OWN_SETTINGS] = {"is_regression": True}
        keras_hub.write_json(folder, TASK, description)
        keras_hub.write_json(folder, LABELS, self.labels)
        layout = keras_hub.head_layout(
            self.record, self.backbone.architecture(), self.hidden_dim, self.num_classes
        )
        keras_hub.write_weights(
            folder / TASK_WEIGHTS, layout, arrays(self.named_head_weights()), weights_dtype
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "backbone": self.backbone,
            "num_classes": self.num_classes,
            "preprocessor": self.preprocessor,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "labels": list(self.labels),
            "is_regression": self.is_regression,
            **({} if self.pooled_dense is None else {"hidden_dim": self.hidden_dim}),
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Self:
        """Creates a classifier from what `get_config` returned."""
        return cls(**deserialize_parts(config, ("backbone", "preprocessor"), custom_objects))

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles a loaded classifier as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)
