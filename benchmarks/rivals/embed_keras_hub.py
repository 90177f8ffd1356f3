"""keras-hub: its tokenizer and packer, then `predict` of its backbone with mean pooling on top.

`predict` takes rows of one length, to which all texts are padded or cut. The model could take 256
tokens, in twice the time, but few news texts are longer than 128. keras-hub's BERT approximates
gelu with tanh, so that its vectors are not quite the model's.
"""

from collections.abc import Sequence

import keras
import keras_hub
import numpy as np
from keras import ops

from benchmarks.rivals.embedding import Embed, run_rival

LENGTH = 128
BATCH_SIZE = 32


def load(folder: str) -> Embed:
    """Loads a model's folder in the Hugging Face format."""
    backbone = keras_hub.models.BertBackbone.from_preset(folder)
    tokenizer = keras_hub.models.BertTokenizer.from_preset(folder)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(
        tokenizer, sequence_length=LENGTH
    )
    mask = ops.expand_dims(ops.cast(backbone.input["padding_mask"], "float32"), -1)
    pooled = ops.sum(backbone.output["sequence_output"] * mask, 1) / ops.sum(mask, 1)
    model = keras.Model(backbone.input, ops.normalize(pooled))

    def embed(texts: Sequence[str]) -> np.ndarray:
        features = preprocessor(list(texts))
        return model.predict(features, batch_size=BATCH_SIZE, verbose=0)

    return embed


if __name__ == "__main__":
    run_rival(load)
