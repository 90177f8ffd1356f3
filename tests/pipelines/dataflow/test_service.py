"""Asking the service with a login that expires."""

import json
from http.server import BaseHTTPRequestHandler

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.dataflow.service import Place, Service, ServiceError, state_of
from tests.pipelines.dataflow.stub import PROJECT, REGION
from tests.servers import LoopbackServer


@pytest.fixture
def login(tmp_path, monkeypatch):
    """Whether the server that renews logins does so, as a dictionary to change."""
    answers = {"renews": True}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            good = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
            good["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
            bad = {"error": "invalid_grant", "error_description": "Token has been expired"}
            content = json.dumps(good if answers["renews"] else bad).encode()
            self.send_response(200 if answers["renews"] else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = LoopbackServer(Handler)
    (tmp_path / "subject").write_text("who I am")
    account = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{server.url}/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    (tmp_path / "login.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)  # which would be asked for
    yield answers
    server.stop()


def service_of(stub) -> Service:
    return Service(Place(PROJECT, REGION, stub.url), PipelineOptions([]))


def test_a_login_that_has_expired_is_told_and_a_new_one_is_found(stub, login):
    job, service = stub.add("any"), service_of(stub)
    login["renews"] = False
    with pytest.raises(ServiceError, match="gcloud auth application-default login") as error:
        service.job(job.id)
    assert error.value.is_login
    login["renews"] = True
    service.renew()
    assert state_of(service.job(job.id)) == "running"


def test_no_login_at_all_is_told(stub, monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(ServiceError, match="the login to Google Cloud is missing"):
        service_of(stub).job("any")


def test_a_service_that_is_not_there_is_told():
    service = Service(Place(PROJECT, REGION, "http://localhost:1"), PipelineOptions(["--no_auth"]))
    with pytest.raises(ServiceError, match=r"^Connection refused$") as error:
        service.job("any")
    assert not error.value.is_refusal
