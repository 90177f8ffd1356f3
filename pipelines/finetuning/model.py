"""The model that `python -m pipelines.finetune` trains: a preset's, parts of one, or a new one."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import UserError
from pipelines.finetuning.labels import OneNumber
from pipelines.finetuning.start import Start

if TYPE_CHECKING:
    from models.backbone import Backbone
    from models.preprocessors.preprocessor import Preprocessor
    from models.presets.preset import Preset
    from models.tasks.classifier import Classifier
    from models.tasks.task import Task
    from models.tasks.text_embedder import TextEmbedder
    from pipelines.finetuning.labelled import TrainingData


def classifier_to_train(
    args: argparse.Namespace,
    start: Start,
    data: "TrainingData",
    labels: list[str],
    activation: str | None,
) -> tuple["Classifier", bool]:
    """Returns what `classifier_of` does, with as much of it frozen as the flags say.

    Args:
        args: The flags.
        start: What it starts from.
        data: The rows.
        labels: Names of the classes.
        activation: Activation of the scores.
    """
    texts = [text for segment in data.train.segments for text in segment]
    is_number = isinstance(data.kind, OneNumber)
    classifier, is_new = classifier_of(start, labels, texts, activation, is_number=is_number)
    freeze(args, classifier)
    return classifier, is_new


def freeze(args: argparse.Namespace, task: "Task") -> None:
    """Leaves as much of a model as it is as the flags say."""
    if args.lora_rank:
        task.backbone.enable_lora(args.lora_rank)
    if args.freeze_layers:
        task.backbone.freeze_layers(args.freeze_layers)


def classifier_of(
    start: Start,
    labels: list[str],
    texts: Sequence[str],
    activation: str | None,
    *,
    is_number: bool,
) -> tuple["Classifier", bool]:
    """Returns the classifier to train, and whether its scores mean something else than before.

    Args:
        start: What it starts from.
        labels: Names of the classes.
        texts: The training texts, by which a vocabulary is made or cut.
        activation: Activation of the scores.
        is_number: Whether the classifier is to give a number.
    """
    from models.tasks.classifier import Classifier

    if start.preset is None:
        backbone, preprocessor = _from_scratch(start, texts)
        kind = Classifier.of_family(backbone.family)
        head: dict[str, Any] = {"dropout": backbone.dropout, "labels": labels}
        return kind(backbone, len(labels), preprocessor, activation, **head), True
    classifier, is_new = _from_preset(
        start.preset, labels, start.length, activation, is_number=is_number
    )
    if start.is_part:
        classifier = _parts(classifier, start.shape, texts)
    return classifier, is_new


def embedder_of(start: Start, texts: Sequence[str]) -> "TextEmbedder":
    """Returns the embedder to train, whose vectors have length 1; arguments as above."""
    from models.presets.heads.embedder import POOLINGS
    from models.tasks.text_embedder import TextEmbedder

    if start.preset is None:
        backbone, preprocessor = _from_scratch(start, texts)
        return TextEmbedder.of_family(backbone.family)(backbone, preprocessor)
    kind = TextEmbedder.member_of(start.preset)
    own = start.preset.embedding.pooling
    pooling = own if own in POOLINGS else POOLINGS[0]  # what a preset can be saved with
    embedder = kind(
        kind.backbone_class.from_preset(start.preset),
        kind.preprocessor_class.from_preset(start.preset, start.length),
        pooling,
    )
    return _parts(embedder, start.shape, texts) if start.is_part else embedder


def _from_preset(
    preset: "Preset", labels: list[str], length: int, activation: str | None, *, is_number: bool
) -> tuple["Classifier", bool]:
    """Returns the classifier of a preset, and whether its scores mean something else than before.

    The preset's own head is kept if its labels are the same, and a text may have as many of them;
    for a number, if it gives one, whatever that is called. A number before it goes through another
    activation means something else.

    Args:
        preset: Preset of a backbone or a classifier.
        labels: Names of the classes.
        length: Maximum tokens of a text.
        activation: Activation of the scores.
        is_number: Whether the classifier is to give a number.
    """
    from models.tasks.classifier import Classifier

    kind = Classifier.member_of(preset)
    preprocessor = kind.preprocessor_class.from_preset(preset, length)
    head: dict[str, Any] = {"preprocessor": preprocessor, "activation": activation}
    if preset.has_classifier and is_number and len(preset.labels) == 1:
        own = preset.head_config.get("activation") or "linear"
        return kind.from_preset(preset, labels=labels, **head), own != (activation or "linear")
    gives_labels = preset.has_classifier and not (is_number or preset.gives_numbers)
    has_head = gives_labels and preset.is_multi_label == (activation == "sigmoid")
    if has_head and sorted(preset.labels) == sorted(labels):
        return kind.from_preset(preset, **head), False
    return kind.from_preset(preset, num_classes=len(labels), labels=labels, **head), True


def _parts(task: Any, shape: Mapping[str, Any], texts: Sequence[str]) -> Any:
    """Returns a task like another, with the parts of it that a configuration names."""
    from models.named_weights import arrays, assign
    from models.students.vocabulary import cut_vocabulary
    from models.students.weights import chosen_layers, shrunken

    backbone, preprocessor = task.backbone, task.preprocessor
    tokenizer, ids = preprocessor.tokenizer, np.arange(backbone.vocabulary_size)
    if "vocabulary_size" in shape:
        tokenizer, ids = cut_vocabulary(tokenizer, texts, shape["vocabulary_size"])
    layers = chosen_layers(shape.get("layers", "all"), backbone.num_layers)
    names = ("intermediate_dim", "max_sequence_length", "dropout")
    own = {"dropout": shape["dropout"]} if "dropout" in shape and task.named_head_weights() else {}
    student = type(task).from_config(
        {
            **task.get_config(),
            **own,
            "backbone": shrunken(backbone, layers, ids, *map(shape.get, names)),
            "preprocessor": preprocessor.with_tokenizer(tokenizer),
        }
    )
    assign(student.named_head_weights(), arrays(task.named_head_weights()).items())
    return student


def _from_scratch(start: Start, texts: Sequence[str]) -> tuple["Backbone", "Preprocessor"]:
    """Returns a new backbone, and a preprocessor with a vocabulary of the training texts.

    Its weights are random; where the configuration names word embeddings, its tokens are those of
    another preset, and begin with that one's vectors, brought to the new width.
    """
    from models.backbone import Backbone
    from models.preprocessors.preprocessor import Preprocessor
    from models.students.projection import principal_directions
    from models.students.vocabulary import cut_vocabulary
    from models.tokenizers.vocabulary import train_wordpiece

    shape, vectors = start.shape, None
    size = shape["vocabulary_size"]
    if start.words is None:
        family, lowercase = shape["family"], shape.get("lowercase", True)
        kind = Preprocessor.of_family(family)
        vocabulary = train_wordpiece(texts, size, lowercase)
        tokenizer = kind.tokenizer_class(vocabulary, lowercase=lowercase)
        preprocessor = kind(tokenizer, start.length)
    else:
        family = start.words.family
        original = Preprocessor.from_preset(start.words, start.length)
        tokenizer, ids = cut_vocabulary(original.tokenizer, texts, size)
        preprocessor = original.with_tokenizer(tokenizer)
        vectors = word_vectors(start.words)[ids]
        vectors = vectors @ principal_directions(vectors, shape["hidden_dim"])
    own = ("family", "lowercase", "word_embeddings")
    arguments = {name: shape[name] for name in shape if name not in own}
    try:
        backbone = Backbone.of_family(family)(
            **{**arguments, "vocabulary_size": tokenizer.vocabulary_size()}
        )
    except ValueError as error:
        raise UserError(f"--config: {error}") from None
    if vectors is not None:
        backbone.token_embedding.embeddings.assign(vectors)
    return backbone, preprocessor


def word_vectors(preset: "Preset") -> np.ndarray:
    """Returns the vectors of a preset's tokens, float32 `[tokens, hidden_dim]`."""
    import keras

    from models.backbone import Backbone

    table = Backbone.from_preset(preset).token_embedding.embeddings
    found: np.ndarray = keras.ops.convert_to_numpy(table)
    return found


def scale_head(classifier: "Classifier", factor: float, offset: float) -> None:
    """Changes the head of a classifier so that each score becomes `factor * score + offset`."""
    logits = classifier.logits
    logits.kernel.assign(logits.kernel * factor)
    logits.bias.assign(logits.bias * factor + offset)
