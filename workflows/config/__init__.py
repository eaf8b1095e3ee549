"""From YAML to a Benchmark, and what makes its results what they are."""
