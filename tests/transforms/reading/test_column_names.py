import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import Found, read
from transforms.errors import InputError
from transforms.reading import column_names
from transforms.reading.column_names import alike_in_case, find_column, output_names
from transforms.reading.corpus import plan_corpus

RESERVED = ["num_tokens", "truncated", "label", "score"]
TWINS = "the columns 'Label' and 'label' of '.*a.csv' differ in case alone"


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("a", ["A", "a"], "a"),
        ("A", ["a", "b"], "a"),
        ("É", ["é"], "é"),
        ("LABEL", ["label", "Label"], None),
        ("b", ["a"], None),
    ],
)
def test_a_name_is_the_exact_one_or_the_only_one_that_differs_in_case(name, names, found):
    assert find_column(name, names) == found


def test_names_that_differ_in_case_alone_are_found():
    assert alike_in_case(["a", "b", "A", "B"]) == ("a", "A")
    assert alike_in_case(["a", "b", "a"]) is None


def test_names_of_the_output_are_taken_in_any_case():
    names = ["text", "Label", "SCORE", "Source", "POSITION", "Input_Label", "Embedding"]
    assert output_names(names, [*RESERVED, "source", "position"]) == {
        "text": "text",
        "Label": "input_Label_2",
        "SCORE": "input_SCORE",
        "Source": "input_Source",
        "POSITION": "input_POSITION",
        "Input_Label": "Input_Label",
        "Embedding": "Embedding",
    }
    assert output_names(["Embedding"], ["embedding"]) == {"Embedding": "input_Embedding"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,Label,Source,score\nt,GOLD,feed,1\n"),
        ("a.tsv", "text\tLabel\tSource\tscore\nt\tGOLD\tfeed\t1\n"),
        ("a.jsonl", '{"text": "t", "Label": "GOLD", "Source": "feed", "score": "1"}\n'),
    ],
)
def test_columns_of_the_input_give_way_in_any_case(tmp_path, name, content):
    found = read(tmp_path / name, content, reserved=RESERVED)
    assert found.column("input_Label") == ["GOLD"]
    assert found.column("input_Source") == ["feed"]
    assert found.column("input_score") == ["1"]


def test_two_columns_that_differ_in_case_alone_are_an_error_with_both_and_the_way_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,Label,label,n\nt,1,2,3\n")
    with pytest.raises(InputError, match=f"{TWINS}.*keep one of them with --columns, or rename"):
        plan_corpus([str(path)])
    with pytest.raises(InputError, match=f"{TWINS}.*: rename one"):
        plan_corpus([str(path)], columns=["Label", "label"])
    assert read(path, columns=["label"]).column("label") == ["2"]
    assert read(path, columns=["Label"]).column("Label") == ["1"]
    assert read(path, columns=["n"]).column("n") == ["3"]
    with pytest.raises(InputError, match=r"no column 'LABEL' for --columns .*mean 'label'"):
        plan_corpus([str(path)], columns=["LABEL"])


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_two_columns_that_differ_in_case_alone_are_told_apart_by_columns(tmp_path, name):
    path = tmp_path / name
    if name == "a.jsonl":
        path.write_text('{"text": "t", "id": 1}\n{"text": "t", "ID": 2}\n')
    else:
        pq.write_table(pa.table({"text": ["t", "t"], "id": [1, None], "ID": [None, 2]}), path)
    with pytest.raises(InputError, match=r"the columns 'id' and 'ID' of .* differ in case alone"):
        plan_corpus([str(path)])
    assert read(path, columns=["ID"]).column("ID") == [None, 2]


def test_flags_name_columns_exactly_or_in_another_case(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Body,body,Second,Kept\n1,2,3,4\n")
    corpus = plan_corpus(
        [str(path)], text_column="Body", text_pair_column="second", columns=["KEPT"]
    )
    assert corpus.text_columns == ("Body", "Second")
    assert [column.name for column in corpus.fields] == ["Body", "Second", "Kept"]
    with pytest.raises(InputError, match=r"no column 'BODY' for --text_column.*mean 'body'"):
        plan_corpus([str(path)], text_column="BODY")
    with pytest.raises(InputError, match="text and second text are both 'body'"):
        plan_corpus([str(path)], text_column="body", text_pair_column="body")


@pytest.mark.parametrize("format_", ["csv", "parquet", "arrow"])
def test_files_may_spell_a_column_in_different_cases(tmp_path, format_):
    for name, columns in {
        "a": {"text": ["one"], "Id": ["1"]},
        "b": {"ID": ["2"], "TEXT": ["two"]},
        "c": {"Text": ["three"]},
    }.items():
        table, path = pa.table(columns), tmp_path / f"{name}.{format_}"
        if format_ == "csv":
            path.write_text(f"{','.join(columns)}\n{','.join(v[0] for v in columns.values())}\n")
        elif format_ == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
    found = read(tmp_path)
    assert found.texts == ["one", "two", "three"]
    assert found.column("Id") == ["1", "2", None]


def test_columns_of_earlier_results_are_found_in_another_case(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("TEXT,ID,Label,n\none,1,x,2\n")
    before = {"text": pa.string(), "Id": pa.string(), "Input_label": pa.string()}
    corpus = plan_corpus([str(path)], reserved=RESERVED, earlier=pa.schema(before.items()))
    assert corpus.schema.names[:4] == ["text", "Id", "Input_label", "n"]
    assert corpus.output_text_column == "text"
    assert Found(corpus).rows[0]["Id"] == "1"


def test_names_are_looked_up_and_not_compared_with_all_others(tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(column_names, "folded", lambda name: compared.append(name) or name.lower())
    for number in range(30):
        names = [f"c{number}_{column}" for column in range(30)]
        (tmp_path / f"{number}.csv").write_text(f"text,{','.join(names)}\none{',1' * 30}\n")
    corpus = plan_corpus([str(tmp_path)])
    assert len(corpus.fields) == 901
    assert len(compared) < 20 * 901
