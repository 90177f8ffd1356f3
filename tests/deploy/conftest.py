from tests.pipelines.conftest import tiny_preset  # noqa: F401 - a fixture of these tests too
