"""Text -> tokens -> ids -> batches."""
