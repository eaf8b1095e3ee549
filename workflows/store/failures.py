"""What went wrong in a run folder: rows with an error, and how they are made to be tried again."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq

from .run_folder import Store

COLUMNS = ["dataset", "model", "explainer", "image_id", "error"]


class Kept(Store):
    """A run folder that nobody writes rows to any more: each row is read once."""

    def __init__(self, store: Store) -> None:
        self.uri = store.uri
        self.folder = store.folder
        self.damaged = store.damaged
        self._scores: dict[str, pd.DataFrame] = {}
        self._roar: pd.DataFrame | None = None

    def read_scores(self, metric: str) -> pd.DataFrame:
        if metric not in self._scores:
            self._scores[metric] = super().read_scores(metric)
        return self._scores[metric]

    def read_roar(self) -> pd.DataFrame:
        if self._roar is None:
            self._roar = super().read_roar()
        return self._roar


def failed_rows(store: Store) -> pd.DataFrame:
    """Return the score rows and retraining jobs that have an error, with what they belong to."""
    frames = []
    for metric in store.metrics():
        scores = store.read_scores(metric)
        if scores.empty:
            continue
        bad = scores[scores["error"].notna()]
        frames.append(bad[COLUMNS].assign(metric=metric))
    jobs = store.read_roar()
    if len(jobs):
        failed = jobs[jobs["error"].notna()]
        names = [
            f"model {repeat} without {f:.0%}"
            for repeat, f in zip(failed["repeat"], failed["removed_fraction"], strict=True)
        ]
        frames.append(failed.assign(image_id=names, metric="roar")[[*COLUMNS, "metric"]])
    return pd.concat(frames) if frames else pd.DataFrame(columns=[*COLUMNS, "metric"])


def forget_errors(store: Store) -> None:
    """Delete the parts and retraining jobs that have an error, so that they are planned again."""
    paths = [*(part.path for part in store.parts()), *store.roar_parts()]

    def has_error(path: str) -> bool:
        with store.folder.opened(path) as stream:
            return _has_error(pq.ParquetFile(stream).metadata)

    spoilt = store.folder.map(has_error, paths)
    store.folder.delete_all([path for path, bad in zip(paths, spoilt, strict=True) if bad])


def _has_error(metadata: pq.FileMetaData) -> bool:
    """Tell from a part's footer, so that no mask is read."""
    paths = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    counts = [group.column(paths.index("error")).statistics.null_count for group in groups]
    return bool(sum(counts) < metadata.num_rows)
