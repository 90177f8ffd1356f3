"""What a mistyped flag probably stands for, or one that has another name in other programs."""

import difflib
from collections.abc import Iterable, Sequence

# What other programs call what we have, without the dashes, in order of preference: a command
# suggests those of its own flags that are here.
_ELSEWHERE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("model", "model_name", "model_path", "model_id", "model_name_or_path", "m"),
            *("checkpoint", "pretrained", "pretrained_model", "from_preset", "weights"),
        ),
        ("--preset",),
    ),
    **dict.fromkeys(
        (
            *("output_dir", "output_path", "output_folder", "output_file", "out", "out_dir", "o"),
            *("out_file", "out_path", "outdir", "outfile", "outpath", "save_dir", "save_path"),
            *("dest", "destination", "result", "results", "result_file"),
        ),
        ("--output",),
    ),
    **dict.fromkeys(
        (
            *("file", "files", "path", "data", "dataset", "data_dir", "data_files", "corpus"),
            *("input_file", "input_files", "input_path", "input_dir", "train_file", "train", "i"),
        ),
        ("--input",),
    ),
    **dict.fromkeys(
        ("validation_file", "eval_file", "eval_data", "dev", "dev_file", "test", "test_file"),
        ("--validation",),
    ),
    **dict.fromkeys(
        ("text", "column", "text_field", "text_key", "input_column", "content_column", "field"),
        ("--text_column",),
    ),
    **dict.fromkeys(
        ("text_pair", "text2", "pair_column", "second_column", "text_b"), ("--text_pair_column",)
    ),
    **dict.fromkeys(
        ("label", "label_col", "target", "target_column", "labels_column"), ("--label_column",)
    ),
    **dict.fromkeys(("labels", "class_names", "id2label"), ("--label_names",)),
    **dict.fromkeys(
        (
            *("max_length", "max_len", "max_seq_length", "max_seq_len", "max_tokens", "maxlen"),
            *("sequence_len", "seq_length", "seq_len", "truncation", "model_max_length"),
        ),
        ("--sequence_length",),
    ),
    **dict.fromkeys(("batch", "batchsize", "bs", "train_batch_size"), ("--batch_size",)),
    **dict.fromkeys(
        ("batch_size", "per_device_eval_batch_size", "eval_batch_size"), ("--batch_tokens",)
    ),
    "per_device_train_batch_size": ("--batch_size",),
    **dict.fromkeys(("num_epochs", "num_train_epochs", "n_epochs", "max_epochs"), ("--epochs",)),
    **dict.fromkeys(("lr", "lr_rate", "rate"), ("--learning_rate",)),
    **dict.fromkeys(("timeout", "max_time", "time_limit"), ("--minutes",)),
    **dict.fromkeys(("lora", "lora_r", "peft", "r"), ("--lora_rank",)),
    **dict.fromkeys(("freeze", "frozen_layers", "num_frozen_layers"), ("--freeze_layers",)),
    **dict.fromkeys(("pooling_mode", "pooling_type", "pool"), ("--pooling",)),
    **dict.fromkeys(("normalize_embeddings", "l2_normalize", "norm"), ("--normalize",)),
    **dict.fromkeys(
        ("dim", "dims", "dimension", "truncate_dim", "embedding_dim"), ("--dimensions",)
    ),
    **dict.fromkeys(("prompt_name", "instruction", "query_prompt"), ("--prompt", "--prefix")),
    **dict.fromkeys(
        ("return_all_scores", "all_scores", "proba", "probs", "scores"), ("--probabilities",)
    ),
    **dict.fromkeys(("topk", "k", "num_labels", "n_best"), ("--top_k",)),
    **dict.fromkeys(("cutoff", "min_score"), ("--threshold",)),
    "fp16": ("--precision=float16",),
    "half": ("--precision=float16",),
    "bf16": ("--precision=bfloat16",),
    **dict.fromkeys(("int8", "quantize", "load_in_8bit"), ("--precision=int8",)),
    **dict.fromkeys(("dtype", "torch_dtype", "data_type"), ("--precision", "--weights_dtype")),
    **dict.fromkeys(("device", "framework", "engine"), ("--backend",)),
    **dict.fromkeys(("gpu", "gpus", "num_gpus", "cuda"), ("--accelerator", "--backend")),
    **dict.fromkeys(("format", "out_format", "to"), ("--output_format",)),
    **dict.fromkeys(("file_format", "from", "input_type"), ("--input_format",)),
    **dict.fromkeys(("sep", "separator", "field_separator", "d"), ("--delimiter",)),
    **dict.fromkeys(("quotechar", "quote_char"), ("--quote",)),
    **dict.fromkeys(("charset", "codec"), ("--encoding",)),
    **dict.fromkeys(
        ("overwrite", "force", "overwrite_output_dir", "replace", "f"), ("--if_exists=overwrite",)
    ),
    "append": ("--if_exists=append",),
    **dict.fromkeys(
        ("resume", "update", "incremental", "resume_from_checkpoint"), ("--if_exists=update",)
    ),
    **dict.fromkeys(
        ("max_rows", "num_rows", "nrows", "max_samples", "head", "sample", "first", "n"),
        ("--limit",),
    ),
    **dict.fromkeys(("dry_run", "estimate", "explain", "cost"), ("--plan",)),
    **dict.fromkeys(("max_errors", "max_bad_records", "error_limit"), ("--max_rejected",)),
    **dict.fromkeys(("silent", "q", "no_progress", "disable_tqdm"), ("--quiet",)),
    **dict.fromkeys(("log", "logging", "log_type", "logging_format"), ("--log_format",)),
    **dict.fromkeys(("summary", "metrics_file", "stats", "summary_file"), ("--summary_json",)),
    **dict.fromkeys(("random_seed", "random_state"), ("--seed",)),
    **dict.fromkeys(("logging_dir", "log_dir", "logdir"), ("--tensorboard",)),
    **dict.fromkeys(("fix", "clean"), ("--repair",)),
    **dict.fromkeys(("follow", "watch"), ("--wait",)),
    **dict.fromkeys(("stop", "kill", "drain"), ("--cancel",)),
    "jsonl": ("--output_format=jsonl", "--input_format=jsonl"),
    "csv": ("--output_format=csv", "--input_format=csv"),
    "parquet": ("--output_format=parquet", "--input_format=parquet"),
    # Of these there is nothing, though flags of ours that do something else look like them.
    **dict.fromkeys(
        (
            *("progress", "show_progress", "progress_bar", "show_progress_bar", "version"),
            *("threads", "num_threads", "nprocs", "jobs", "n_jobs", "port", "host", "lang"),
            *("header", "no_header", "compression", "cache_dir", "token", "hf_token", "api_key"),
            *("revision", "trust_remote_code", "tokenizer", "max_steps", "num_steps", "do_train"),
            *("weight_decay", "warmup_steps", "class_weight", "class_weights", "sample_weight"),
        ),
        (),
    ),
    **dict.fromkeys(("select", "keep", "usecols", "fields"), ("--columns",)),
}

# How alike names must be, of 1; what is nearer to one of Beam's than to ours is so clearly. Those
# of other programs are too many for a guess: no more than a letter may be wrong.
_ALIKE, _CLEARLY, _NEARLY_THE_SAME = 0.7, 0.1, 0.85

# Names so short are like too many others.
_SHORT = 3


def suggested(flag: str, ours: Sequence[str], beams: Iterable[str] = ()) -> str | None:
    """Returns the flag that an unknown one probably stands for, with a value if that says it all.

    Args:
        flag: What was given, without its value.
        ours: The flags of the command, and those with a few choices with each of them, too.
        beams: Those of Beam that it takes, too.
    """
    name = flag.lstrip("-").replace("-", "_").lower()
    if f"--{name}" in ours:
        return f"--{name}"
    if name in _ELSEWHERE and f"--{name}s" not in ours:
        return next((other for other in _ELSEWHERE[name] if other in ours), None)
    own_score, own = _most_alike(name, [each for each in ours if "=" not in each])
    beam_score, beam = _most_alike(name, beams)
    if own_score >= _ALIKE and own_score + _CLEARLY >= beam_score:
        return own
    if beam_score >= _ALIKE:
        return beam
    score, known = _most_alike(name, [known for known in _ELSEWHERE if len(known) > _SHORT])
    alike = _ELSEWHERE[known] if known and score >= _NEARLY_THE_SAME else ()
    return next((like for like in alike if like in ours), None)


def _most_alike(name: str, flags: Iterable[str]) -> tuple[float, str | None]:
    """Returns how alike the flag is that is most alike, and which it is."""
    matcher = difflib.SequenceMatcher(b=name)
    best: tuple[float, str | None] = (0.0, None)
    for flag in flags:
        matcher.set_seq1(flag.lstrip("-"))
        if matcher.real_quick_ratio() > best[0] and (score := matcher.ratio()) > best[0]:
            best = score, flag
    return best
