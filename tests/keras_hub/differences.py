"""Keras Hub's tests that do not pass here, and why: what docs/keras_hub.md lists."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "keras_hub.md"

_HEADING = "### Those that do not pass"

_PRIVATE = "calls `_mean_pooling`, a private function of Keras Hub's class; pooling is tested here"

DIFFERENCES: dict[str, str] = {
    "bert_text_embedder_test::BertTextEmbedderTest.test_mean_pooling_respects_mask": _PRIVATE,
    "roberta_tokenizer_test::RobertaTokenizerTest.test_tokenizer_basics": (
        "`<s>`, `</s>` and `<pad>` in a text become the special tokens there; here text is data, "
        "unless `unsplittable_tokens` names them"
    ),
    "xlm_roberta_text_embedder_test::XLMRobertaTextEmbedderTest.test_mean_pooling_respects_mask": (
        _PRIVATE
    ),
    "xlm_roberta_tokenizer_test::XLMRobertaTokenizerTFTest.test_tokenizer_basics": (
        "gives `_allow_python_workflow`, which chooses between two implementations of Keras Hub's "
        "own; there is one here"
    ),
}
"""The reason by the module and name of the test."""


def page() -> str:
    """Returns the page with the table as it must be."""
    text = PAGE.read_text("utf-8")
    before = text[: text.index(_HEADING)]
    rows = [f"| `{test.replace('::', ' ')}` | {why} |" for test, why in DIFFERENCES.items()]
    return "\n".join([f"{before}{_HEADING}\n", "| test | why |", "|---|---|", *rows, ""])
