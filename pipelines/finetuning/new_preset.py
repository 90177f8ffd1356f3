"""The folder of a preset that is being made: checked before the work, filled and then published."""

import argparse
import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from models.errors import RunError, UserError
from models.hubs.remote import is_uri

if TYPE_CHECKING:
    from models.tasks.task import Task

TRAINING = "training.safetensors"
"""State of a stopped training, in an unfinished folder."""

NEW = "preset"
"""The preset that is being written, in an unfinished folder."""

_WRITTEN = frozenset(
    {
        *("config.json", "metadata.json", "model.weights.h5"),
        *("task.json", "task.weights.h5", "labels.json"),
        *("preprocessor.json", "tokenizer.json", "assets"),
        *("README.md", "training.json"),
    }
)
"""The files and folders of a preset that was written here."""


def output_folder(output: str) -> Path:
    """Returns the folder to write to.

    Raises:
        UserError: It is not a folder on this machine.
    """
    if not output.strip():
        raise UserError("--output is empty: give a folder")
    if is_uri(output):
        raise UserError(
            f"--output={output} is not a folder on this machine: write to one, and copy it with "
            f"python -m pipelines.presets fetch FOLDER --output={output}"
        )
    return Path(os.path.realpath(output))


def check_output(output: Path, if_exists: str) -> None:
    """Raises `UserError` unless there is nothing yet, or a preset that may be replaced."""
    if not output.exists():
        return
    if if_exists == "error":
        raise UserError(f"{output} exists; --if_exists=overwrite replaces it")
    if not output.is_dir():
        raise UserError(f"{output} is a file, and must be a folder")
    if output.is_mount():
        raise UserError(f"{output} is a mount point, which cannot be replaced: name a folder in it")
    names = sorted(path.name for path in output.iterdir())
    if others := [name for name in names if name not in _WRITTEN]:
        raise UserError(
            f"{output} holds {others[0]!r}, which is not part of a preset, and is not overwritten"
        )
    if names and "config.json" not in names:
        raise UserError(f"{output} holds files but no config.json, and is not overwritten")


@contextlib.contextmanager
def unfinished_folder(output: Path) -> Iterator[Path]:
    """Makes a folder beside the output to write to, which nobody else writes to at the same time.

    It is removed at the end, unless it holds a `TRAINING` for the same command to resume from.

    Raises:
        UserError: Another process is at work on the same output, or it cannot be written to.
    """
    folder = output.with_name(f".{output.name}.unfinished")
    with output_errors(output):
        lock = _lock(folder, output)
    try:
        yield folder
    finally:
        shutil.rmtree(folder / NEW, ignore_errors=True)
        if not (folder / TRAINING).exists():
            shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _lock(folder: Path, output: Path) -> FileLock:
    """Makes a folder and returns the lock that is held on it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UserError(
                f"another training is writing {output}; wait for it, or choose another --output"
            ) from None
        except FileNotFoundError:
            continue  # whoever held it has just removed the folder
        if (folder / "lock").exists():
            return lock
        lock.release()


def write_preset(task: "Task", folder: Path, output: Path, weights_dtype: str) -> Path:
    """Writes a trained model beside its output folder; returns where.

    Args:
        task: The model, whose weights become those of its files, so that they are what is judged.
        folder: The unfinished folder.
        output: The output folder.
        weights_dtype: Type of the weights in its files.
    """
    import keras

    from models.presets.keras_hub import stored

    new = folder / NEW
    with output_errors(output):
        try:
            task.save_to_preset(new, weights_dtype)
        except ValueError as error:
            raise RunError(f"the model cannot be saved: {error}") from None
    for weight in task.weights:
        weight.assign(stored(keras.ops.convert_to_numpy(weight), weights_dtype))
    return new


def publish(
    args: argparse.Namespace,
    new: Path,
    output: Path,
    record: Mapping[str, Any],
    facts: Sequence[tuple[str, str]],
) -> str:
    """Adds the record and the model card to a preset, and puts it in its place.

    Args:
        args: The flags.
        new: The preset, in the unfinished folder.
        output: Its place.
        record: What `training.json` is to hold.
        facts: Facts about the data, each a name and a sentence.

    Returns:
        Where it is, as the user named it unless it had to go elsewhere.
    """
    from models.presets.keras_hub import write_json
    from pipelines.finetuning.model_card import write_model_card

    with output_errors(output):
        write_json(new, "training.json", record)
        write_model_card(new, output.name, record, facts)
        written = put_in_place(new, output, args.if_exists)
        (new.parent / TRAINING).unlink(missing_ok=True)
    return args.output if written == output else str(written)


def put_in_place(folder: Path, output: Path, if_exists: str) -> Path:
    """Moves a finished preset to its place, so that a reader never sees half of it.

    The preset that it replaces stays beside it until then, and is put back if the move fails.

    Args:
        folder: Folder of the finished preset.
        output: Its place.
        if_exists: Whether what is there is replaced (`overwrite`) or not (`error`).

    Returns:
        Where it is now: beside its place, if something appeared there that is not replaced.
    """
    try:
        check_output(output, if_exists)
    except UserError:
        beside = (output.with_name(f"{output.name}-{number}") for number in itertools.count(2))
        output = next(path for path in beside if not path.exists())
    if not output.is_dir():
        folder.replace(output)
        return output
    replaced = output.with_name(f".{output.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    output.replace(replaced)
    try:
        folder.replace(output)
    except BaseException:
        replaced.replace(output)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
    return output


@contextlib.contextmanager
def output_errors(output: Path) -> Iterator[None]:
    """Turns what storage raises into a `UserError` that names the output."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror or error}") from None
