"""How a record batch crosses a shuffle."""

import apache_beam as beam
import pyarrow as pa


class RecordBatchCoder(beam.coders.Coder):
    """Writes a `pyarrow.RecordBatch` in the Arrow IPC stream format.

    Beam would pickle it, and a pickled slice carries the whole batch that it was cut from.
    """

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Returns the bytes of one IPC stream that holds the schema and the batch."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Returns the batch that `encode` was given."""
        with pa.ipc.open_stream(encoded) as reader:
            return reader.read_next_batch()

    def is_deterministic(self) -> bool:
        """Returns False: record batches are never keys."""
        return False

    def to_type_hint(self) -> type:
        """Returns the type that this coder is for."""
        return pa.RecordBatch


beam.coders.registry.register_coder(pa.RecordBatch, RecordBatchCoder)
