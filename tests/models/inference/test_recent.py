import threading

import numpy as np

from models.inference.recent import MAX_BYTES, MAX_ROWS, RecentResults


def keys(*numbers):
    return [str(number).encode() for number in numbers]


def values(*numbers):
    return np.array([[number, -number] for number in numbers], np.float32)


def found(recent, *numbers):
    indices, results = recent.find(keys(*numbers))
    return dict(zip(indices.tolist(), results[:, 0].tolist(), strict=True))


def test_what_was_added_is_found_and_nothing_else():
    recent = RecentResults(2)
    assert found(recent, 1, 2) == {}
    recent.add(keys(1, 2), values(1, 2))
    assert found(recent, 3, 2, 1, 2) == {1: 2, 2: 1, 3: 2}


def test_the_oldest_make_way():
    recent = RecentResults(2, max_rows=3)
    recent.add(keys(1, 2), values(1, 2))
    recent.add(keys(3, 4), values(3, 4))
    assert found(recent, 1, 2, 3, 4) == {1: 2, 2: 3, 3: 4}
    recent.add(keys(5, 6, 7, 8, 9), values(5, 6, 7, 8, 9))
    assert found(recent, *range(10)) == {7: 7, 8: 8, 9: 9}


def test_a_row_that_is_added_again_is_found_until_its_last_place_is_taken():
    recent = RecentResults(2, max_rows=2)
    recent.add(keys(1), values(1))
    recent.add(keys(1), values(10))
    recent.add(keys(2), values(2))
    assert found(recent, 1, 2) == {0: 10, 1: 2}
    recent.add(keys(3), values(3))
    assert found(recent, 1, 2, 3) == {1: 2, 2: 3}


def test_what_is_forgotten_is_not_found():
    recent = RecentResults(2, max_rows=3)
    recent.add(keys(1, 2), values(1, 2))
    recent.clear()
    assert found(recent, 1, 2) == {}
    recent.add(keys(2, 3, 4), values(2, 3, 4))
    assert found(recent, 1, 2, 3, 4) == {1: 2, 2: 3, 3: 4}


def test_memory_is_bounded_for_every_width():
    for width in (1, 2, 384, 100_000_000):
        recent = RecentResults(width)
        assert 1 <= len(recent._keys) <= MAX_ROWS
        assert recent._values.nbytes <= max(MAX_BYTES, 4 * width)


def test_threads_do_not_mix_up_results():
    recent = RecentResults(2, max_rows=64)
    wrong = []

    def work(start):
        for number in range(start, start + 2000):
            recent.add(keys(number), values(number))
            for index, value in found(recent, number - 3, number).items():
                if value != (number - 3, number)[index]:
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 10_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
