"""Whether metrics agree: from a configuration to a run's tables, figure and page."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from scipy.stats import kendalltau

from swagflow.config.load import load_benchmark, resolve
from swagflow.errors import UserError
from swagflow.store.run_folder import Store
from tests.support.runs import Runner, changed

METRICS: dict[str, Any] = {
    "deletion": {"steps": 4},
    "lerf": {"steps": 4, "unit": "pixel"},
    "irof": {"steps": 4, "unit": {"num_segments": 9}},
}
RANKINGS = {"agreement": {"show": {"title": "Do they agree?", "number": "Table 9"}}}


@pytest.mark.usefixtures("undrawn")
def test_a_ranking_is_that_of_the_stored_means(runner: Runner) -> None:
    assert runner(metrics=METRICS, rankings=RANKINGS) == 0
    found = pd.read_csv(runner.folder / "tables" / "agreement_agreement.csv")
    ranks = pd.read_csv(runner.folder / "tables" / "agreement_ranks.csv")
    means = {
        metric: Store(runner.uri).read_scores(metric).groupby("explainer")["value"].mean()
        for metric in METRICS
    }
    signs = {"deletion": -1, "lerf": 1, "irof": 1}
    assert len(found) == 3
    for row in found.itertuples():
        one, two = (signs[name] * means[name] for name in (row.metric, row.other_metric))
        expected = kendalltau(one, two[one.index]).statistic
        assert row.tau == pytest.approx(expected, nan_ok=True)
        assert row.n_images == 8
    known = found.dropna()
    assert len(known)
    assert (known["ci_low"] <= known["ci_high"]).all()
    for metric, rows in ranks.groupby("metric"):
        order = (-signs[metric] * means[metric]).rank()
        assert rows.set_index("method")["rank"].to_dict() == order.to_dict()
        assert rows["first_share"].sum() == pytest.approx(1)
    page = (runner.folder / "report.html").read_text()
    section = page[page.index('id="ranking-agreement"') :]
    assert "<span>Table 9</span> Do they agree?" in section
    assert re.search(r"MoRF AOC \(superpixels, image mean, relative\)", section)
    assert "agreement_agreement.csv" in section
    assert (runner.folder / "figures" / "agreement_agreement.svg").exists()


def test_a_ranking_may_name_its_metrics_and_methods() -> None:
    fields = {"metrics": ["deletion", "irof"], "explainers": ["swag_ig"]}
    made = resolve(changed(metrics=METRICS, rankings={"two": fields})).rankings["two"]
    assert (made.metrics, made.explainers) == (("deletion", "irof"), ("swag_ig",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metrics": ["irfo"]}, r"'rankings\.two\.metrics\.irfo'; did you mean 'irof'"),
        ({"explainers": ["swag"]}, r"'rankings\.two\.explainers\.swag'"),
        ({"metrics": ["irof"]}, "rankings.two.metrics: no experiment scores 'irof'"),
        ({"metric": "irof"}, r"unknown key 'rankings\.two\.metric'"),
    ],
)
def test_what_a_ranking_names_must_be_there(fields: dict[str, Any], message: str) -> None:
    experiments = {"one": {"metric": "deletion", "explainers": ["swag_ig"]}}
    raw = changed(metrics=METRICS, experiments=experiments, rankings={"two": fields})
    with pytest.raises(UserError, match=message):
        resolve(raw)


def test_a_part_of_a_study_keeps_what_can_still_be_ranked() -> None:
    whole = load_benchmark("robust-ranking")
    assert list(whole.rankings) == ["robustness"]
    fewer = load_benchmark("robust-ranking", ["metrics=[deletion]"])
    assert not fewer.rankings
    assert set(fewer.metrics) == {"deletion"}
