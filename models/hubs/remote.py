"""Remote presets: the URIs that name them, and which of their files are needed."""

import contextlib
import errno
import fnmatch
import json
import re
import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from models.errors import PresetError
from models.redaction import has_secret, redacted

# The files of the two preset formats, without any that could run code, such as pickles.
_MODEL_FILES = (
    *("config.json", "model.safetensors", "model-*.safetensors", "model.safetensors.index.json"),
    *("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("sentence_*_config.json", "tf_model.h5"),
)
_WANTED = (
    *_MODEL_FILES,
    *("preprocessor.json", "task.json", "metadata.json", "labels.json", "assets/*"),
    *("model.weights.h5", "task.weights.h5", "model_[0-9]*.weights.h5", "model.weights.json"),
    *("modules.json", "config_sentence_transformers.json"),
    # The modules of sentence-transformers, such as 0_Transformer and 2_Dense.
    *(f"[0-9]_*/{file}" for file in _MODEL_FILES),
)
_DESCRIPTIONS = ("config.json", "modules.json")
# Another copy of the weights, fetched only where it is the only one that can be read.
_SECOND_CHOICE = "tf_model.h5"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "*.weights.h5")
_REFUSED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.py", "*.pyc", "*.so")

_FLAX = "flax_model.msgpack"
_AUTO_MODEL, _AUTO_CLASSIFIER = "AutoModel", "AutoModelForSequenceClassification"
_PICKLE = "a pickle, which can run code"
UNREAD_WEIGHTS = {
    **dict.fromkeys(("pytorch_model.bin", "pytorch_model.bin.index.json"), _PICKLE),
    _FLAX: "of Flax",
    **dict.fromkeys(("model.pt", "model.bin"), _PICKLE),
}
"""Files with weights that are not read, and what each is."""

_T = TypeVar("_T")

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"


@dataclass(frozen=True)
class Scheme:
    """A kind of URI.

    Attributes:
        form: How it is written, for messages.
        pattern: What it looks like after `scheme://`, with its parts in named groups.
    """

    form: str
    pattern: re.Pattern[str]


SCHEMES = {
    "hf": Scheme(
        "hf://owner/name[@revision]",
        re.compile(rf"(?P<repository>{_NAME}/{_NAME})(?:@(?P<revision>{_NAME}(?:/{_NAME})*))?"),
    ),
    "kaggle": Scheme(
        "kaggle://owner/model/framework/variation[/version]",
        re.compile(
            rf"(?P<owner>{_NAME})/(?P<model>{_NAME})/(?P<framework>{_NAME})/(?P<variation>{_NAME})"
            r"(?:/(?P<version>[1-9][0-9]{0,8}))?"
        ),
    ),
    "gs": Scheme(
        "gs://bucket/path",
        re.compile(r"(?P<bucket>[a-z0-9][a-z0-9._-]*)/(?P<path>[^/\s][^\r\n]*?)/*"),
    ),
}
"""Where presets can be fetched from."""


@dataclass(frozen=True)
class RemoteUri:
    """A checked URI of a preset.

    Attributes:
        text: The URI, without trailing slashes.
        scheme: A key of `SCHEMES`.
        parts: The named parts of its form, except those left out of the URI.
    """

    text: str
    scheme: str
    parts: dict[str, str] = field(compare=False)

    @classmethod
    def parse(cls, uri: str) -> "RemoteUri":
        """Parses a URI; raises a `PresetError` that shows the right form.

        Results and caches name the URI, so it must not hold a password or the like.
        """
        if has_secret(uri):
            raise PresetError(
                f"preset {redacted(uri)!r} holds a password, a token or a signature, which every "
                "result would name: leave it out, and let the environment give access (HF_TOKEN, "
                "KAGGLE_API_TOKEN, GOOGLE_APPLICATION_CREDENTIALS)"
            )
        name, separator, rest = uri.partition("://")
        scheme = SCHEMES.get(name)
        if scheme is None or not separator:
            forms = ", ".join(scheme.form for scheme in SCHEMES.values())
            raise PresetError(f"preset {uri!r}: a remote preset is one of {forms}")
        match = scheme.pattern.fullmatch(rest)
        if match is None or ".." in rest.split("/"):
            raise PresetError(f"preset {uri!r} is not of the form {scheme.form}")
        parts = {name: value for name, value in match.groupdict().items() if value is not None}
        return cls(uri.rstrip("/"), name, parts)

    def error(self, problem: str) -> PresetError:
        """Returns an error that names the preset."""
        return PresetError(f"preset {self.text!r}: {problem}")

    def unreachable(self, reason: object) -> PresetError:
        """Returns the error for a hub that does not answer, which says what to do about it."""
        return self.error(
            f"cannot be fetched ({_in_short(str(reason))}); on a machine with network access, "
            f"python -m pipelines.presets fetch {self.text} --output=FOLDER "
            "makes a folder that can be used as the preset"
        )


# What a person wants to know about a failed connection, among all that the clients report.
_ESSENCE = re.compile(
    r"failed to resolve '[^']*'|name or service not known|connection refused|timed out"
    r"|certificate verify failed[^()]*",
    re.IGNORECASE,
)
_MAX_CHARACTERS = 300


def _in_short(reason: str) -> str:
    reason = redacted(reason)
    if essence := _ESSENCE.search(reason):
        return essence[0].strip()
    text = " ".join(reason.split())
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def is_uri(preset: object) -> bool:
    """Returns whether a preset is given as a URI, not as a name or a folder."""
    return isinstance(preset, str) and "://" in preset


@dataclass(frozen=True)
class RemoteFile:
    """A file of a remote preset.

    Attributes:
        name: Its path within the preset, with slashes.
        size: Its size in bytes, as the hub lists it.
        digest: Kind and value of its checksum, such as `("sha256", "0fe1…")`; `None` if the hub
            does not list it and only the client checks what arrives. The kinds are those of
            `models.hubs.checksums`.
    """

    name: str
    size: int
    digest: tuple[str, str] | None = None


class Snapshot(ABC):
    """A remote preset at one moment.

    Attributes:
        source: Its URI with the revision that was found.
        files: All of its files.
        advice: What to do where its weights are in a format that is not read.
    """

    source: str
    files: list[RemoteFile]
    advice: str = "convert them to model.safetensors and put that beside config.json"

    @abstractmethod
    def download(self, files: Iterable[RemoteFile], folder: Path) -> None:
        """Downloads files into a folder.

        A file gets its own name only once it is complete; what an earlier call left unfinished
        under other names may be resumed.

        Args:
            files: Some of the snapshot's `files`.
            folder: An existing folder.

        Raises:
            PresetError: The hub does not answer, or what it sent is damaged.
        """


_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO}


def is_disk_error(error: Exception) -> bool:
    """Returns whether this machine's disk is the problem, not the network."""
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


@contextlib.contextmanager
def explained(
    remote: RemoteUri, explain: Callable[[RemoteUri, Exception], PresetError]
) -> Iterator[None]:
    """Turns what a hub's client raises in the body into an error that says what can be done.

    Args:
        remote: The preset.
        explain: Returns the error for one of the client's; each client has its own kinds.
    """
    try:
        yield
    except PresetError:
        raise
    except Exception as error:
        if is_disk_error(error):
            raise
        raise explain(remote, error) from None


# How many times a file is requested, and the first wait in seconds, which doubles each time.
_ATTEMPTS = 4
_FIRST_WAIT = 0.5


def retry_if_lost(work: Callable[[], _T], is_lost: Callable[[Exception], bool]) -> _T:
    """Does some work, and retries it a limited number of times if the connection is lost.

    Args:
        work: Resumes where it was interrupted when it is called again.
        is_lost: Returns whether one of its errors means a lost connection.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            return work()
        except Exception as error:
            if is_disk_error(error) or not is_lost(error):
                raise
        time.sleep(_FIRST_WAIT * 2**attempt)
    return work()


def files_of_a_preset(
    remote: RemoteUri, files: Iterable[RemoteFile], advice: str = Snapshot.advice
) -> list[RemoteFile]:
    """Returns the files that a preset needs, in the order of their names.

    Args:
        remote: The preset.
        files: All of its files.
        advice: What to do if its weights are in a format that is not read.

    Raises:
        PresetError: A file would be written outside the preset's folder, there is no preset, or
            none whose weights can be read.
    """
    files = sorted(files, key=lambda file: file.name)
    chosen = []
    for file in files:
        if not _is_within(file.name):
            raise remote.error(f"names a file {file.name!r}, which is outside its folder")
        if _is_one_of(file.name, _WANTED) and not _is_one_of(file.name.lower(), _REFUSED):
            chosen.append(file)
    if not any(file.name in _DESCRIPTIONS for file in chosen):
        raise remote.error("not a preset: it has no config.json")
    names = {file.name for file in chosen}
    for unread in unread_weights(file.name for file in files):
        folder, _, name = unread.rpartition("/")
        if _within(folder, _SECOND_CHOICE) not in names:
            raise remote.error(
                f"its weights are only in {unread}, {UNREAD_WEIGHTS[name]}, and not read; {advice}"
            )
    needless = {_within(folder, _SECOND_CHOICE) for folder in _safe_folders(names)}
    return [file for file in chosen if file.name not in needless]


def unread_weights(names: Iterable[str]) -> list[str]:
    """Returns weights that are not read, one for each folder that has them in no other format.

    Args:
        names: All files of a preset. In one of sentence-transformers, the folder of a module counts
            too, and that of its transformer instead of the preset's own.
    """
    known = set(names)
    modules = set()
    if "modules.json" in known:
        configs = fnmatch.filter(known, "[0-9]_*/config.json")
        modules = {name.rpartition("/")[0] for name in configs}
    folders = modules if any(name.startswith("0_") for name in modules) else {"", *modules}
    found = []
    for folder in sorted(folders - _safe_folders(known)):
        unread = [path for name in UNREAD_WEIGHTS if (path := _within(folder, name)) in known]
        found += unread[:1]
    return found


def _safe_folders(names: Iterable[str]) -> set[str]:
    """Returns the folders with weights in a format that is read first."""
    split = [name.rpartition("/") for name in names]
    return {folder for folder, _, file in split if _is_one_of(file, _WEIGHTS)}


def _within(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def converting(
    file: str,
    source: str,
    architectures: Sequence[str],
    target: str | None = None,
    others: str | None = None,
) -> str:
    """Returns what converts the weights of a model of Hugging Face to safetensors.

    Args:
        file: A key of `UNREAD_WEIGHTS`.
        source: Its folder or repository.
        architectures: The classes of `transformers` that it was saved from, if it names any.
        target: The folder to write to; the source itself if `None`.
        others: Another class of `transformers` whose files are to be written too.
    """
    source, target = json.dumps(source), json.dumps(target or source)
    is_classifier = any(name.endswith("ForSequenceClassification") for name in architectures)
    calls = {_AUTO_CLASSIFIER if is_classifier else _AUTO_MODEL: source}
    if file == _FLAX:
        calls = dict.fromkeys(calls, f"{source}, from_flax=True")
    calls |= {others: source} if others else {}
    code = f"from transformers import {', '.join(calls)}; " + "; ".join(
        f"{kind}.from_pretrained({given}).save_pretrained({target})"
        for kind, given in calls.items()
    )
    # Later versions of transformers read no Flax.
    packages = "'transformers<5' torch flax" if file == _FLAX else "transformers torch"
    what = "them" if architectures else f"them (a classifier as {_AUTO_CLASSIFIER})"
    return f"`pip install {packages}`, and convert {what}: python -c {shlex.quote(code)}"


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _is_within(name: str) -> bool:
    parts = unquote(name).split("/")
    return (
        name.isprintable()
        and not any(part in ("", ".", "..") for part in parts)
        and not re.search(r"[\\:]", name)
    )
