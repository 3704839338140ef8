"""The dataset: from raw reviews to TFRecord shards of character windows, and back to ids."""
