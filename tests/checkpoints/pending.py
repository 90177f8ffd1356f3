"""Kinds whose outcome is not yet what their records say, by what is missing."""

_BY_REASON: dict[str, tuple[str, ...]] = {
    "prompts are not read": (
        "default_prompt",
        "prompt_not_pooled",
        "default_prompt_unknown",
    ),
    "`truncate_dim` is not read": (
        "truncated_dimensions",
        "truncated_dimensions_normalized",
    ),
    "these modules are refused": (
        "dense_tanh",
        "dense_smaller",
        "dense_identity",
        "dense_relu",
        "dense_twice",
        "today_dense",
        "dropout_module",
    ),
    "a model in a folder within the preset's is not found": (
        "subfolder",
        "subfolder_bert_class",
    ),
    "these poolings are refused": (
        "pooled_twice",
        "weighted_mean",
        "mean_by_root",
        "last_token",
    ),
    "heads of one number are refused": (
        "bert_one_label",
        "bert_regression",
        "roberta_regression",
        "cross_encoder_minilm",
        "cross_encoder_old_activation",
        "cross_encoder_sigmoid",
        "cross_encoder_reranker",
        "cross_encoder_distilbert",
        "cross_encoder_today",
        "cross_encoder_explicit_sigmoid",
        "cross_encoder_long",
    ),
    "labels that are numbers are refused": ("bert_labels_are_numbers",),
    "of a long pair the other text is given the odd token": (
        "distilbert_sst2",
        "bert_stars",
        "bert_default_labels",
        "bert_two_default_labels",
        "bert_classifier_dropout",
        "bert_single_label",
        "bert_multi_label",
        "bert_multi_label_of_one",
        "bert_labels_out_of_order",
        "bert_old_norm",
        "bert_float16_classifier",
        "roberta_nli_short",
        "distilbert_nli",
        "bert_no_segments",
        "bert_distil_tokenizer",
        "bert_generic_tokenizer",
        "roberta_wordpiece_classifier",
    ),
    "texts are truncated on the right": (
        "wordpiece_truncates_left",
        "byte_pairs_truncates_left",
        "pieces_truncates_left",
        "bert_truncates_left_pairs",
    ),
    "the length is not read": ("tokenizer_args",),
    "the activation is refused": ("bert_silu",),
}

PENDING = {name: reason for reason, names in _BY_REASON.items() for name in names}
"""The reason by the name of the kind; a kind that is right must not be here."""
