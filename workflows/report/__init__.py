"""From the rows of a run folder to tables and figures."""
