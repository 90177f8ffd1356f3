"""RoBERTa (https://arxiv.org/abs/1907.11692), with the API of KerasNLP."""

from models.backbone import Backbone
from models.preprocessors.masked_lm import MaskedLMPreprocessor
from models.preprocessors.preprocessor import Preprocessor
from models.tasks.classifier import Classifier
from models.tasks.masked_lm import MaskedLM
from models.tasks.text_embedder import TextEmbedder
from models.tokenizers.byte_pair import BytePairTokenizer


class RobertaTokenizer(BytePairTokenizer):
    """RoBERTa's tokenizer; see `BytePairTokenizer`."""

    family = "roberta"


class RobertaPreprocessor(Preprocessor):
    """Packs `<s> text </s>` or `<s> first </s></s> second </s>`; see `Preprocessor`."""

    family = "roberta"
    tokenizer_class = RobertaTokenizer


RobertaTextClassifierPreprocessor = RobertaPreprocessor
RobertaTextEmbedderPreprocessor = RobertaPreprocessor


class RobertaMaskedLMPreprocessor(MaskedLMPreprocessor):
    """Packs as `RobertaPreprocessor` does and hides tokens; see `MaskedLMPreprocessor`."""

    family = "roberta"
    tokenizer_class = RobertaTokenizer


class RobertaBackbone(Backbone):
    """RoBERTa's encoder, without segments or a pooler; see `Backbone`."""

    family = "roberta"


class RobertaClassifier(Classifier):
    """RoBERTa with two dense layers on the vector of `<s>`; see `Classifier`."""

    family = "roberta"
    backbone_class = RobertaBackbone
    preprocessor_class = RobertaPreprocessor


class RobertaMaskedLM(MaskedLM):
    """RoBERTa that gives hidden tokens back; see `MaskedLM`."""

    family = "roberta"
    backbone_class = RobertaBackbone
    preprocessor_class = RobertaMaskedLMPreprocessor


class RobertaTextEmbedder(TextEmbedder):
    """RoBERTa that makes a vector of a text; see `TextEmbedder`."""

    family = "roberta"
    backbone_class = RobertaBackbone
    preprocessor_class = RobertaTextEmbedderPreprocessor
