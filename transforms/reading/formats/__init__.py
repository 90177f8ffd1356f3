"""The input formats: their records, and a module for each way of reading one."""
