"""What a run would take: `--plan`, which reads a sample and writes nothing."""
