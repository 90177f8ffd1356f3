import pytest

from pipelines import classify, embed, finetune, verify
from pipelines.flags.suggestions import _ELSEWHERE, suggested

BEAMS = ("--runner", "--region", "--zone", "--worker_zone", "--temp_location", "--num_workers")


@pytest.mark.parametrize(
    ("command", "given", "meant"),
    [
        (classify, "--model", "--preset"),
        (classify, "--model_name_or_path", "--preset"),
        (classify, "--modl", "--preset"),
        (classify, "--output_dir", "--output"),
        (classify, "-o", "--output"),
        (classify, "--file", "--input"),
        (classify, "--text", "--text_column"),
        (classify, "--text-column", "--text_column"),
        (classify, "--TEXT_COLUMN", "--text_column"),
        (classify, "--max_length", "--sequence_length"),
        (classify, "--batch_size", "--batch_tokens"),
        (classify, "--device", "--backend"),
        (classify, "--fp16", "--precision=float16"),
        (classify, "--overwrite", "--if_exists=overwrite"),
        (classify, "--resume", "--if_exists=update"),
        (classify, "-q", "--quiet"),
        (classify, "--top_kk", "--top_k"),
        (classify, "--runer", "--runner"),
        (classify, "--temp_loc", "--temp_location"),
        (classify, "--zones", "--zone"),
        (classify, "--learning_rat", None),
        (classify, "--outfile", "--output"),
        (classify, "--out-file", "--output"),
        (classify, "--results", "--output"),
        (classify, "--csv", "--output_format=csv"),
        (classify, "--threads", None),
        (classify, "--header", None),
        (classify, "--hf_token", None),
        (classify, "--revision", None),
        (classify, "--compression", None),
        (classify, "--show_progress_bar", None),
        (classify, "--label_col", None),
        (embed, "--class_weights", None),
        (finetune, "--class_weight", "--class_weights"),
        (finetune, "--label_col", "--label_column"),
        (finetune, "--weight_decay", None),
        (classify, "--zzzzzz", None),
        (embed, "--normalize_embeddings", "--normalize"),
        (embed, "--prompt_name", "--prompt"),
        (embed, "--truncate_dim", "--dimensions"),
        (finetune, "--lr", "--learning_rate"),
        (finetune, "--per_device_train_batch_size", "--batch_size"),
        (finetune, "--num_train_epochs", "--epochs"),
        (finetune, "--train_file", "--input"),
        (finetune, "--resume", None),  # its --if_exists has no update
        (finetune, "--overwrite", "--if_exists=overwrite"),
        (verify, "--model", None),
        (verify, "--fix", "--repair"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_flag_of_another_program_or_with_a_slip_leads_to_ours(command, given, meant):
    parser = command.make_parser()
    beams = BEAMS if command in (classify, embed) else ()
    assert suggested(given, parser.spellings(), beams) == meant


def test_what_other_programs_say_leads_to_flags_that_there_are():
    ours = {flag for command in (classify, embed, finetune, verify) for flag in _flags(command)}
    ours |= {"--wait", "--cancel"}
    for name, meant in _ELSEWHERE.items():
        assert set(meant) <= ours, name
        assert f"--{name}" not in meant


def _flags(command):
    return command.make_parser().spellings()
