"""The classes of each model family."""

from models.classifier import Classifier
from models.families.bert import BertClassifier
from models.families.distil_bert import DistilBertClassifier
from models.families.roberta import RobertaClassifier
from models.families.xlm_roberta import XLMRobertaClassifier
from models.preprocessor import Preprocessor
from models.presets.preset import Preset

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
