"""A template launched as in its image: Google's launcher starts one file there, with flags."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.files import DEPLOY, ROOT, environment_of
from transforms.writing.folder import open_folder

# What tells a client of Google's where to find what a machine of theirs would tell it.
_CLOUD = ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT")
_NO_MACHINE = ("NO_GCE_CHECK", "GCE_METADATA_HOST", "GCE_METADATA_IP")

IMAGE = "us-central1-docker.pkg.dev/p-roject/textbeam/textbeam:1"


@dataclass
class Launched:
    """What a launcher said, and where it was told to write."""

    code: int
    out: str
    err: str
    location: str
    folder: str = field(repr=False)

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def is_written(self) -> bool:
        folder, _, name = self.location.rpartition("/")
        return open_folder(folder).read(name) is not None


def launch(target: str, bucket: str, place: Path, **parameters: str) -> Launched:
    """Runs the file that the image of a target names, as the launcher does.

    Args:
        target: `classify` or `embed`.
        bucket: Where the service keeps what belongs to the launch.
        place: An empty folder of this machine.
        parameters: Those of the template.
    """
    template = place / "template"
    template.mkdir(exist_ok=True)
    image = environment_of(target)
    file = template / Path(image["FLEX_TEMPLATE_PYTHON_PY_FILE"]).name
    file.write_bytes((DEPLOY / file.name).read_bytes())
    location = f"{bucket}/staging/template_launches/2026-11-27_05_00_00-1/job_object"
    # As a launcher has logged it, but for the endpoint, at which nobody answers.
    of_launcher = {
        "job_name": "labels-0500",
        "runner": "DataflowRunner",
        "project": "p-roject",
        "region": "us-central1",
        "service_account_email": "worker@p-roject.iam.gserviceaccount.com",
        "temp_location": f"{bucket}/tmp",
        "staging_location": f"{bucket}/staging",
        "template_location": location,
        "labels": '{"goog-dataflow-provided-template-type": "flex"}',
        "dataflow_endpoint": "http://localhost:1",
    }
    environment = {
        **{name: os.environ[name] for name in (*_CLOUD, *_NO_MACHINE)},
        **image,
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "TEXTBEAM_IMAGE": IMAGE,
        "PYTHONPATH": str(ROOT),  # stands for the installed package
    }
    flags = [f"--{name}={value}" for name, value in {**of_launcher, **parameters}.items()]
    done = subprocess.run(
        [sys.executable, str(file), *flags],
        cwd=template,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Launched(done.returncode, done.stdout, done.stderr, location, bucket)
