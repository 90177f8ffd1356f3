import pytest

from transforms.storage import google_folder
from transforms.writing.folder import open_folder

PART = 256 << 10  # what Google takes a multiple of


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_touch_brings_nothing_back(gcs_bucket, monkeypatch, how):
    folder = open_folder(gcs_bucket)
    folder.touch("absent")
    assert folder.files() == {}
    folder.write_whole("lock", b"former")
    send = google_folder.storage.Blob.upload_from_string

    def meanwhile(*arguments, **options):
        monkeypatch.undo()
        folder.remove(["lock"])
        if how == "replaced":
            folder.write_whole("lock", b"another's")
        send(*arguments, **options)

    monkeypatch.setattr(google_folder.storage.Blob, "upload_from_string", meanwhile)
    folder.touch("lock")
    assert folder.read("lock") == (b"another's" if how == "replaced" else None)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 5 * PART // 2])
@pytest.mark.parametrize("step", [100_000, PART, 10 * PART])
def test_what_is_written_in_pieces_is_there_whole_once_it_is_closed(
    gcs_bucket, monkeypatch, size, step
):
    monkeypatch.setattr(google_folder, "_PART_BYTES", PART)
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    folder = open_folder(gcs_bucket)
    upload = folder.create("a")
    for start in range(0, size, step):
        upload.write(content[start : start + step])
    assert folder.files() == {}
    upload.close()
    upload.close()
    assert folder.files() == {"a": size}
    assert folder.read("a") == content


@pytest.mark.parametrize("size", [1, 5 * PART // 2])
def test_what_is_given_up_is_not_there(gcs_bucket, monkeypatch, size):
    monkeypatch.setattr(google_folder, "_PART_BYTES", PART)
    upload = open_folder(gcs_bucket).create("a")
    upload.write(bytes(size))
    upload.terminate()
    upload.close()
    assert open_folder(gcs_bucket).files() == {}
