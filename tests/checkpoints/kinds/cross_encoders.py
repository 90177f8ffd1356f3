"""Cross-encoders of sentence-transformers, which score pairs."""

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import Step, cross_encoder_saved_again, model, put, tokenizer

CONFIG = "config.json"
HEAD = "ForSequenceClassification"
NLI = {0: "contradiction", 1: "entailment", 2: "neutral"}
PAIRS = ("classify_pairs",)
RANK = ("rank",)
_IDENTITY = "torch.nn.modules.linear.Identity"
_SIGMOID = "torch.nn.modules.activation.Sigmoid"


def _ranker(family: str, tokens: str, **fields: object) -> tuple[Step, ...]:
    return (model(family, HEAD, num_labels=1), tokenizer(tokens), put(CONFIG, **fields))


KINDS = [
    Kind(
        "cross_encoder_minilm",
        "a cross-encoder whose scores are its logits",
        ("cross-encoder/ms-marco-MiniLM-L6-v2", "cross-encoder/ms-marco-MiniLM-L12-v2"),
        _ranker(
            "bert",
            "uncased",
            sentence_transformers={"activation_fn": _IDENTITY},
        ),
        RANK,
    ),
    Kind(
        "cross_encoder_old_activation",
        "a cross-encoder with `sbert_ce_default_activation_function`",
        (),
        _ranker(
            "bert",
            "uncased",
            sbert_ce_default_activation_function=_IDENTITY,
        ),
        RANK,
    ),
    Kind(
        "cross_encoder_sigmoid",
        "a cross-encoder of RoBERTa, one score from 0 to 1",
        ("cross-encoder/stsb-roberta-base", "cross-encoder/quora-distilroberta-base"),
        _ranker("roberta", "byte_pairs"),
        RANK,
    ),
    Kind(
        "cross_encoder_reranker",
        "a reranker of XLM-RoBERTa, one score",
        ("BAAI/bge-reranker-base", "BAAI/bge-reranker-v2-m3"),
        _ranker("xlm-roberta", "pieces"),
        RANK,
    ),
    Kind(
        "cross_encoder_distilbert",
        "a cross-encoder of DistilBERT, one score",
        (),
        (
            *_ranker("distilbert", "uncased"),
            put("tokenizer_config.json", tokenizer_class="DistilBertTokenizer"),
        ),
        RANK,
    ),
    Kind(
        "cross_encoder_today",
        "a cross-encoder as sentence-transformers 6 saves it",
        (),
        (*_ranker("bert", "uncased"), cross_encoder_saved_again),
        RANK,
    ),
    Kind(
        "cross_encoder_nli",
        "a cross-encoder of three labels, read as a classifier",
        ("cross-encoder/nli-distilroberta-base", "cross-encoder/nli-MiniLM2-L6-H768"),
        (
            model("roberta", HEAD, id2label=NLI),
            tokenizer("byte_pairs"),
            put(CONFIG, sentence_transformers={"activation_fn": _IDENTITY}),
        ),
        PAIRS,
    ),
    Kind(
        "cross_encoder_explicit_sigmoid",
        "a cross-encoder that names its sigmoid",
        ("cross-encoder/stsb-distilroberta-base",),
        _ranker("roberta", "byte_pairs", sentence_transformers={"activation_fn": _SIGMOID}),
        RANK,
    ),
    Kind(
        "cross_encoder_long",
        "a cross-encoder of 512 tokens",
        (),
        (
            *_ranker("bert", "uncased", sentence_transformers={"activation_fn": _IDENTITY}),
            put("tokenizer_config.json", model_max_length=512),
        ),
        RANK,
    ),
]
