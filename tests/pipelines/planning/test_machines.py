import json
from pathlib import Path

import pytest

from models.errors import UserError
from models.families.record import FAMILIES
from models.inference.cost import EncoderShape
from pipelines.planning.machines import Speed, Work, check_prices, machines, offers

BERT_BASE = EncoderShape(12, 768, 12, 3072)
MINILM = EncoderShape(6, 384, 12, 1536)
HOUR = 3600
FIGURES = Path(__file__).parents[3] / "docs" / "figures" / "precision.json"


def work_of(shape, rows=10**6, length=44, tokenizer="wordpiece", precision="auto"):
    tokens = rows * length
    operations = shape.operations(tokens, rows * length**2)
    return Work(rows, tokens, tokens, operations, shape.hidden_dim, tokenizer, precision)


def offer_of(name, work, num_units=1000, deadline=None, prices=None):
    found = offers(work, num_units, deadline, prices or {})
    return next(offer for offer in found if offer.machine.name == name)


def test_every_machine_has_a_speed_with_its_source_and_names_are_known_once():
    found = machines()
    assert len({machine.name for machine in found}) == len(found)
    for machine in found:
        assert machine.speed.source
        assert machine.speed.operations
        assert machine.cores <= machine.vcpus
        assert machine.host.tokens_per_second.keys() == {
            *(family.tokenizer for family in FAMILIES.values()),
            "pipeline",
        }


@pytest.mark.parametrize(
    ("shape", "tokens_per_second"), [(BERT_BASE, 1.66e6), (MINILM, 3.4e6)], ids=["base", "minilm"]
)
def test_the_measured_gpu_is_as_fast_as_it_was(shape, tokens_per_second):
    work = work_of(shape)
    found = offer_of("h200-1", work)
    assert (found.precision, found.bound) == ("float16", "model")
    assert work.computed / found.seconds == pytest.approx(tokens_per_second, rel=0.03)


@pytest.mark.parametrize(
    ("precision", "way"),
    [("auto", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16"), ("fast", "int8")],
)
def test_the_measured_processor_is_as_fast_as_it_was(precision, way):
    if not FIGURES.is_file():
        pytest.skip("docs/figures is not in a distribution")
    steady = json.loads(FIGURES.read_text())["steady"][f"textbeam_{way}"]
    work = work_of(MINILM, precision=precision)
    found = offer_of("zen5-2", work)
    assert found.precision == way
    assert work.rows / found.seconds == pytest.approx(steady["texts_per_second"], rel=0.06)


def test_a_width_between_two_is_between_them_and_one_beyond_follows_them():
    speed = Speed("", {"float16": {384: 1e12, 768: 4e12}})
    at = [speed.at("float16", width) for width in (192, 384, 543, 768, 1024)]
    assert at == pytest.approx([0.25e12, 1e12, 2e12, 4e12, 4e12], rel=0.01)
    assert Speed("", {"float32": {384: 1e12}}).at("float32", 128) == 1e12


def test_a_slow_tokenizer_bounds_a_gpu_with_a_small_model():
    tiny = EncoderShape(2, 128, 2, 512)
    assert offer_of("h200-1", work_of(BERT_BASE, tokenizer="byte_pair")).bound == "model"
    assert offer_of("a2-highgpu-1g", work_of(tiny, tokenizer="pipeline")).bound == "tokenizing"
    assert offer_of("a2-highgpu-1g", work_of(tiny, length=8)).bound == "python"


def test_machines_that_cannot_compute_in_a_precision_are_left_out():
    names = [offer.machine.name for offer in offers(work_of(MINILM, precision="int8"), 1, None, {})]
    assert names == ["zen5-2", "n2-standard-8", "c4d-standard-8"]


def test_as_many_workers_as_make_a_deadline():
    work = work_of(BERT_BASE, rows=10**8)
    alone = offer_of("g2-standard-8", work)
    found = offer_of("g2-standard-8", work, deadline=2 * HOUR)
    assert alone.workers is None
    assert found.seconds == alone.seconds > 2 * HOUR
    assert found.elapsed(found.workers) <= 2 * HOUR < found.elapsed(found.workers - 1)


def test_a_deadline_that_no_number_of_workers_makes_has_none():
    work = work_of(BERT_BASE, rows=10**8)
    assert offer_of("g2-standard-8", work, num_units=3, deadline=HOUR).workers is None
    assert offer_of("g2-standard-8", work, deadline=60).workers is None  # it takes longer to start


def test_few_units_that_do_not_divide_evenly_need_more_workers():
    work = work_of(BERT_BASE, rows=10**7)
    alone = offer_of("g2-standard-8", work, num_units=10)
    start = alone.machine.start_seconds
    # Three of ten units on a worker take longer than a quarter of the work.
    assert offer_of("g2-standard-8", work, 10, start + alone.seconds / 4).workers == 5


def test_a_process_a_core_takes_units_of_its_own():
    work = work_of(BERT_BASE, rows=10**6)
    found = offer_of("n2-standard-8", work, num_units=20)
    assert found.machine.slots == 8
    assert found.elapsed(1) - found.machine.start_seconds == pytest.approx(24 / 20 * found.seconds)
    assert found.elapsed(2) == pytest.approx(found.elapsed(1) - 8 / 20 * found.seconds)
    assert found.elapsed(20) == found.elapsed(3)


def test_a_cost_is_hours_times_price():
    work = work_of(BERT_BASE, rows=10**8)
    found = offer_of("n2-standard-8", work, prices={"n2-standard-8": 0.4})
    assert found.cost == pytest.approx(0.4 * found.elapsed(1) / HOUR)
    assert offer_of("c4d-standard-8", work, prices={"n2-standard-8": 0.4}).cost is None


def test_the_price_of_an_unknown_machine_is_refused():
    with pytest.raises(UserError, match="did you mean 'n2-standard-8'") as refused:
        check_prices({"n2-standard8": 0.4})
    assert str(refused.value).startswith("--price=n2-standard8=… is of a machine")


def test_nothing_to_do_takes_no_time():
    assert offer_of("zen5-2", work_of(MINILM, rows=0), deadline=HOUR).workers == 1
