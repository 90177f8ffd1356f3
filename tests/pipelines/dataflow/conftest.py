"""A Dataflow on loopback, whose jobs are in an emulated bucket."""

from collections.abc import Iterator

import pytest

from tests.pipelines.dataflow.stub import DataflowStub, embedded


@pytest.fixture
def stub() -> Iterator[DataflowStub]:
    """A service whose jobs do nothing and run until the test ends them."""
    with DataflowStub() as stub:
        yield stub


@pytest.fixture
def working_stub() -> Iterator[DataflowStub]:
    """A service that runs what was staged, in threads of this process."""
    with DataflowStub(embedded) as stub:
        yield stub
