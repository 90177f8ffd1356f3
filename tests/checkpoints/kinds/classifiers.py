"""Classifiers: labels, numbers, pairs."""

from tests.checkpoints.kind import Kind
from tests.checkpoints.steps import (
    REMOVED,
    model,
    named,
    put,
    tokenizer,
    without_weights,
)

CONFIG = "config.json"
SETTINGS = "tokenizer_config.json"
HEAD = "ForSequenceClassification"
BOTH = ("classify", "classify_pairs")
PAIRS = ("classify_pairs",)
NLI = {0: "contradiction", 1: "entailment", 2: "neutral"}


def _bert(**config: object) -> tuple:
    return (model("bert", HEAD, **config), tokenizer("uncased"))


_DISTIL = put(SETTINGS, tokenizer_class="DistilBertTokenizer")


KINDS = [
    Kind(
        "distilbert_sst2",
        "DistilBERT, two labels",
        ("distilbert/distilbert-base-uncased-finetuned-sst-2-english",),
        (
            model("distilbert", HEAD, id2label={0: "NEGATIVE", 1: "POSITIVE"}),
            tokenizer("uncased"),
            _DISTIL,
        ),
        BOTH,
    ),
    Kind(
        "bert_stars",
        "BERT, five labels",
        ("nlptown/bert-base-multilingual-uncased-sentiment",),
        (
            *_bert(id2label={0: "1 star", **{i: f"{i + 1} stars" for i in range(1, 5)}}),
            put(SETTINGS, model_max_length=512),
        ),
        BOTH,
    ),
    Kind(
        "bert_default_labels",
        "BERT, `num_labels` and labels without names",
        (),
        (*_bert(num_labels=3), put(CONFIG, id2label=REMOVED, label2id=REMOVED, num_labels=3)),
        BOTH,
    ),
    Kind(
        "bert_two_default_labels",
        "BERT with neither `num_labels` nor `id2label`: two labels",
        (),
        (*_bert(num_labels=2), put(CONFIG, id2label=REMOVED, label2id=REMOVED)),
        BOTH,
    ),
    Kind(
        "bert_classifier_dropout",
        "BERT with `classifier_dropout`",
        (),
        _bert(num_labels=3, classifier_dropout=0.3),
        BOTH,
    ),
    Kind(
        "bert_single_label",
        "`problem_type` `single_label_classification`",
        (),
        _bert(num_labels=3, problem_type="single_label_classification"),
        BOTH,
    ),
    Kind(
        "bert_multi_label",
        "BERT, labels that do not exclude each other",
        ("unitary/toxic-bert",),
        _bert(num_labels=6, problem_type="multi_label_classification"),
        BOTH,
    ),
    Kind(
        "roberta_multi_label",
        "RoBERTa, labels that do not exclude each other",
        ("SamLowe/roberta-base-go_emotions",),
        (
            model("roberta", HEAD, num_labels=28, problem_type="multi_label_classification"),
            tokenizer("byte_pairs"),
        ),
        BOTH,
    ),
    Kind(
        "bert_multi_label_of_one",
        "one label, `multi_label_classification`",
        (),
        _bert(num_labels=1, problem_type="multi_label_classification"),
        BOTH,
    ),
    Kind(
        "bert_one_label",
        "one label and no `problem_type`",
        (),
        _bert(num_labels=1),
        BOTH,
    ),
    Kind(
        "bert_regression",
        "regression, one number",
        (),
        _bert(num_labels=1, problem_type="regression"),
        BOTH,
    ),
    Kind(
        "roberta_regression",
        "RoBERTa, regression",
        (),
        (
            model("roberta", HEAD, num_labels=1, problem_type="regression"),
            tokenizer("byte_pairs"),
        ),
        BOTH,
    ),
    Kind(
        "bert_regressions",
        "regression, three numbers",
        (),
        _bert(num_labels=3, problem_type="regression"),
        ("classify",),
    ),
    Kind(
        "bert_labels_out_of_order",
        "`id2label` not in the order of its ids",
        (),
        (*_bert(num_labels=3), put(CONFIG, id2label={"2": "c", "0": "a", "1": "b"})),
        BOTH,
    ),
    Kind(
        "bert_labels_are_numbers",
        "`id2label` with numbers for names",
        (),
        (*_bert(num_labels=3), put(CONFIG, id2label={"0": 0, "1": 1, "2": 2})),
        BOTH,
    ),
    Kind(
        "bert_labels_twice",
        "`id2label` that gives two classes the same name",
        (),
        (*_bert(num_labels=3), put(CONFIG, id2label={"0": "a", "1": "b", "2": "a"})),
        ("classify",),
    ),
    Kind(
        "bert_labels_missing",
        "`id2label` that names fewer classes than the weights have",
        (),
        (*_bert(num_labels=3), put(CONFIG, id2label={"0": "a", "1": "b"})),
        ("classify",),
        refused="model.safetensors: 'classifier.weight' has the shape [3, 32]; its configuration "
        "asks for [2, 32]",
    ),
    Kind(
        "bert_no_head",
        "an architecture with a classifier, weights without",
        (),
        (*_bert(num_labels=3), without_weights("classifier")),
        ("classify",),
        refused="BertForSequenceClassification, but its weights lack 'classifier.weight'",
    ),
    Kind(
        "bert_backbone_asked_to_classify",
        "a backbone that is asked for labels",
        ("google-bert/bert-base-uncased",),
        (model("bert", "ForMaskedLM"), tokenizer("uncased")),
        ("classify",),
        refused="has no classifier: it is a BertForMaskedLM, which fills in masked tokens",
    ),
    Kind(
        "bert_old_norm",
        "a classifier with weights called gamma and beta",
        (),
        (
            *_bert(num_labels=3),
            named("LayerNorm.weight", "LayerNorm.gamma"),
            named("LayerNorm.bias", "LayerNorm.beta"),
        ),
        BOTH,
    ),
    Kind(
        "roberta_sentiment",
        "RoBERTa, three labels",
        (
            "cardiffnlp/twitter-roberta-base-sentiment-latest",
            "j-hartmann/emotion-english-distilroberta-base",
        ),
        (model("roberta", HEAD, num_labels=3), tokenizer("byte_pairs")),
        BOTH,
    ),
    Kind(
        "roberta_nli",
        "RoBERTa, pairs",
        ("FacebookAI/roberta-large-mnli", "cross-encoder/nli-distilroberta-base"),
        (
            model("roberta", HEAD, id2label=NLI),
            tokenizer("byte_pairs"),
            put(SETTINGS, model_max_length=512),
        ),
        PAIRS,
    ),
    Kind(
        "roberta_nli_short",
        "RoBERTa, pairs, a length that leaves odd room",
        (),
        (
            model("roberta", HEAD, id2label=NLI),
            tokenizer("byte_pairs"),
            put(SETTINGS, model_max_length=127),
        ),
        PAIRS,
    ),
    Kind(
        "bert_nli_short",
        "BERT, pairs, a length that leaves even room",
        (),
        (*_bert(id2label=NLI), put(SETTINGS, model_max_length=127)),
        PAIRS,
    ),
    Kind(
        "distilbert_nli",
        "DistilBERT, pairs",
        ("typeform/distilbert-base-uncased-mnli",),
        (model("distilbert", HEAD, id2label=NLI), tokenizer("uncased"), _DISTIL),
        PAIRS,
    ),
    Kind(
        "xlm_roberta_sentiment",
        "XLM-RoBERTa, three labels",
        ("cardiffnlp/twitter-xlm-roberta-base-sentiment", "joeddav/xlm-roberta-large-xnli"),
        (
            model("xlm-roberta", HEAD, num_labels=3),
            tokenizer("pieces"),
            put(SETTINGS, model_max_length=512),
        ),
        BOTH,
    ),
    Kind(
        "camembert_sentiment",
        "CamemBERT, five labels",
        ("cmarkea/distilcamembert-base-sentiment",),
        (model("camembert", HEAD, num_labels=5), tokenizer("camembert")),
        BOTH,
    ),
    Kind(
        "roberta_wordpiece_classifier",
        "RoBERTa with BERT's tokenizer, labels",
        (),
        (
            model("roberta", HEAD, "klue", num_labels=3),
            tokenizer("klue"),
            put(SETTINGS, model_input_names=["input_ids", "attention_mask"]),
        ),
        BOTH,
    ),
    Kind(
        "bert_no_segments",
        "BERT, pairs, `model_input_names` without `token_type_ids`",
        (),
        (*_bert(id2label=NLI), put(SETTINGS, model_input_names=["input_ids", "attention_mask"])),
        PAIRS,
    ),
    Kind(
        "bert_distil_tokenizer",
        "BERT, pairs, with `DistilBertTokenizer`: all of segment 0",
        (),
        (*_bert(id2label=NLI), put(SETTINGS, tokenizer_class="DistilBertTokenizer")),
        PAIRS,
    ),
    Kind(
        "bert_generic_tokenizer",
        "BERT, pairs, with `PreTrainedTokenizerFast`",
        (),
        (*_bert(id2label=NLI), put(SETTINGS, tokenizer_class="PreTrainedTokenizerFast")),
        BOTH,
        before="segments 0 and 1",
    ),
    Kind(
        "bert_truncates_left_pairs",
        "BERT, pairs, `truncation_side` left",
        (),
        (*_bert(id2label=NLI), put(SETTINGS, truncation_side="left")),
        BOTH,
    ),
    Kind(
        "classifier_as_embedder",
        "a classifier that is asked for vectors",
        ("distilbert/distilbert-base-uncased-finetuned-sst-2-english",),
        (model("distilbert", HEAD, num_labels=2), tokenizer("uncased"), _DISTIL),
        ("embed",),
    ),
    Kind(
        "bert_labels_from_one",
        "`id2label` that counts from 1",
        (),
        (*_bert(num_labels=2), put(CONFIG, id2label={"1": "a", "2": "b"})),
        ("classify",),
        refused="config.json: id2label must name the classes 0 to 1",
    ),
    Kind(
        "bert_labels_and_number",
        "`num_labels` that is not the number of names in `id2label`",
        (),
        (*_bert(num_labels=3), put(CONFIG, id2label={"0": "a", "1": "b"}, num_labels=3)),
        ("classify",),
    ),
    Kind(
        "bert_token_classifier",
        "a model that labels tokens, asked for labels of texts",
        ("dslim/bert-base-NER",),
        (model("bert", "ForTokenClassification", num_labels=3), tokenizer("uncased")),
        ("classify",),
        refused="has no classifier: it is a BertForTokenClassification, which labels tokens",
    ),
    Kind(
        "bert_float16_classifier",
        "a classifier in float16",
        (),
        _bert(num_labels=3, dtype="float16"),
        BOTH,
    ),
]
