import subprocess
import sys

import pytest

from tests.pipelines.command_runs import ROOT
from transforms.reading.formats.record import FORMATS, INPUT_FORMATS, format_of_name
from transforms.reading.readers import FormatReader


@pytest.mark.parametrize("name", FORMATS)
def test_a_record_tells_its_reader_and_its_extensions(name):
    record = INPUT_FORMATS[name]
    assert isinstance(record.load(), FormatReader)
    for extension in record.extensions:
        assert format_of_name(f"A{extension}".upper()) is record
    assert format_of_name(f"a{record.extensions[0]}.old") is None


def test_the_names_of_the_formats_are_there_without_what_reads_them():
    code = (
        "import sys; from transforms.reading.formats.record import FORMATS\n"
        "print([name for name in ('pyarrow', 'fastavro', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n"
