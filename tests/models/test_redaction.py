import time

import pytest

from models.redaction import has_secret, redacted

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
SECRETS = {
    "s3://ann:s3cret@bucket/in.csv": "s3://***@bucket/in.csv",
    "s3://AKIA1:ab/s3cret+e@bucket/x y": "s3://***@bucket/x y",
    "http://ann:p@s3cret@host:80/x": "http://***@host:80/x",
    "https://s3cret@github.com/x": "https://***@github.com/x",
    "hf://ann:s3cret@huggingface.co/x": "hf://***@huggingface.co/x",
    "'https://a:s3cret@h1/a', 'https://b:s3cret@h2'": "'https://***@h1/a', 'https://***@h2'",
    f"hf_{TOKEN}": "***",
    f"a token (ghp_{TOKEN}) there": "a token (***) there",
    f"github_pat_{TOKEN}_1": "***",
    f"KGAT_{TOKEN}": "***",
    "eyJhbGciOiJI.eyJzdWIiOiIx.s3cret": "***",
    "Authorization: Bearer s3cret": "Authorization: Bearer ***",
    "{'Authorization': 'Basic s3cret', 'a': 1}": "{'Authorization': 'Basic ***', 'a': 1}",
    "authorization: s3cret": "authorization: ***",
    "bearer abcs3cret9": "bearer ***",
    "/a?X-Amz-Signature=s3cret&x=1": "/a?X-Amz-Signature=***&x=1",
    "/a?X-Goog-Credential=s3cret&X-Goog-Signature=s3cret'": (
        "/a?X-Goog-Credential=***&X-Goog-Signature=***'"
    ),
    "https://x/?sv=1&sig=s3cret%3D": "https://x/?sv=1&sig=***",
    "https://x/?key=s3cret": "https://x/?key=***",
    "x?token=s3cret": "x?token=***",
    "--access_token=s3cret": "--access_token=***",
    "HF_TOKEN=s3cret KAGGLE_KEY=s3cret": "HF_TOKEN=*** KAGGLE_KEY=***",
    '{"username":"ann","key":"0123456789abcdef0123456789abcdef"}': '{"username":"ann","key":"***"}',
    '{"password": "s3cret"}': '{"password": "***"}',
}
INNOCENT = [
    *("hf://owner/name@main", "https://host:8080/p@x", "https://x/a?email=a@b.c", "gs://b/x@y"),
    *("pad_token='[PAD]'", "unk_token=[UNK]", "--batch_tokens=0 token: x", "KeyError: 'x'"),
    *("a text with token = 3", "no column 'key'; has 'token'", "s3://b/key=en/sig=1/token=2/a.csv"),
    *("the bearer certificates", "hf_classifiers/tiny", "sort_keys=True", "{'key': 'value'}"),
    "kaggle://keras/bert/keras/tiny/3",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_left_out_and_the_rest_stays(text):
    assert redacted(text) == SECRETS[text]
    assert redacted(redacted(text)) == SECRETS[text]
    assert has_secret(text)


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text
    assert not has_secret(text)


@pytest.mark.parametrize("name", ["HF_TOKEN", "KAGGLE_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_a_secret_of_the_environment_is_left_out_wherever_it_is(name, monkeypatch):
    monkeypatch.setenv(name, "0123abcd4567")
    assert redacted("GET /a/0123abcd4567/b failed") == "GET /a/***/b failed"
    monkeypatch.setenv(name, "short")
    assert redacted("a short text") == "a short text"


@pytest.mark.parametrize("part", ["://a:b", "x=", "'key' : ", "://", "eyJ" + "a" * 20 + "."])
def test_a_text_of_megabytes_takes_no_time(part):
    began = time.monotonic()
    found = redacted("start " + part * (4_000_000 // len(part)) + " end")
    assert time.monotonic() - began < 2
    assert found.startswith("start ")
    assert found.endswith(" end")
