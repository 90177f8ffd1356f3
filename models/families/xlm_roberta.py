"""XLM-RoBERTa (https://arxiv.org/abs/1911.02116), with the API of KerasNLP."""

from models.backbone import Backbone
from models.preprocessors.masked_lm import MaskedLMPreprocessor
from models.preprocessors.preprocessor import Preprocessor
from models.tasks.classifier import Classifier
from models.tasks.masked_lm import MaskedLM
from models.tasks.text_embedder import TextEmbedder
from models.tokenizers.sentence_piece import SentencePieceTokenizer


class XLMRobertaTokenizer(SentencePieceTokenizer):
    """XLM-RoBERTa's tokenizer; see `SentencePieceTokenizer`."""

    family = "xlm_roberta"


class XLMRobertaPreprocessor(Preprocessor):
    """Packs `<s> text </s>` or `<s> first </s></s> second </s>`; see `Preprocessor`."""

    family = "xlm_roberta"
    tokenizer_class = XLMRobertaTokenizer


XLMRobertaTextClassifierPreprocessor = XLMRobertaPreprocessor
XLMRobertaTextEmbedderPreprocessor = XLMRobertaPreprocessor


class XLMRobertaMaskedLMPreprocessor(MaskedLMPreprocessor):
    """Packs as `XLMRobertaPreprocessor` does and hides tokens; see `MaskedLMPreprocessor`."""

    family = "xlm_roberta"
    tokenizer_class = XLMRobertaTokenizer


class XLMRobertaBackbone(Backbone):
    """XLM-RoBERTa's encoder, which is RoBERTa's; see `Backbone`."""

    family = "xlm_roberta"


class XLMRobertaClassifier(Classifier):
    """XLM-RoBERTa with two dense layers on the vector of `<s>`; see `Classifier`."""

    family = "xlm_roberta"
    backbone_class = XLMRobertaBackbone
    preprocessor_class = XLMRobertaPreprocessor


class XLMRobertaMaskedLM(MaskedLM):
    """XLM-RoBERTa that gives hidden tokens back; see `MaskedLM`."""

    family = "xlm_roberta"
    backbone_class = XLMRobertaBackbone
    preprocessor_class = XLMRobertaMaskedLMPreprocessor


class XLMRobertaTextEmbedder(TextEmbedder):
    """XLM-RoBERTa that makes a vector of a text; see `TextEmbedder`."""

    family = "xlm_roberta"
    backbone_class = XLMRobertaBackbone
    preprocessor_class = XLMRobertaTextEmbedderPreprocessor
