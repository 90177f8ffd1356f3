from transforms.counters import most_common, sum_counters, without


def test_counters_are_summed_by_key():
    one, two = {"a": 1, "b": {"x": 1}}, {"b": {"x": 2, "y": 3}, "c": 4}
    assert sum_counters([one, two]) == {"a": 1, "b": {"x": 3, "y": 3}, "c": 4}
    assert one == {"a": 1, "b": {"x": 1}}


def test_what_counts_down_to_nothing_is_left_out():
    both = {"a": 3, "b": {"x": 3, "y": 3}, "c": 4}
    assert without(both, {"a": 1, "b": {"x": 2, "y": 3, "z": 5}}) == {"a": 2, "b": {"x": 1}, "c": 4}


def test_the_most_common_come_first_and_ties_by_name():
    assert most_common({"b": 1, "a": 1, "c": 5}, 2) == {"c": 5, "a": 1}
