"""Texts of AG News tokenized per CPU-second, by us and by `tokenizers`, alternating.

    python -m benchmarks.tokenizers

The vocabularies are trained on the corpus itself: at most 30,000 WordPiece tokens, 50,000 byte
pairs and 32,000 SentencePiece pieces. Both sides give flat ids and row splits in NumPy. Each pass
starts with a new tokenizer on our side; that of `tokenizers` has seen the words before, and
remembers the first of them.
"""

import io
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measuring import median, news_lines

if TYPE_CHECKING:
    import tokenizers

TEXTS_A_BATCH = 512
"""As many as the pipelines give to one thread at a time."""
REPEATS = 7

Encode = Callable[[Sequence[str]], object]
Make = Callable[[], Encode]


def main() -> None:
    """Prints texts a second of both, and the median ratio, for each family."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from models.inference import runtime

    runtime.start(streams=True)
    lines = news_lines()
    for family, pair in (("BERT", bert), ("RoBERTa", roberta), ("XLM-R", xlm_roberta)):
        compare(family, lines, *pair(lines))


def compare(family: str, lines: list[str], make: Make, theirs: Encode) -> None:
    """Prints the medians of alternating passes over the corpus, after one that is not counted."""
    speeds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for repeat in range(REPEATS + 1):
        ours = make()
        ours(["start"])
        for name, encode in (("ours", ours), ("theirs", theirs)):
            began = time.process_time()
            for start in range(0, len(lines), TEXTS_A_BATCH):
                encode(lines[start : start + TEXTS_A_BATCH])
            if repeat:
                speeds[name].append(len(lines) / (time.process_time() - began))
    ratio = median([a / b for a, b in zip(speeds["ours"], speeds["theirs"], strict=True)])
    print(
        f"{family:8} {median(speeds['ours']):9,.0f} texts/s, "
        f"tokenizers {median(speeds['theirs']):8,.0f}, ratio {ratio:.1f}",
        flush=True,
    )


def encoder(tokenizer: "tokenizers.Tokenizer") -> Encode:
    """Returns a function that tokenizes a batch in the fastest way that `tokenizers` has."""

    def encode(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        rows = [
            np.array(encoding.ids, np.int32)
            for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]
        return np.concatenate(rows), np.cumsum([0, *map(len, rows)])

    return encode


def bert(lines: list[str]) -> tuple[Make, Encode]:
    """Returns a function that makes our uncased BERT tokenizer, and theirs."""
    from tokenizers import BertWordPieceTokenizer

    from models import BertTokenizer
    from models.tokenizers.vocabulary import train_wordpiece

    vocabulary = train_wordpiece(lines, 30_000, lowercase=True)
    theirs = BertWordPieceTokenizer({token: i for i, token in enumerate(vocabulary)})
    return lambda: BertTokenizer(vocabulary, lowercase=True).encode, encoder(theirs._tokenizer)


def roberta(lines: list[str]) -> tuple[Make, Encode]:
    """Returns a function that makes our RoBERTa tokenizer, and theirs."""
    from tokenizers import ByteLevelBPETokenizer

    from models.tokenizers.byte_pair import BytePairTokenizer

    trainer = ByteLevelBPETokenizer()
    special = list(BytePairTokenizer.special_tokens)
    trainer.train_from_iterator(lines, 50_000, special_tokens=special, show_progress=False)
    model = json.loads(trainer.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    theirs = ByteLevelBPETokenizer(model["vocab"], merges)
    ours = model["vocab"], [" ".join(pair) for pair in merges]
    return lambda: BytePairTokenizer(*ours).encode, encoder(theirs._tokenizer)


def xlm_roberta(lines: list[str]) -> tuple[Make, Encode]:
    """Returns a function that makes our XLM-R tokenizer, and theirs."""
    import sentencepiece
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    from models.tokenizers.sentence_piece import SentencePieceTokenizer
    from tests.models.tokenizers import spm

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=32_000,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    proto = model.getvalue()
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    size = processor.vocab_size()
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(size)]
    theirs = Tokenizer(models.Unigram(pieces, processor.unk_id()))
    theirs.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(spm.normalization(proto)),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    theirs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    return lambda: SentencePieceTokenizer(proto).encode, encoder(theirs)


if __name__ == "__main__":
    main()
