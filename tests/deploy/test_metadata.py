"""What the templates say about their parameters, beside the flags that they become."""

import re
import string
import subprocess

import pytest

from deploy.launch import flags_of
from deploy.make_metadata import LEFT_OUT, TEMPLATES, metadata, path_of, text_of
from models.errors import UserError

PARAMETERS = [
    pytest.param(command, parameter, id=f"{command}-{parameter['name']}")
    for command in TEMPLATES
    for parameter in metadata(command)["parameters"]
]
WITH_PATTERN = [each for each in PARAMETERS if "regexes" in each.values[1]]

NUMBERS = ["1", "128", "007", "1_000", "9" * 18, "0", "-1", "1.5", "", "many", "1__0", "_1", "1_"]
# Values of the flags, valid and not, by what reads them; of others all choices are tried.
SAMPLES = {
    "accelerator": ["nvidia-l4", "nvidia-l4:1", "nvidia-l4:2", "l4", "", "nvidia-l4x"],
    **dict.fromkeys(("limit", "sequence_length", "batch_tokens", "top_k", "dimensions"), NUMBERS),
    "threshold": [
        "0",
        "1",
        "0.5",
        ".5",
        "1.0",
        "5e-1",
        "0.",
        "-0.1",
        "1.1",
        "2",
        "",
        "half",
        "1e3",
    ],
    "delimiter": [",", ";", "tab", "\\t", "|", "é", '"', "", ",,", "comma"],
    "quote": [*string.punctuation, "none", "", "a", "7", " ", "''", "é"],
    "encoding": ["utf-8", "cp1252", "ISO-8859-1", "latin 1", "utf_16", "-", " ", ""],
}
# Of these the flags take more: what is on this machine.
REMOTE = {
    "input": {
        True: ["gs://b/a.txt", "gs://b/**/*.jsonl s3://c/", "hf://datasets/o/n/*", "https://h/a"],
        False: ["a.txt", "/data/", "", "b/gs://", "file:///a", "gs:// a"],
    },
    "output": {
        True: ["gs://b/out", "gs://b/out/", "s3://b/with space"],
        False: ["out/", "hf://o/n", "https://h/out", "gs://", "gs:///out", ""],
    },
    "preset": {
        True: ["sentiment_tiny_en", "baked", "gs://b/presets/mine", "hf://o/n@main"],
        False: ["../mine", "/presets/mine", "", "http://h/preset", "my preset"],
    },
}


def is_taken(command: str, name: str, value: str) -> bool:
    """Whether the command takes a value of one of its flags."""
    parser = TEMPLATES[command][0].make_parser()
    try:
        parser.parse_own(flags_of([f"--{name}={value}"], parser))
    except UserError:
        return False
    return True


def samples_of(parameter: dict) -> list[str]:
    if "enumOptions" in parameter:
        choices = [option["value"] for option in parameter["enumOptions"]]
        return [*choices, "", "none of them", choices[0].upper(), f"{choices[0]}x"]
    if parameter["paramType"] == "BOOLEAN":
        return ["true", "false", "True", "False", "", "yes", "1"]
    return SAMPLES[parameter["name"]]


def matches(parameter: dict, value: str) -> bool:
    """Whether a value fits the pattern, read as Python does and as `grep -E`, which must agree."""
    (pattern,) = parameter["regexes"]
    found = re.search(pattern, value) is not None
    done = subprocess.run(["grep", "-qE", pattern], input=f"{value}\n", text=True)
    assert done.returncode == (0 if found else 1), (pattern, value)
    return found


@pytest.mark.parametrize("command", TEMPLATES)
def test_the_files_are_what_the_flags_make(command):
    assert path_of(command).read_text() == text_of(command)


@pytest.mark.parametrize("command", TEMPLATES)
def test_every_flag_is_a_parameter_or_left_out(command):
    names = {parameter["name"] for parameter in metadata(command)["parameters"]}
    flags = {flag.removeprefix("--") for flag in TEMPLATES[command][0].make_parser().flags()}
    assert flags - names == (LEFT_OUT | ({"no_normalize"} if command == "embed" else set()))
    assert names <= flags


@pytest.mark.parametrize(("command", "parameter"), PARAMETERS)
def test_a_parameter_says_in_a_sentence_what_it_is_for(command, parameter):
    assert {"name", "label", "helpText", "isOptional", "groupName"} <= set(parameter)
    assert parameter["helpText"].endswith(".")
    assert "\n" not in parameter["helpText"]
    if parameter.get("defaultValue"):
        assert is_taken(command, parameter["name"], parameter["defaultValue"])
        assert parameter["isOptional"]


@pytest.mark.parametrize(
    ("command", "parameter"),
    [each for each in WITH_PATTERN if each.values[1]["name"] not in REMOTE],
)
def test_a_pattern_takes_what_the_flag_takes_and_nothing_else(command, parameter):
    samples = samples_of(parameter)
    taken = [value for value in samples if is_taken(command, parameter["name"], value)]
    fitting = [value for value in samples if matches(parameter, value)]
    if parameter["name"] == "encoding":  # which of them there are, the command knows
        assert set(taken) <= set(fitting)
    else:
        assert fitting == taken
    assert 0 < len(fitting) < len(samples)


@pytest.mark.parametrize(
    ("command", "parameter"),
    [each for each in WITH_PATTERN if each.values[1]["name"] in REMOTE],
)
def test_a_pattern_takes_what_other_machines_reach(command, parameter):
    for fits, values in REMOTE[parameter["name"]].items():
        assert [value for value in values if matches(parameter, value) != fits] == []
        if fits:
            assert all(is_taken(command, parameter["name"], value) for value in values)
