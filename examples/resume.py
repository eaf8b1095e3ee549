"""A run that goes on where it stopped, on several processes or a cluster.

`run_dir` may be `s3://BUCKET/run`. The same from the command line, on a Ray cluster:
`swagflow submit full-benchmark --address http://HOST:8265 --run-dir s3://BUCKET/run`.
"""

import tempfile

import swagflow

if __name__ == "__main__":  # workers import this file
    with tempfile.TemporaryDirectory() as folder:
        settings = {"images": 16, "run_dir": f"{folder}/run", "shard_size": 4}
        swagflow.evaluate("tiny_vgg", "digit_scenes", explainers=["random"], **settings)
        # What is stored stays; the new method is computed by two workers.
        results = swagflow.evaluate(
            "tiny_vgg", "digit_scenes", explainers=["random", "grad_cam"], workers=2, **settings
        )
        print(results.table())
