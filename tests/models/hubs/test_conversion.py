"""Repositories whose weights are not in safetensors."""

import shlex

import pytest

from models.errors import PresetError
from models.hubs import store
from models.hubs.remote import RemoteFile, RemoteUri, files_of_a_preset, unread_weights
from tests.models.hubs.fetching import FILES, HF, contents
from tests.models.hubs.hub_servers import COMMIT, HuggingFaceServer, PullRequest

SAFETENSORS = {"model.safetensors": FILES["model.safetensors"]}
OTHERS = {name: content for name, content in FILES.items() if name not in SAFETENSORS}
PICKLE = {"pytorch_model.bin": b"pickle"}
KNOWN, UNKNOWN = "convert them", "convert them (a classifier as AutoModelForSequenceClassification)"
TENSORFLOW = {"tf_model.h5": b"\x89HDF"}


@pytest.fixture
def hub(monkeypatch):
    server = HuggingFaceServer(OTHERS | PICKLE)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.stop()


@pytest.mark.parametrize("revision", ["", "@main"])
def test_what_the_bot_converted_is_taken_and_named_as_the_source(hub, revision):
    hub.pull_requests = [
        PullRequest({}, title="Update README.md", author="someone"),
        PullRequest(SAFETENSORS),
    ]
    assert contents(store.fetch(f"{HF}{revision}")) == FILES
    assert store.source(f"{HF}{revision}") == f"{HF}@{hub.commit_of(2)}"


def test_shards_that_the_bot_converted_are_taken(hub):
    shards = {
        "model-00001-of-00002.safetensors": b"1",
        "model-00002-of-00002.safetensors": b"2",
        "model.safetensors.index.json": b"{}",
    }
    hub.files["pytorch_model.bin.index.json"] = b"{}"
    del hub.files["pytorch_model.bin"]
    hub.pull_requests = [PullRequest(shards)]
    assert contents(store.fetch(HF)) == OTHERS | shards


@pytest.mark.parametrize(
    "offered",
    [
        {"author": "someone"},
        {"title": "Better weights"},
        {"status": "closed"},
        {"parent": COMMIT[::-1]},
        {"files": {"README.md": b"# tiny"}},
    ],
    ids=lambda offered: next(iter(offered)),
)
def test_what_anyone_else_offers_is_not_taken(hub, offered):
    hub.pull_requests = [PullRequest(**{"files": SAFETENSORS, **offered})]
    with pytest.raises(PresetError, match=r"its weights are only in pytorch_model\.bin, a pickle"):
        store.fetch(HF)
    assert hub.fetched == []


def test_safetensors_that_are_not_the_models_do_not_count(hub):
    hub.files |= {"model.fp16.safetensors": b"1", "onnx/model.safetensors": b"2"}
    with pytest.raises(PresetError, match="a pickle, which can run code, and not read; `pip"):
        store.fetch(HF)
    hub.pull_requests = [PullRequest(SAFETENSORS)]
    assert contents(store.fetch(HF)) == FILES


def test_a_revision_that_is_named_is_taken_as_it_is(hub):
    hub.pull_requests = [PullRequest(SAFETENSORS)]
    with pytest.raises(PresetError, match="a pickle, which can run code, and not read"):
        store.fetch(f"{HF}@{COMMIT}")


def test_the_main_branchs_own_safetensors_are_taken_without_asking(hub):
    hub.files |= SAFETENSORS
    hub.pull_requests = [PullRequest({"model.safetensors": b"others"})]
    assert contents(store.fetch(HF)) == FILES
    assert store.source(HF) == f"{HF}@{COMMIT}"


def test_weights_of_tensorflow_are_taken_where_there_are_no_others(hub):
    hub.has_discussions = False
    hub.files |= TENSORFLOW
    assert contents(store.fetch(HF)) == OTHERS | TENSORFLOW


def test_weights_of_tensorflow_are_left_where_there_are_safetensors(hub):
    hub.files |= TENSORFLOW
    hub.pull_requests = [PullRequest(SAFETENSORS)]
    assert contents(store.fetch(HF)) == FILES


@pytest.mark.parametrize(
    ("architectures", "kind"),
    [
        ([], "AutoModel"),
        (["BertForMaskedLM"], "AutoModel"),
        (["BertForSequenceClassification"], "AutoModelForSequenceClassification"),
    ],
    ids=["unknown", "backbone", "classifier"],
)
def test_the_refusal_names_the_command_that_converts(hub, architectures, kind):
    hub.architectures = architectures
    with pytest.raises(PresetError) as caught:
        store.fetch(HF)
    before, _, command = str(caught.value).partition(": python ")
    assert before.endswith(KNOWN if architectures else UNKNOWN)
    assert shlex.split(command.partition("; then")[0]) == [
        "-c",
        f"from transformers import {kind}, AutoTokenizer; "
        f'{kind}.from_pretrained("textbeam/tiny").save_pretrained("FOLDER"); '
        'AutoTokenizer.from_pretrained("textbeam/tiny").save_pretrained("FOLDER")',
    ]
    assert str(caught.value).endswith("; then give FOLDER as the preset")


def test_the_refusal_of_a_sentence_transformer_names_its_package(hub):
    hub.files["modules.json"] = b"[]"
    with pytest.raises(PresetError, match=r'SentenceTransformer\("textbeam/tiny"\)\.save\("FOLD'):
        store.fetch(HF)


@pytest.mark.parametrize(
    ("unread", "weights"),
    [
        (
            ["0_Transformer/pytorch_model.bin"],
            ["0_Transformer/config.json", "pytorch_model.bin", "model.safetensors"],
        ),
        (["2_Dense/pytorch_model.bin"], ["2_Dense/config.json", "model.safetensors"]),
        (["pytorch_model.bin"], ["2_Dense/config.json", "2_Dense/model.safetensors"]),
        (["pytorch_model.bin"], ["onnx/model.safetensors"]),
        ([], ["0_Transformer/config.json", "0_Transformer/model.safetensors", "pytorch_model.bin"]),
        ([], ["model.safetensors", "openvino/pytorch_model.bin"]),
    ],
    ids=["nested", "dense", "root", "other_folder", "nested_safe", "safe"],
)
def test_weights_of_every_module_count(unread, weights):
    files = [RemoteFile(f, 1) for f in ("modules.json", "config.json", *weights, *unread)]
    assert unread_weights(file.name for file in files) == unread
    if unread:
        with pytest.raises(PresetError, match=f"only in {unread[0]}, a pickle"):
            files_of_a_preset(RemoteUri.parse(HF), files)


def test_weights_of_tensorflow_are_left_or_taken_in_the_folder_of_the_transformer():
    folder = "0_Transformer"
    names = ["modules.json", f"{folder}/config.json", f"{folder}/tf_model.h5"]
    remote = RemoteUri.parse(HF)

    def chosen(*others):
        files = files_of_a_preset(remote, [RemoteFile(name, 1) for name in (*names, *others)])
        return {file.name for file in files}

    assert chosen(f"{folder}/pytorch_model.bin") == set(names)
    safe = f"{folder}/model.safetensors"
    assert chosen(safe) == {*names, safe} - {names[-1]}


def test_weights_of_flax_need_another_version_of_transformers(hub):
    del hub.files["pytorch_model.bin"]
    hub.files["flax_model.msgpack"] = b"x"
    with pytest.raises(PresetError, match=r"transformers<5.*\"textbeam/tiny\", from_flax=True\)"):
        store.fetch(HF)


def test_other_places_say_what_to_convert():
    files = [RemoteFile("config.json", 1), RemoteFile("pytorch_model.bin", 1)]
    with pytest.raises(PresetError, match=r"not read; convert them to model\.safetensors and put"):
        files_of_a_preset(RemoteUri.parse("gs://bucket/folder"), files)
