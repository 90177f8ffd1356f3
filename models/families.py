"""The classes of each model family."""

from models.bert import BertClassifier
from models.classifier import Classifier
from models.distil_bert import DistilBertClassifier
from models.preprocessor import Preprocessor
from models.preset import Preset
from models.roberta import RobertaClassifier
from models.xlm_roberta import XLMRobertaClassifier

CLASSIFIERS: dict[str, type[Classifier]] = {
    "bert": BertClassifier,
    "roberta": RobertaClassifier,
    "xlm_roberta": XLMRobertaClassifier,
    "distil_bert": DistilBertClassifier,
}


def classifier_class(preset: Preset) -> type[Classifier]:
    """Returns the class of a preset's classifier."""
    return CLASSIFIERS[preset.family]


def preprocessor_class(preset: Preset) -> type[Preprocessor]:
    """Returns the class of a preset's preprocessor."""
    return CLASSIFIERS[preset.family].preprocessor_class
