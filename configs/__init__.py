"""Benchmarks and training recipes that come with swagflow, as YAML."""
