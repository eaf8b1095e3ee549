"""The benchmark at scale: configuration, plan, store, workers, report and command line."""
