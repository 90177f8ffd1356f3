"""An hourly update by Airflow 3: put this file into the folder of DAGs."""

from datetime import datetime, timedelta

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

FOLDER = "/srv/textbeam"
COMMAND = [
    ".venv/bin/python", "-m", "pipelines.classify", "--input=/data/reviews/*.jsonl",
    "--text_column=body", "--output=/data/labels/", "--if_exists=update", "--json",
]  # fmt: skip


@dag(
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["textbeam"],
)
def textbeam_labels():
    """Brings the labels of the reviews up to date."""

    @task(retries=3, retry_delay=timedelta(minutes=1))
    def update() -> dict:
        """Runs the command; a retry goes on where a try has died."""
        import json
        import subprocess

        done = subprocess.run(COMMAND, cwd=FOLDER, capture_output=True, text=True)
        if done.returncode == 2:  # a mistake in the command, which no retry mends
            raise AirflowFailException(done.stderr)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)

    update()


textbeam_labels()
