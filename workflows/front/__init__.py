"""From a benchmark, however it was made, to what comes of it; and the way in from Python."""
