"""The files of examples/hourly, as far as they can be tried without the daemons."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.command_runs import ENVIRONMENT, ROOT

HOURLY = ROOT / "examples" / "hourly"


@pytest.fixture
def data(tmp_path) -> Path:
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "a.jsonl").write_text('{"body": "A fine day."}\n')
    return tmp_path


def here(command: str, data: Path) -> str:
    """A command of the examples with the folders of a test."""
    command = command.replace("/srv/textbeam", str(ROOT)).replace("/var/log", str(data))
    command = command.replace(".venv/bin/python", sys.executable)
    return command.replace(f"{ROOT}/{sys.executable}", sys.executable).replace("/data", str(data))


def test_the_line_of_the_crontab_labels_and_then_has_nothing_to_do(data):
    (line,) = (
        line for line in (HOURLY / "crontab").read_text().splitlines() if not line.startswith("#")
    )
    command = line.split(None, 5)[5]
    assert "%" not in command  # which cron takes for the end of a line
    for _ in range(2):
        subprocess.run(["sh", "-c", here(command, data)], env=ENVIRONMENT, check=True)
    said = [json.loads(line) for line in (data / "textbeam.jsonl").read_text().splitlines()]
    assert [each["status"] for each in said] == ["done", "up to date"]
    assert (data / "textbeam.err").read_text() == ""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(data):
    # The commands of a unit must be there.
    for name in ("textbeam-labels.service", "textbeam-labels.timer"):
        (data / name).write_text(here((HOURLY / name).read_text(), data))
    units = [str(data / f"textbeam-labels.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "textbeam" in line]
    assert ours == []


def test_the_command_of_the_unit_is_that_of_the_crontab(data):
    service = (HOURLY / "textbeam-labels.service").read_text()
    command = re.search(r"^ExecStart=(.*)$", service, re.MULTILINE)[1]
    flags = {flag for flag in command.split() if flag.startswith("--")}
    line = (HOURLY / "crontab").read_text().replace("'", "")
    assert all(flag in line for flag in flags)


_TASK = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
dag = bag.dags["textbeam_labels"]
update = dag.get_task("update")
globals_ = update.python_callable.__globals__
globals_["FOLDER"], globals_["COMMAND"] = sys.argv[2], json.loads(sys.argv[3])
print("said", json.dumps(update.python_callable()))
"""


@pytest.mark.slow
def test_airflow_parses_the_dag_and_its_task_runs(data):
    environment = {
        **{name: value for name, value in os.environ.items() if "AIRFLOW" not in name},
        "AIRFLOW_HOME": str(data / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    subprocess.run([sys.executable, "-m", "venv", data / "venv"], check=True)
    python = data / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "apache-airflow>=3,<4"]
    subprocess.run(install, check=True, capture_output=True)
    flags = ["--input=" + str(data / "reviews" / "*.jsonl"), "--text_column=body", "--json"]
    command = [sys.executable, "-m", "pipelines.classify", *flags, f"--output={data}/labels"]
    done = subprocess.run(
        [python, "-c", _TASK, HOURLY, ROOT, json.dumps([*command, "--if_exists=update"])],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = next(line for line in done.stdout.splitlines() if line.startswith("said "))
    assert json.loads(said.removeprefix("said "))["rows"]["written"] == 1
