"""Reading CSV and TSV: where records begin, how fields are parted."""
