"""The committed samples and the predictor made from them: whole, of the space as it is shipped, and of use."""

import importlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from nars.predictors import Predictor, kendall
from nars.search import search
from nars.space import Bounds, load_space
from nars.stages import open_predictor, open_source, scorer
from nars.store import SampleStore
from nars.trials import trials_of

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data" / "cifar10"


@pytest.fixture(scope="module")
def samples():
    return SampleStore(DATA / "samples", must_exist=True).samples()


def test_every_training_is_there_once_and_nothing_else_is(samples) -> None:
    rows = sum(pq.read_metadata(file).num_rows for file in (DATA / "samples").glob("*.parquet"))
    assert rows == len(samples) == len({sample.key for sample in samples})
    assert len({(sample.choices, sample.seed) for sample in samples}) == len(samples)
    assert len({sample.fidelity for sample in samples}) == 1


def test_keys_costs_and_choices_are_those_of_the_shipped_space(samples) -> None:
    space = load_space("cifar10")
    assert {sample.space for sample in samples} == {space.fingerprint}
    X = np.array([sample.choices for sample in samples])
    assert (space.from_records([sample.record for sample in samples]) == X).all()
    flops = np.array([sample.costs["flops"] for sample in samples])
    assert (space.costs(X)["flops"] == flops).all()
    assert ((flops >= 1e6) & (flops <= 6e6)).all()
    for sample in samples[:20]:
        assert sample.key == replace(sample, key="").key


def test_they_are_the_first_pairs_of_the_campaign(samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DATA.parents[1] / "scripts"))
    campaign = importlib.import_module("campaign_cifar10").cifar10()
    measured = {sample.choices for sample in samples if sample.round == 0}
    planned = [tuple(row) for row in campaign.pairs()[: len(measured)].tolist()]
    assert measured == set(planned)  # so that going on adds to them
    assert {sample.fidelity for sample in samples} == {campaign.described()}


def test_curves_are_whole_and_end_at_the_accuracy(samples) -> None:
    for sample in samples:
        if sample.status == "ok":
            assert len(sample.curve) == len(sample.averaged_curve) == sample.planned_epochs
            assert (sample.curve[-1], sample.averaged_curve[-1]) == (sample.value, sample.averaged)


def test_some_pairs_have_three_seeds(samples) -> None:
    trials = trials_of(samples, load_space("cifar10"))
    seeds = np.isfinite(trials.values).sum(axis=1)
    assert trials.seeds == 3
    assert (seeds == 3).sum() >= 20


def test_the_campaigns_table_is_complete_and_its_trainings_are_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    cells = importlib.import_module("campaign_replay").load_cells(ROOT / "data" / "campaign")
    assert (cells.architectures, cells.recipes, cells.curves.shape[1:]) == (24, 24, (2, 30))
    assert len(np.unique(cells.X, axis=0)) == 24 * 24
    fingerprint = load_space("campaign").fingerprint
    stores = sorted({file.parent for file in (ROOT / "data" / "campaign").rglob("*.parquet")})
    assert {"table", "sample"} <= {store.name for store in stores}
    for store in stores:
        found = SampleStore(store, must_exist=True).samples()
        rows = sum(pq.read_metadata(file).num_rows for file in store.glob("*.parquet"))
        assert rows == len(found) == len({sample.key for sample in found})
        assert all(sample.status == "ok" and len(sample.curve) == sample.epochs for sample in found)
        assert all(sample.key == replace(sample, key="").key for sample in found[:5])
        assert not store.match("campaign/*") or {sample.space for sample in found} == {fingerprint}


@pytest.mark.parametrize("flops", [1.5e6, 3e6])
def test_the_shipped_predictor_answers_within_the_budget(samples, flops: float) -> None:
    space, predictor = open_predictor("cifar10")
    assert space.fingerprint == samples[0].space
    found = search(space, scorer(space, predictor), Bounds.at_most(flops=flops), rng=np.random.default_rng(0))
    assert found.costs["flops"] <= flops
    assert found.score > np.median([sample.value for sample in samples if sample.value is not None])


@pytest.mark.parametrize("name", ["campaign", "cifar10", "digits", "fashion-mnist"])
def test_a_search_starts_from_a_shipped_predictor(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DATA.parents[1] / "scripts"))
    read, space = importlib.import_module("trained_predictors").READ[name], load_space(name)
    trials, source = trials_of(read(DATA.parent / name), space), open_source(name)
    assert source.space.fingerprint == space.fingerprint
    assert source.predictor.fitted is not None
    assert source.predictor.fitted.samples == len(trials.X)
    model = replace(Predictor.pretrained(space, trials.X[:0], seed=0), sources=(source,))
    inputs = model.inputs(space, trials.X)
    told = model.prior_scores(inputs)  # what round 1 goes by, without a sample
    assert told is not None
    assert kendall(told, trials.mean) > 0.4
    fitted = model.fit(inputs[:12], trials.mean[:12], seed=0).fitted
    assert fitted is not None
    assert 0 in {process.source for process in fitted.processes}  # and it counts afterwards


@pytest.mark.parametrize("part", ["data", "predictors", "results"])
def test_nothing_published_is_a_runs_folder_or_names_a_path_of_a_machine(part: str) -> None:
    files = [file for file in (ROOT / part).rglob("*") if file.is_file()]
    assert not [file for file in files if file.name in ("run.json", "nars.log", "checkpoint.pt")]
    texts = {file: file.read_bytes() for file in files if file.suffix in (".md", ".json", ".jsonl", ".yaml", ".csv")}
    paths = re.compile(rb"[\s\"'`(=]/(?:home|root|tmp|work|mnt|Users|var)/")
    assert texts
    assert not {file: found[0] for file, text in texts.items() if (found := paths.search(text))}
