import os
import stat

import pytest

from models.errors import PresetError
from models.hubs import store
from models.hubs.ownership import check_own
from models.presets.lookup import find_preset
from tests.models.hubs.fetching import FILES, HF, contents

SOMEBODY = 12_345

HAS_USERS = hasattr(os, "geteuid")
pytestmark = pytest.mark.skipif(not HAS_USERS, reason="needs POSIX permissions")
as_root = pytest.mark.skipif(
    not HAS_USERS or os.geteuid() != 0, reason="only root can give files away"
)

PLACES = {
    "the cache": lambda entry: entry.parent.parent,
    "its presets": lambda entry: entry.parent,
    "an entry": lambda entry: entry,
    "the folder of its files": lambda entry: entry / "preset",
    "its manifest": lambda entry: entry / "manifest.json",
    "a file": lambda entry: entry / "preset" / "vocab.txt",
    "a file in a folder": lambda entry: entry / "preset" / "1_Pooling" / "config.json",
}


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_cache(cache):
    """A cache that others may read."""
    cache.mkdir(mode=0o755)
    cache.chmod(0o755)
    return cache


@pytest.fixture(params=PLACES)
def place(request, hub, open_cache):
    """One of the folders and files of a fetched preset."""
    return PLACES[request.param](store.fetch(HF).parent)


def assert_not_used(cache, *parts: str) -> None:
    for use in (store.cached, store.fetch, find_preset, lambda uri: store.fetch(uri, refresh=True)):
        with pytest.raises(PresetError) as caught:
            use(HF)
        message = str(caught.value)
        assert message.startswith(f"the cache of presets {cache} is not used: ")
        assert "\n" not in message
        for part in parts:
            assert part in message


def test_a_new_cache_is_closed_to_others(hub, cache):
    folder = store.fetch(HF)
    assert mode_of(cache) == 0o700
    assert mode_of(cache / "presets") == 0o700
    assert contents(folder) == FILES
    assert store.cached(HF) == folder


@pytest.mark.parametrize("bit", [stat.S_IWGRP, stat.S_IWOTH])
def test_what_others_can_write_to_is_not_used(place, open_cache, bit):
    place.chmod(mode_of(place) | bit)
    assert_not_used(open_cache, f"other users can write to {place}", f"chmod -R go-w {open_cache}")
    place.chmod(mode_of(place) & ~bit)
    assert contents(store.fetch(HF)) == FILES


@as_root
def test_what_belongs_to_another_user_is_not_used(place, open_cache):
    os.chown(place, SOMEBODY, -1)
    assert_not_used(open_cache, f"{place} belongs to another user, with the id {SOMEBODY}")


@as_root
def test_what_belongs_to_root_is_used(place, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)
    assert contents(store.cached(HF)) == FILES


@as_root
def test_the_file_that_a_link_leads_to_counts(hub, open_cache, tmp_path):
    file = store.fetch(HF) / "vocab.txt"
    file.rename(tmp_path / "vocab.txt")
    file.symlink_to(tmp_path / "vocab.txt")
    assert store.cached(HF)
    os.chown(tmp_path / "vocab.txt", SOMEBODY, -1)
    assert_not_used(open_cache, "belongs to another user")


def test_in_a_sticky_folder_others_can_replace_nothing(hub, open_cache):
    open_cache.chmod(0o1777)
    assert contents(store.fetch(HF)) == FILES
    assert store.cached(HF)


def test_in_a_closed_cache_it_does_not_matter_what_others_could_write_to(hub, cache):
    file = store.fetch(HF) / "vocab.txt"
    file.chmod(0o666)
    assert store.cached(HF)
    cache.chmod(0o755)
    (cache / "presets").chmod(0o755)
    assert_not_used(cache, f"other users can write to {file}")


def test_a_umask_that_lets_a_group_write_opens_nothing_to_it(hub, open_cache):
    before = os.umask(0o002)
    try:
        folder = store.fetch(HF)
    finally:
        os.umask(before)
    assert store.cached(HF) == folder
    entry = folder.parent
    used = [open_cache, entry.parent, entry, *entry.rglob("*")]
    assert not [path for path in used if mode_of(path) & 0o022]


def test_a_readable_cache_stays_readable(hub, open_cache):
    folder = store.fetch(HF)
    assert all(mode_of(path) & 0o044 == 0o044 for path in (folder, *folder.rglob("*")))
    assert mode_of(open_cache / "presets") == 0o755


def test_a_cache_that_is_not_there_is_no_problem(cache):
    check_own(cache, cache / "presets" / "x")
    assert not cache.exists()


def test_without_posix_permissions_nothing_is_checked(place, monkeypatch):
    place.chmod(0o777)
    monkeypatch.delattr(os, "geteuid")
    assert contents(store.cached(HF)) == FILES
