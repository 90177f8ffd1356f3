import pyarrow as pa
import pytest

from transforms.reading.stored.arrow_lengths import plain_bytes


@pytest.mark.parametrize("type_", [pa.string_view(), pa.string(), pa.large_string()])
def test_a_buffer_may_be_some_bytes_longer_than_its_numbers(type_):
    sound = pa.array(["a", "four", "much longer than what a view holds"], type_)
    valid, numbers, *rest = sound.buffers()
    longer = pa.py_buffer(numbers.to_pybytes() + b"\x01\x02\x03")
    array = pa.Array.from_buffers(type_, len(sound), [valid, longer, *rest])
    assert plain_bytes(array).tolist() == plain_bytes(sound).tolist() == [1, 4, 34]
