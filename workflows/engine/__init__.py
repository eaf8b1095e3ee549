"""What is to be done of a benchmark, and doing it, piece by piece."""
