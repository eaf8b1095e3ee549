"""Read a run folder with pandas: `python examples/read_a_run.py [RUN]`."""

import sys

import pandas as pd

import swagflow

if len(sys.argv) > 1:
    run = sys.argv[1]
else:
    kept = swagflow.evaluate("tiny_vgg", "digit_scenes", images=8, explainers=["random", "swag_ig"])
    run = kept.run_dir

# With our statistics:
print(swagflow.Results.read(run).table().to_string())

# Without anything of ours: every row is in Parquet, partitioned by what it belongs to.
rows = pd.read_parquet(f"{run}/scores/metric=deletion")
print(rows.groupby(["model", "explainer"], observed=True)["value"].agg(["mean", "count"]))
