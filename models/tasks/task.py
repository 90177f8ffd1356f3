"""The base class of tasks: Keras models that take raw strings."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from typing_extensions import Self

from models import backends
from models.backbone import Backbone
from models.families.member import FamilyMember, making
from models.named_weights import arrays
from models.preprocessors.preprocessor import Preprocessor
from models.presets import keras_hub
from models.presets.keras_hub_preset import (
    LABELS,
    OWN_SETTINGS,
    TASK,
    TASK_WEIGHTS,
)
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from models.serialization import Exported, check_not_quantized, deserialize_parts, policy_of
from models.text_layer import Preprocessed
from models.training.batches import are_batches, check_targets, dataset_of, split_off
from models.training.given import (
    VALIDATION,
    check_apart,
    check_no_dropout,
    check_no_iterator,
    compared,
    parts_of,
    ready_batches,
)


class Task(FamilyMember, Preprocessed, Exported, keras.Model):
    """A backbone with a head for one task; already compiled.

    If the task has a preprocessor, `fit`, `evaluate` and `predict` take raw strings, or pairs as a
    tuple of first and second texts; otherwise they take the model's inputs. Setting `preprocessor`
    to `None` turns the former into the latter.

    Args:
        backbone: The encoder.
        preprocessor: Turns strings into the model's inputs; `None` if those are given directly.
        inputs: The model's inputs, as of `keras.Model`.
        outputs: What the head makes of the backbone's outputs.
        compile: Whether to compile it with the task's defaults.
        name: Name of the model.
        trainable: Whether training changes the weights.
        **config: Other attributes of the model.
    """

    backbone_class: ClassVar[type[Backbone]]
    preprocessor_class: ClassVar[type[Preprocessor]]
    own_arguments: ClassVar[tuple[str, ...]] = ("compile", "name", "trainable")
    """Arguments of the constructor that `from_preset` takes and does not pass to the backbone."""
    preprocessor: Preprocessor | None = None

    def __init__(
        self,
        backbone: Backbone,
        preprocessor: Preprocessor | None,
        inputs: Any,
        outputs: Any,
        *,
        compile: bool = True,  # noqa: A002 - Keras Hub's name
        name: str | None = None,
        trainable: bool = True,
        **config: Any,
    ) -> None:
        with making:
            super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.dtype_policy = backbone.dtype_policy  # read by `compile`, to scale a loss in float16
        self.backbone = backbone
        self.preprocessor = preprocessor
        for attribute, value in config.items():
            setattr(self, attribute, value)
        if not trainable:
            self.trainable = False
        if compile:
            self.compile()

    def compile(self, optimizer: Any = "auto", *args: Any, **kwargs: Any) -> None:
        """Compiles as `keras.Model.compile` does, with defaults for fine-tuning.

        Args:
            optimizer: `auto` is Adam with a learning rate of 5e-5.
            *args: Arguments of `keras.Model.compile`.
            **kwargs: Arguments of `keras.Model.compile`. `jit_compile` is off unless asked for,
                except on JAX: batches differ in length, and XLA compiles anew for each length.
        """
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = keras.optimizers.Adam(5e-5)
        compiles = backends.compiles_each_shape() and not kwargs.get("run_eagerly")
        kwargs.setdefault("jit_compile", compiles)
        super().compile(optimizer, *args, **kwargs)

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
            x: Texts, a tuple of first and second texts, or batches of `(x, y)` in a
                `tf.data.Dataset` or a `keras.utils.PyDataset`.
            y: What the task is to give for each row.
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
            TypeError: What is given are neither texts nor batches.
            ValueError: There are no rows, no targets, or not as many targets or weights as texts;
                or the batches are none.
        """
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_off(
                (x, y, sample_weight), validation_split
            )
        x = self._compared(x, y, "fit")
        if validation_data is not None:
            texts, targets, weights = parts_of(validation_data, VALIDATION)
            texts = self._compared(texts, targets, VALIDATION)
            validation_data = self._batches(texts, targets, weights, batch_size)
        data = self._batches(x, y, sample_weight, batch_size, shuffle, token_dropout)
        with _unpooled():
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
        x = self._compared(x, y, "evaluate")
        return super().evaluate(self._batches(x, y, sample_weight, batch_size), **kwargs)

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        """Returns the outputs of each row; `x` as in `fit`."""
        return super().predict(self._batches(x, None, None, batch_size), **kwargs)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any
    ) -> Any:
        """Trains one step as `keras.Model.train_on_batch` does; `x` as in `fit`, not a dataset."""
        x = self._compared(x, y, "train_on_batch")
        with _unpooled():
            return super().train_on_batch(*self._batch(x, y, sample_weight), **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.test_on_batch` does; `x` as in `fit`, not a dataset."""
        x = self._compared(x, y, "test_on_batch")
        return super().test_on_batch(*self._batch(x, y, sample_weight), **kwargs)

    def predict_on_batch(self, x: Any) -> np.ndarray:
        """Returns the outputs of each row; `x` as in `fit`, not a dataset."""
        return super().predict_on_batch(self._batch(x, None, None)[0])

    @property
    def makes_targets(self) -> bool:
        """Whether its preprocessor makes the targets of texts."""
        return False

    def _compared(self, x: Any, y: Any, use: str) -> Any:
        """Returns `x`, with targets if the loss compares the outputs with some; see `compared`.

        Raises:
            ValueError: There are none; or there is no loss to learn from, which JAX would not say.
        """
        check_no_iterator(x, use)
        if self.loss is not None:
            return compared(x, y, use, self.makes_targets)
        own = (type(self).compute_loss, type(self).train_step)
        if own != (keras.Model.compute_loss, keras.Model.train_step) or self.losses:
            return x  # a loss of one's own, which may need no targets
        if self.compiled and use in ("fit", "train_on_batch"):
            raise ValueError(f"{use} needs a loss: give one to compile, as in compile(loss='mse')")
        return x

    def _batch(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Returns the model's inputs, and what belongs to them."""
        if are_batches(x):
            raise TypeError("one batch is given as texts; fit, evaluate and predict take a dataset")
        parts = x, y, sample_weight
        if self.preprocessor is not None:
            parts = keras.utils.unpack_x_y_sample_weight(self._preprocess(*parts))
        if isinstance(inputs := parts[0], Mapping):
            targets = [np.asarray(each) for each in (y, sample_weight) if each is not None]
            check_targets(targets, len(next(iter(inputs.values()))))
        return parts

    def _preprocess(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Returns what the preprocessor makes of texts, and of what belongs to them."""
        assert self.preprocessor is not None
        return self.preprocessor(x, y, sample_weight)

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
        if are_batches(x):
            check_apart(y, sample_weight, token_dropout)
            return ready_batches(x, self.preprocessor and self._preprocess)
        if self.preprocessor is None:
            check_no_dropout(token_dropout)
        targets = [target for target in (y, sample_weight) if target is not None]
        return dataset_of(x, targets, self.preprocessor, batch_size, shuffle, token_dropout)

    def summary(
        self, *args: Any, print_fn: Callable[..., Any] | None = None, **kwargs: Any
    ) -> None:
        """Prints what there is before the model and in it, as `keras.Model.summary` does.

        Args:
            *args: Arguments of `keras.Model.summary`.
            print_fn: Prints; `print` if `None`.
            **kwargs: Arguments of `keras.Model.summary`.
        """
        if (preprocessor := self.preprocessor) is not None:
            tokenizer = preprocessor.tokenizer
            (print_fn or print)(
                f"Preprocessor: {type(preprocessor).__name__}, {preprocessor.sequence_length} "
                f"tokens a row\nTokenizer: {type(tokenizer).__name__}, "
                f"{tokenizer.vocabulary_size():,} tokens in its vocabulary"
            )
        super().summary(*args, print_fn=print_fn, **kwargs)

    @classmethod
    def _own(cls, overrides: dict[str, Any]) -> dict[str, Any]:
        """Takes the task's own arguments out of those of `from_preset`, and returns them."""
        return {name: overrides.pop(name) for name in cls.own_arguments if name in overrides}

    @classmethod
    def _opened(
        cls, preset: str | Path | Preset, load_weights: bool, overrides: dict[str, Any]
    ) -> tuple[Preset, Backbone, Preprocessor | None]:
        """Returns a preset with its backbone and its preprocessor.

        Args:
            preset: Its name or folder.
            load_weights: Whether to load its weights.
            overrides: `preprocessor` and `backbone`, which are taken out, and arguments of the
                backbone.

        Raises:
            ValueError: There is a backbone, and arguments for one.
        """
        preset = open_preset(preset, cls.family)
        if "preprocessor" in overrides:
            preprocessor = overrides.pop("preprocessor")
        else:
            preprocessor = cls.preprocessor_class.from_preset(preset)
        backbone: Backbone | None = overrides.pop("backbone", None)
        if backbone is not None and overrides:
            raise ValueError(
                f"a backbone that is given is made already: leave {', '.join(overrides)} out"
            )
        if backbone is None:
            backbone = cls.backbone_class.from_preset(preset, load_weights, **overrides)
        if preprocessor is not None:
            backbone.check_vocabulary(preset, preprocessor.tokenizer.vocabulary_size())
        return preset, backbone, preprocessor

    def named_head_weights(self) -> dict[str, keras.Variable]:
        """Returns the head's weights by the names under which presets are read and written."""
        return {}

    def head_layout(self) -> list[keras_hub.H5Weight]:
        """Returns where a preset stores each weight of the head."""
        return []

    def head_description(self) -> tuple[str, dict[str, Any]]:
        """Returns what Keras Hub calls the task, and its settings there.

        Raises:
            NotImplementedError: This is the base of tasks, whose metaclass is Keras's and no ABC.
        """
        raise NotImplementedError(f"{type(self).__name__} is no class of a task")

    def own_settings(self) -> dict[str, Any]:
        """Returns the settings that Keras Hub has no place for, and does not need."""
        return {}

    def save_to_preset(
        self, folder: str | os.PathLike[str], weights_dtype: str = "float32"
    ) -> None:
        """Writes a preset folder that Keras Hub can read too.

        Args:
            folder: Created if needed; its files are replaced.
            weights_dtype: What the weights in the files are rounded to, `float32`, `float16` or
                `bfloat16`.
        """
        check_not_quantized(self)
        folder = keras_hub.folder_to_write(folder, weights_dtype)
        task, settings = self.head_description()
        preprocessor = None
        if self.preprocessor is not None:
            self.preprocessor.save_to_preset(folder, task)
            preprocessor = self.preprocessor.description(task)
        for of_another_task in (LABELS, TASK_WEIGHTS):
            (folder / of_another_task).unlink(missing_ok=True)
        self.backbone.save_to_preset(folder, weights_dtype)
        config = {
            "backbone": self.backbone.description(),
            "preprocessor": preprocessor,
            **settings,
        }
        class_name = f"{self.record.prefix}{task}"
        description = keras_hub.description(self.family, class_name, config)
        if own := self.own_settings():
            description[OWN_SETTINGS] = own
        keras_hub.write_json(folder, TASK, description)
        if layout := self.head_layout():
            weights = arrays(self.named_head_weights())
            keras_hub.write_weights(folder / TASK_WEIGHTS, layout, weights, weights_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, written as JSON can hold them."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        # The head is made with the backbone's policy, which says what of both is quantized.
        backbone["config"]["dtype"] = keras.dtype_policies.serialize(policy_of(self))
        return {
            "backbone": backbone,
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Self:
        """Creates a task from what `get_config` returned."""
        return cls(**deserialize_parts(config, ("backbone", "preprocessor"), custom_objects))

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles a loaded task as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)


@contextlib.contextmanager
def _unpooled() -> Iterator[None]:
    """Keeps Keras from warning that a pooler is not trained: no task but one needs it."""
    with warnings.catch_warnings():
        only = r"Gradients do not exist for variables \['pooler/kernel', 'pooler/bias'\]"
        warnings.filterwarnings("ignore", only, UserWarning)
        yield
