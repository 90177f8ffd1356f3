import errno

import pytest

from models.errors import PresetError
from models.hubs import remote
from models.hubs.remote import (
    RemoteFile,
    RemoteUri,
    explained,
    files_of_a_preset,
    is_uri,
    retry_if_lost,
)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("hf://owner/name", {"repository": "owner/name"}),
        ("hf://owner/na.me@refs/pr/1", {"repository": "owner/na.me", "revision": "refs/pr/1"}),
        (
            "kaggle://o/m/keras/v",
            {"owner": "o", "model": "m", "framework": "keras", "variation": "v"},
        ),
        ("gs://bucket/a b/c//", {"bucket": "bucket", "path": "a b/c"}),
    ],
)
def test_a_uri_has_its_parts(uri, parts):
    found = RemoteUri.parse(uri)
    assert found.parts == parts
    assert found.scheme == uri.partition(":")[0]
    assert found.text == uri.rstrip("/")


def test_a_version_of_a_model_at_kaggle_is_a_number():
    assert RemoteUri.parse("kaggle://o/m/keras/v/12").parts["version"] == "12"
    for version in ("0", "x", "1/2"):
        with pytest.raises(PresetError, match=r"is not of the form kaggle://owner/model"):
            RemoteUri.parse(f"kaggle://o/m/keras/v/{version}")


@pytest.mark.parametrize(
    "uri", ["hf://name", "hf://o/n@", "hf://o/../n", "gs://bucket", "gs://b/../c", "gs://b/a\nb"]
)
def test_what_is_of_no_form_is_refused_with_the_form(uri):
    with pytest.raises(PresetError, match="is not of the form"):
        RemoteUri.parse(uri)


@pytest.mark.parametrize("uri", ["s3://bucket/x", "owner/name", "://x"])
def test_another_scheme_is_refused_with_the_choices(uri):
    with pytest.raises(PresetError, match=r"is one of hf://.*, kaggle://.*, gs://bucket/path"):
        RemoteUri.parse(uri)


def test_a_uri_is_told_from_a_name_and_a_folder():
    assert is_uri("hf://owner/name")
    assert not is_uri("bert_tiny_en_uncased")
    assert not is_uri("folder/preset")


URI = RemoteUri.parse("hf://owner/name")


def names(*files):
    return [file.name for file in files_of_a_preset(URI, [RemoteFile(f, 1) for f in files])]


def test_the_files_of_a_preset_are_those_of_the_formats_and_nothing_that_could_run_code():
    kept = ["config.json", "model.safetensors", "modules.json", "vocab.txt"]
    left = ["pytorch_model.bin", "modeling.py", "README.md", "assets/x.pkl", "onnx/model.onnx"]
    assert names(*left, *reversed(kept)) == kept


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a//b", "a/./b", "a\\b", "c:d", "a/%2e%2e/b", "assets/a\nb"]
)
def test_a_file_outside_of_the_folder_is_refused(name):
    with pytest.raises(PresetError, match="is outside its folder"):
        names("config.json", name)


def test_a_folder_without_a_configuration_is_no_preset():
    with pytest.raises(PresetError, match=r"not a preset: it has no config\.json"):
        names("model.safetensors")


def explain(uri, error):
    return uri.unreachable(error)


def test_an_error_of_a_client_is_one_sentence_with_the_way_out():
    reason = "HTTPSConnectionPool(host='x'): Max retries (Caused by: Connection refused by peer)"
    with pytest.raises(PresetError) as caught, explained(URI, explain):
        raise RuntimeError(reason)
    message = str(caught.value)
    assert "cannot be fetched (Connection refused)" in message
    assert "fetch hf://owner/name --output=FOLDER" in message


def test_an_error_of_this_disk_is_not_taken_for_one_of_the_hub():
    with pytest.raises(OSError, match="No space left"), explained(URI, explain):
        raise OSError(errno.ENOSPC, "No space left on device")


class Flaky:
    """Fails so many times before it works."""

    def __init__(self, failures, error):
        self.calls, self.failures, self.error = 0, failures, error

    def __call__(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "done"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0)


def test_a_lost_connection_is_tried_again_but_only_so_often():
    assert retry_if_lost(Flaky(3, ConnectionError()), lambda error: True) == "done"
    work = Flaky(9, ConnectionError("lost"))
    with pytest.raises(ConnectionError):
        retry_if_lost(work, lambda error: True)
    assert work.calls == 4


@pytest.mark.parametrize("error", [ValueError(), OSError(errno.ENOSPC, "full")])
def test_another_error_is_not_tried_again(error):
    work = Flaky(9, error)
    with pytest.raises(type(error)):
        retry_if_lost(work, lambda error: isinstance(error, OSError))
    assert work.calls == 1


SECRET = "s3cretS3cret"


@pytest.mark.parametrize(
    "uri",
    [
        f"hf://ann:{SECRET}@huggingface.co/owner/name",
        f"https://ann:{SECRET}@huggingface.co/owner/name",
        f"gs://bucket/path?X-Goog-Signature={SECRET}",
        f"kaggle://ann:{SECRET}@keras/bert/keras/tiny",
    ],
)
def test_a_uri_with_a_secret_is_refused_without_repeating_it(uri):
    with pytest.raises(PresetError, match=r"\*\*\*.* holds a password, a token or a sig") as caught:
        RemoteUri.parse(uri)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "reason",
    [
        f"Max retries exceeded with url: /a?X-Amz-Signature={SECRET} (connection reset)",
        f"failed to resolve 'http://ann:{SECRET}@proxy'",
        f"403 for Authorization: Bearer {SECRET}",
    ],
)
def test_what_a_client_reports_is_told_without_secrets(reason):
    told = str(RemoteUri.parse("hf://owner/name").unreachable(reason))
    assert "cannot be fetched" in told
    assert SECRET not in told
