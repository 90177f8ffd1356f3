import pytest

from models.errors import UserError
from transforms.errors import InputError
from transforms.rows.fitting import as_arguments, check_sequence_length


def test_a_length_needs_room_for_text_beside_the_special_tokens():
    check_sequence_length(3, 2, 1)
    check_sequence_length(4, 3, 2)
    with pytest.raises(UserError, match="leaves no room for text beside 3 special tokens"):
        check_sequence_length(3, 3, 2)


@pytest.mark.parametrize(
    ("flags", "arguments"),
    [
        ("give --limit=3 or --if_exists", "give limit=3 or if_exists"),
        ("'a--b' and a --- b -- c", "'a--b' and a --- b -- c"),
    ],
)
def test_flags_in_messages_are_spelled_as_arguments(flags, arguments):
    with pytest.raises(InputError) as found, as_arguments():
        raise InputError(flags)
    assert str(found.value) == arguments
