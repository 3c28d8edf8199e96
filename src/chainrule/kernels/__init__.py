"""Loops over plain arrays: what several models need done fast, free of any model's meaning."""
