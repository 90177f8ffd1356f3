"""BERT (https://arxiv.org/abs/1810.04805), with the API of KerasNLP."""

from models.backbone import Backbone
from models.preprocessors.masked_lm import MaskedLMPreprocessor
from models.preprocessors.preprocessor import Preprocessor
from models.tasks.classifier import Classifier
from models.tokenizers.wordpiece_tokenizer import WordPieceTokenizer


class BertTokenizer(WordPieceTokenizer):
    """BERT's tokenizer; see `WordPieceTokenizer`."""

    family = "bert"


class BertPreprocessor(Preprocessor):
    """Packs `[CLS] text [SEP]` or `[CLS] first [SEP] second [SEP]`; see `Preprocessor`."""

    family = "bert"
    tokenizer_class = BertTokenizer


BertTextClassifierPreprocessor = BertPreprocessor
BertTextEmbedderPreprocessor = BertPreprocessor


class BertMaskedLMPreprocessor(MaskedLMPreprocessor):
    """Packs as `BertPreprocessor` does and hides tokens; see `MaskedLMPreprocessor`."""

    family = "bert"
    tokenizer_class = BertTokenizer


class BertBackbone(Backbone):
    """BERT's encoder, with segments and a pooler; see `Backbone`."""

    family = "bert"


class BertClassifier(Classifier):
    """BERT with a dense layer on its pooled output; see `Classifier`."""

    family = "bert"
    backbone_class = BertBackbone
    preprocessor_class = BertPreprocessor
