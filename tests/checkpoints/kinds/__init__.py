"""All kinds of checkpoints, one record each."""

from tests.checkpoints.kind import Kind
from tests.checkpoints.kinds import (
    backbones,
    bert,
    byte_pairs,
    classifiers,
    cross_encoders,
    embedders,
    modules,
    others,
    pieces,
    wordpiece,
    wordpiece_files,
)

SECTIONS: dict[str, list[Kind]] = {
    "BERT": bert.KINDS,
    "DistilBERT": backbones.DISTIL_BERT,
    "RoBERTa": backbones.ROBERTA,
    "XLM-RoBERTa and CamemBERT": backbones.XLM_ROBERTA,
    "Another family's tokenizer": backbones.OTHER_TOKENIZERS,
    "sentence-transformers": embedders.KINDS,
    "Modules, poolings and prompts": modules.KINDS,
    "Classifiers": classifiers.KINDS,
    "Cross-encoders": cross_encoders.KINDS,
    "WordPiece: splitting and lengths": wordpiece.KINDS,
    "WordPiece: tokens, files and classes": wordpiece_files.KINDS,
    "Byte pairs": byte_pairs.KINDS,
    "SentencePiece": pieces.KINDS,
    "Other families": others.FAMILIES,
    "Other forms": others.FORMS,
}
"""The kinds by the headings of the table."""

KINDS: list[Kind] = [kind for kinds in SECTIONS.values() for kind in kinds]
