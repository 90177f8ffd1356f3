"""The flags of `python -m pipelines.finetune`."""

import argparse

from models.errors import UserError
from pipelines.flags import flag_types, options
from pipelines.flags.message_flags import add_message_flags

_EXAMPLES = """examples:
  python -m pipelines.finetune --preset=sentiment_tiny_en --input=train.tsv --validation=dev.tsv \\
      --text_column=sentence --label_column=label --output=my_preset/
  python -m pipelines.finetune --config=tiny.json --input='mail/*.csv' --output=my_preset/
  python -m pipelines.finetune --teacher=my_preset/ --config=parts.json --input='mail/*.csv' \\
      --output=my_small_preset/

tiny.json: {"family": "bert", "vocabulary_size": 30000, "lowercase": true, "num_layers": 2,
            "num_heads": 2, "hidden_dim": 128, "intermediate_dim": 512,
            "max_sequence_length": 128, "dropout": 0.1}
parts.json: {"preset": "my_preset/", "layers": "first:2", "vocabulary_size": 8000}
"""

LABEL_COLUMN = "label"
"""The column with the labels, unless another is named."""

TEMPERATURE = 1.0
LABEL_WEIGHT = 0.3
"""How a teacher's answers are learned, unless the flags say otherwise."""


def check_no_teacher(args: argparse.Namespace) -> None:
    """Raises `UserError` if a flag needs a teacher, where none is named."""
    for flag in ("temperature", "label_weight"):
        if getattr(args, flag) is not None:
            raise UserError(f"--{flag} says how a --teacher's answers are learned: name one")
    if args.task == "embedding":
        raise UserError(
            "--task=embedding learns a --teacher's vectors: name one, such as "
            "--teacher=all_minilm_l6_v2_en"
        )


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser(
        prog="python -m pipelines.finetune",
        description="Trains a classifier on labelled texts and writes a preset.",
        epilog=_EXAMPLES,
    )
    group = parser.add_argument_group("data")
    group.add_argument(
        "--input",
        action="append",
        type=flag_types.expand_home,
        required=True,
        metavar="PATH",
        help="file, glob or folder with labelled texts; may be given more than once",
    )
    group.add_argument(
        "--validation",
        action="append",
        type=flag_types.expand_home,
        metavar="PATH",
        help="labelled texts to choose the epoch on; default: a share of the input, held out",
    )
    options.add_column_flags(group)
    group.add_argument(
        "--label_column", metavar="NAME", help=f"default: {LABEL_COLUMN}; with --teacher, if any"
    )
    group.add_argument(
        "--label_separator",
        type=flag_types.text,
        metavar="TEXT",
        help="what separates the labels of a text that may have several; a column of lists needs "
        "none",
    )
    group.add_argument(
        "--task",
        choices=("classification", "regression", "embedding"),
        help="regression: the label is a number to predict; embedding: the --teacher's vectors are "
        "learned; default: classification, or what the teacher gives",
    )
    group.add_argument(
        "--label_names",
        type=flag_types.names,
        metavar="A,B",
        help="names for the labels in the data, in sorted order; default: the labels themselves",
    )
    group = parser.add_argument_group("model")
    start = group.add_mutually_exclusive_group(required=True)
    start.add_argument(
        "--preset", type=flag_types.expand_home, help="name or folder of the preset to start from"
    )
    start.add_argument(
        "--config",
        type=flag_types.expand_home,
        metavar="FILE",
        help="JSON file with the shape of a new model, or the parts of a preset to start from",
    )
    group.add_argument(
        "--sequence_length",
        type=flag_types.positive,
        metavar="TOKENS",
        help="longer texts are cut; default: the preset's, or --config's max_sequence_length",
    )
    group.add_argument(
        "--freeze_layers",
        type=flag_types.positive,
        metavar="N",
        help="leave the embeddings and the first N layers as they are",
    )
    group.add_argument(
        "--lora_rank",
        type=flag_types.positive,
        metavar="RANK",
        help="train low-rank matrices of this rank beside the attention's, not all weights",
    )
    options.add_backend_flag(group)
    group = parser.add_argument_group("teacher")
    group.add_argument(
        "--teacher",
        type=flag_types.expand_home,
        metavar="PRESET",
        help="learn what this preset says of the texts: its classes, numbers or vectors",
    )
    group.add_argument(
        "--temperature",
        type=flag_types.above_zero,
        metavar="T",
        help="what the logits of classes are divided by before they are compared; default: "
        f"{TEMPERATURE:g}",
    )
    group.add_argument(
        "--label_weight",
        type=flag_types.probability,
        metavar="WEIGHT",
        help="how much labels count beside the teacher, where rows have some; default: "
        f"{LABEL_WEIGHT}",
    )
    group = parser.add_argument_group("training")
    chosen = "default: by the rows and the size of the model"
    group.add_argument("--epochs", type=flag_types.positive, help=f"at most; {chosen}")
    group.add_argument(
        "--batch_size", type=flag_types.positive, metavar="ROWS", help=f"rows per step; {chosen}"
    )
    group.add_argument(
        "--learning_rate", type=flag_types.fraction, metavar="RATE", help=f"at its peak; {chosen}"
    )
    group.add_argument(
        "--minutes",
        type=flag_types.above_zero,
        metavar="MINUTES",
        help="end the training after this time, with the learning rate at zero by then",
    )
    group.add_argument(
        "--class_weights",
        choices=("auto", "none"),
        default="auto",
        help="auto: where labels are skewed, rows of rare ones count more; default: auto",
    )
    group.add_argument(
        "--token_dropout",
        type=flag_types.share,
        default=0.0,
        metavar="SHARE",
        help="share of the tokens hidden from the model while it learns; default: 0",
    )
    group.add_argument("--seed", type=flag_types.seed, default=0, help="default: 0")
    group.add_argument(
        "--tensorboard",
        type=flag_types.expand_home,
        metavar="FOLDER",
        help="write logs for TensorBoard",
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output",
        type=flag_types.expand_home,
        required=True,
        metavar="FOLDER",
        help="the preset to write",
    )
    group.add_argument(
        "--if_exists",
        choices=("error", "overwrite"),
        default="error",
        help="what to do if the output folder exists; default: error",
    )
    group.add_argument(
        "--weights_dtype",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="what the weights in the preset are rounded to: float16 makes files of less than "
        "half the size, bfloat16 of three eighths; default: float32",
    )
    group.add_argument(
        "--report",
        type=flag_types.expand_home,
        metavar="FILE",
        help="write an HTML page about the training, with texts of the worst mistakes",
    )
    add_message_flags(parser)
    return parser
