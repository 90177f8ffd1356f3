"""Small batches, and what a predictor must make of them."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import Predictor, backends
from models.inference.computation import computation_of
from models.presets.embedding import EmbeddingSettings
from tests.models.family_cases import embedder_of

any_shape = pytest.mark.skipif(
    backends.compiles_each_shape(),
    reason="on JAX rows share lines everywhere, as test_predictor_lines.py has it",
)

AREA = 48
SHORT_LENGTH = 8
WORDS = ["good", "bad", "film", "play", "the", "great", "awful"]


def expected_probabilities(classifier, *texts):
    features = classifier.preprocessor(texts if len(texts) > 1 else texts[0])
    scores = classifier(features, training=False)
    return np.asarray(keras.ops.softmax(scores))


def encode(predictor, texts):
    return predictor.preprocessor.encode(texts)[0]


class Computed:
    """A predictor's computation that keeps account and fails where it is told to.

    Args:
        computation: The true one.
        largest_area: Above it there is no memory.
        is_bad: Whether a sequence of ids makes the whole micro-batch fail.
        spoil: Changes outputs, given the ids of their rows.
    """

    def __init__(
        self,
        computation,
        largest_area=10**9,
        is_bad=lambda ids: False,
        spoil=lambda ids, outputs: outputs,
    ):
        self.computation = computation
        self.width = computation.width
        self.largest_area = largest_area
        self.is_bad = is_bad
        self.spoil = spoil
        self.shapes = []
        self.lock = threading.Lock()

    def __call__(self, features):
        ids = features["token_ids"]
        with self.lock:
            self.shapes.append(ids.shape)
        if ids.size > self.largest_area:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\na tensor")
        if any(self.is_bad(row) for row in ids):
            raise ValueError("cannot compute this\nsecond line")
        return self.spoil(ids, np.array(self.computation(features)))

    @property
    def num_rows(self):
        return sum(rows for rows, _ in self.shapes)

    @property
    def areas(self):
        return [rows * length for rows, length in self.shapes]


def watched(model, device="CPU", long_text="truncate", area=AREA, **faults):
    """Returns a predictor and what it computes with; arguments as of `Computed`."""
    computed = Computed(
        computation_of(model, use_xla=device == "GPU" or backends.compiles_each_shape()), **faults
    )
    return Predictor(model, device, area, long_text, computed), computed


def make_embedder(classifier, *arguments, **settings):
    settings = EmbeddingSettings(**settings)
    return embedder_of(classifier.backbone, classifier.preprocessor, settings, *arguments)
