"""An encoder's products in int8, from its weights and from what its inputs are like."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from models.backends import onednn, processor
from models.backends.kernels import Kernels, Product, affine, using
from models.inference import cores
from models.inference.int8.products import Inputs, of_activations, of_vectors
from models.inference.int8.texts import TEXTS, encoded
from models.packing import Tokens

if TYPE_CHECKING:
    from models.tasks.classifier import Classifier
    from models.tasks.embedder import Embedder

# Rows of random tokens that are run beside texts to see what inputs are like: enough for their
# extremes, few enough for a second.
_ROWS, _LENGTH = 8, 128


def int8_products(model: "Classifier | Embedder") -> dict[keras.layers.Dense, Product]:
    """Returns the products of a model's encoder in int8.

    Queries, keys and values and both products of the feed-forward networks are in int8, which are
    eleven in twelve of the multiplications by weights. Attention and the product behind it are in
    bfloat16 where the processor has instructions for it, else in float32: the vectors of tokens
    mixed by attention have no scale that is known before, and this product is where int8 would lose
    most for the time it saves. All else is as in the model, whose weights are of float32.

    Args:
        model: A model whose weights are float32, with its preprocessor.
    """
    layers = model.backbone.encoder.layers
    seen = _inputs(model)
    has_half = processor.has_bfloat16_products() and onednn.dense_works()
    half = "bfloat16" if has_half else "float32"
    made: dict[keras.layers.Dense, Product] = {}
    for layer in layers:
        made[layer.qkv] = _by_columns(layer.qkv, seen[layer.qkv], half)
        if has_half:
            made[layer.attention_output] = _in_bfloat16(layer.attention_output)
        made[layer.intermediate] = _whole(
            of_vectors(*_weights(layer.intermediate), seen[layer.intermediate])
        )
        made[layer.output_dense] = _whole(
            of_activations(
                *_weights(layer.output_dense), seen[layer.output_dense], layer.activation
            )
        )
    return made


def _weights(layer: keras.layers.Dense) -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in (layer.kernel, layer.bias))
    return kernel, bias


def _whole(product: Callable[[Any, str | None], Any]) -> Product:
    """Returns the product of a layer of which all columns are computed."""

    def computed(inputs: Any, columns: slice, activation: str | None) -> Any:
        assert columns == slice(None)
        return product(inputs, activation)

    return computed


def _by_columns(layer: keras.layers.Dense, inputs: Inputs, dtype: str) -> Product:
    """Returns the product of a layer of which some columns may be computed by themselves."""
    kernel, bias = _weights(layer)
    made: dict[tuple[Any, Any], Callable[[Any, str | None], Any]] = {}

    def computed(given: Any, columns: slice, activation: str | None) -> Any:
        key = columns.start, columns.stop
        if key not in made:
            made[key] = of_vectors(kernel[:, columns], bias[columns], inputs, dtype)
        return made[key](given, activation)

    return computed


def _in_bfloat16(layer: keras.layers.Dense) -> Product:
    """Returns the product of a layer in bfloat16, with results of float32."""
    kernel, bias = (tf.cast(tf.constant(weight), "bfloat16") for weight in _weights(layer))

    def computed(inputs: Any, columns: slice, activation: str | None) -> Any:
        assert columns == slice(None)
        outputs = onednn.dense(tf.cast(inputs, "bfloat16"), kernel, bias, activation)
        return tf.cast(outputs, "float32")

    return computed


def _inputs(model: "Classifier | Embedder") -> dict[keras.layers.Dense, Inputs]:
    """Returns what the inputs of the encoder's dense layers are like, from texts and random tokens.

    They are the same ones every time, so that every process computes the same.
    """
    batches = [_random_rows(model), encoded(model, TEXTS[::2])]
    with ThreadPoolExecutor(cores.own()) as pool:
        of_random, of_texts = pool.map(partial(_inputs_of, model), batches)
    return {layer: inputs.with_more(of_texts[layer]) for layer, inputs in of_random.items()}


def _random_rows(model: "Classifier | Embedder") -> Tokens:
    """Returns packed rows of random tokens."""
    preprocessor = model.preprocessor
    assert preprocessor is not None
    num_special = preprocessor.packing.num_special(1)
    length = max(1, min(_LENGTH, preprocessor.sequence_length) - num_special)
    random = np.random.default_rng(0)
    ids = random.integers(preprocessor.tokenizer.vocabulary_size(), size=_ROWS * length)
    tokens = Tokens(ids.astype(np.int32), np.arange(_ROWS + 1) * length)
    return preprocessor.pack([tokens])[0]


def _inputs_of(model: "Classifier | Embedder", tokens: Tokens) -> dict[keras.layers.Dense, Inputs]:
    """Returns what the layers' inputs are like for packed rows."""
    assert model.preprocessor is not None
    pad_id = model.preprocessor.tokenizer.pad_token_id
    arrays = tokens.pad(np.arange(len(tokens)), int(tokens.lengths.max()), pad_id)
    features = {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}
    is_token = arrays["padding_mask"].ravel() > 0
    seen: dict[keras.layers.Dense, Inputs] = {}

    def record(
        layer: keras.layers.Dense, inputs: Any, columns: slice, activation: str | None
    ) -> Any:
        seen[layer] = Inputs.of(keras.ops.convert_to_numpy(inputs)[is_token])
        with using(Kernels()):
            return affine(layer, inputs, activation, columns)

    dense = [
        part
        for layer in model.backbone.encoder.layers
        for part in (layer.qkv, layer.intermediate, layer.output_dense)
    ]
    with using(Kernels(products={layer: partial(record, layer) for layer in dense})):
        model.backbone.tokens(features)
    return seen
