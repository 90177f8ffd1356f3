"""Which of a preset's files in the format of Hugging Face its weights are read from."""

from collections.abc import Callable, Sequence

from models.hubs.remote import UNREAD_WEIGHTS, converting
from models.presets.preset import Preset
from models.presets.weights import tensorflow_weights
from models.presets.weights.safetensors_weights import INDEX, WEIGHTS, Safetensors, TensorFiles

_OTHER_FORMATS = ("*.onnx", "*.gguf", "openvino_model.*", "*.mlmodel", "*.tflite", "*.ckpt*")


def stored_weights(
    preset: Preset, rename: Callable[[str], str], architectures: Sequence[str]
) -> TensorFiles:
    """Returns the stored weights of a model: safetensors where there are any.

    Args:
        preset: The preset.
        rename: Returns a layout's name for a name in PyTorch.
        architectures: The classes of transformers that it was saved from, if it names any.

    Raises:
        PresetError: There are none in a format that is read.
    """
    if preset.has(WEIGHTS) or preset.has(INDEX):
        return Safetensors(preset, rename)
    if preset.has(tensorflow_weights.WEIGHTS):
        return tensorflow_weights.TensorFlowWeights(preset, rename)
    folder = (preset.folder / preset.located(WEIGHTS)).parent
    for variant in sorted(folder.glob("model.*.safetensors")):
        raise preset.error(
            variant.name, f"a variant of the weights; to use it, rename it to {WEIGHTS}"
        )
    unread = next(filter(preset.has, UNREAD_WEIGHTS), None)
    if unread is None:
        others = sorted(
            path.relative_to(folder).as_posix()
            for pattern in _OTHER_FORMATS
            for path in (*folder.glob(pattern), *folder.glob(f"*/{pattern}"))
        )
        if others:
            raise preset.error(
                WEIGHTS, f"no such file; the folder holds no weights that are read, but {others[0]}"
            )
        raise preset.error(WEIGHTS, "no such file")
    how = converting(unread, str(folder), architectures)
    raise preset.error(unread, f"{UNREAD_WEIGHTS[unread]}, and not read; {how}")
