"""Beam's own way to classify texts: ReadFromText, a Hugging Face pipeline, WriteToParquet.

    python beam_huggingface.py MODEL_FOLDER INPUT OUTPUT
    python beam_huggingface.py --make MODEL_FOLDER TEXTS

Runs in an environment of its own (requirements.txt beside it), since Beam's handler cannot be
imported with a current transformers.
"""

import sys

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.inference.base import PredictionResult, RunInference
from apache_beam.ml.inference.huggingface_inference import HuggingFacePipelineModelHandler
from apache_beam.options.pipeline_options import PipelineOptions

SCHEMA = pa.schema([("text", pa.string()), ("label", pa.string()), ("score", pa.float32())])


def main(model: str, corpus: str, output: str) -> None:
    """Labels every line of a text file."""
    handler = HuggingFacePipelineModelHandler(
        task="text-classification",
        model=model,
        device="CPU",
        load_pipeline_args={"tokenizer": model},
        inference_args={"truncation": True},
    )
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        (
            pipeline
            | beam.io.ReadFromText(corpus)
            | RunInference(handler)
            | beam.Map(as_row)
            | beam.io.WriteToParquet(f"{output}/part", SCHEMA)
        )


def as_row(result: PredictionResult) -> dict[str, object]:
    """Returns a row of the output."""
    best = result.inference
    return {"text": result.example, "label": best["label"], "score": best["score"]}


def make_model(folder: str, texts: str) -> None:
    """Writes a random BERT of 2 layers of 128, with a vocabulary of 30,000 from the texts."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    trainer = BertWordPieceTokenizer(lowercase=True)
    trainer.train([texts], vocab_size=30_000, show_progress=False)
    (vocabulary,) = trainer.save_model(folder)
    BertTokenizerFast(vocabulary).save_pretrained(folder)
    config = BertConfig(
        vocab_size=trainer.get_vocab_size(),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
    )
    BertForSequenceClassification(config).save_pretrained(folder)


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make_model(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
