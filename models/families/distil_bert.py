"""DistilBERT (https://arxiv.org/abs/1910.01108), with the API of KerasNLP."""

from models.backbone import Backbone
from models.preprocessors.masked_lm import MaskedLMPreprocessor
from models.preprocessors.preprocessor import Preprocessor
from models.tasks.classifier import Classifier
from models.tasks.masked_lm import MaskedLM
from models.tasks.text_embedder import TextEmbedder
from models.tokenizers.wordpiece_tokenizer import WordPieceTokenizer


class DistilBertTokenizer(WordPieceTokenizer):
    """DistilBERT's tokenizer; see `WordPieceTokenizer`."""

    family = "distil_bert"


class DistilBertPreprocessor(Preprocessor):
    """Packs `[CLS] text [SEP]` or `[CLS] first [SEP] second [SEP]`; see `Preprocessor`."""

    family = "distil_bert"
    tokenizer_class = DistilBertTokenizer


DistilBertTextClassifierPreprocessor = DistilBertPreprocessor
DistilBertTextEmbedderPreprocessor = DistilBertPreprocessor


class DistilBertMaskedLMPreprocessor(MaskedLMPreprocessor):
    """Packs as `DistilBertPreprocessor` does and hides tokens; see `MaskedLMPreprocessor`."""

    family = "distil_bert"
    tokenizer_class = DistilBertTokenizer


class DistilBertBackbone(Backbone):
    """DistilBERT's encoder, without segments or a pooler; see `Backbone`."""

    family = "distil_bert"


class DistilBertClassifier(Classifier):
    """DistilBERT with two dense layers on the vector of `[CLS]`; see `Classifier`."""

    family = "distil_bert"
    backbone_class = DistilBertBackbone
    preprocessor_class = DistilBertPreprocessor


class DistilBertMaskedLM(MaskedLM):
    """DistilBERT that gives hidden tokens back; see `MaskedLM`."""

    family = "distil_bert"
    backbone_class = DistilBertBackbone
    preprocessor_class = DistilBertMaskedLMPreprocessor


class DistilBertTextEmbedder(TextEmbedder):
    """DistilBERT that makes a vector of a text; see `TextEmbedder`."""

    family = "distil_bert"
    backbone_class = DistilBertBackbone
    preprocessor_class = DistilBertTextEmbedderPreprocessor
