from tests.pipelines.conftest import tiny_preset  # noqa: F401
