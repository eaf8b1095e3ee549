"""Files that put swagflow on clusters: see README.md beside this."""
