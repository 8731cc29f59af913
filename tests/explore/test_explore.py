"""The page in a browser: from a file without a network, and served to one machine alone."""

import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from browser import CHROMIUM, Tab, browser
from made_up import made_up_run, sample_of

import nars
from nars.explore import Server, Source, export_page, open_source
from nars.explore.answers import low_rank
from nars.explore.jobs import kept_candidate
from nars.run import Run
from nars.run.naming import budget_names
from nars.space import Bounds, SpaceError, quantity
from nars.stages.answer_folder import read_answer
from nars.store import SampleStore


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made_up_run(tmp_path_factory.mktemp("explore") / "run")


@pytest.fixture(scope="module")
def source(run: Run) -> Source:
    return open_source(run.folder.path)


@pytest.fixture(scope="module")
def page(source: Source, tmp_path_factory: pytest.TempPathFactory) -> str:
    return export_page(source, tmp_path_factory.mktemp("page") / "page.html").as_uri()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium (Debian: apt-get install chromium)")
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def server(source: Source) -> Iterator[Server]:
    with Server(source) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.close()
        thread.join()


def request(server: Server, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = connection.getresponse()
        text = reply.read().decode()
    return reply.status, json.loads(text) if "json" in str(reply.getheader("Content-Type")) else text


def typed(place: str, value: object) -> str:
    return f"byId('{place}').value = {value!r}; byId('{place}').dispatchEvent(new Event('input'))"


def test_a_page_from_a_file_answers_compares_filters_and_scrolls(page: str, run: Run, tab: Tab) -> None:
    tab.open(page)
    before = tab.run("byId('family').innerText")
    assert tab.milliseconds(typed("slider-params", 120)) < 300
    assert tab.run("byId('family').innerText") != before
    assert tab.run("familyNow().length") > 1
    assert tab.run("familyNow().every(one => one.candidate.costs.params <= state.limits.params)")

    tab.run("byId('compare-with-this').click(); choose(candidates[0])")
    assert tab.run("document.querySelectorAll('.candidate').length") == 2
    assert tab.run("document.querySelectorAll('.candidate svg rect').length") > 4

    assert tab.milliseconds(typed("find", "round=2 flops<300k")) < 100
    assert tab.milliseconds(typed("find", "")) < 100
    assert tab.run("state.found.length") == 10_000
    for place in ("byId('rows').scrollHeight", "140_000", "0"):
        assert tab.milliseconds(f"byId('rows').scrollTop = {place}; byId('rows').onscroll()") < 100
        assert 10 < tab.run("document.querySelectorAll('#samples tbody tr').length") < 100
    tab.run(typed("find", "round=2 flops<300k"))
    frame = SampleStore(run.folder.samples).frame()
    assert tab.run("state.found.length") == ((frame["round"] == 2) & (frame["cost.flops"] < 3e5)).sum()
    assert tab.complaints == []


def test_quantities_on_the_page_are_those_of_the_command_line(page: str, run: Run, tab: Tab) -> None:
    tab.open(page)
    costs = SampleStore(run.folder.samples).frame()["cost.flops"]
    queries = (("FLOPs<0.3M", 0, 3e5), ("flops>0.3M status=OK", 3e5, np.inf), ("flops>1G", 1e9, np.inf))
    for query, least, most in queries:
        tab.run(typed("find", query))
        assert tab.run("state.found.length") == ((least < costs) & (costs < most)).sum()
    for text in ("450M", "1.5G", "2k", "2K", "3B", "12ms", ".5s", ".5e3", "1E3", "7", "450m", "1g", "1b", "12MS", "x"):
        try:
            meant = quantity(text)
        except SpaceError:
            meant = None
        assert tab.run(f"quantity({text!r})") == meant, text  # NaN comes as None


def test_a_run_that_goes_on_grows_on_the_page(run: Run, server: Server, tab: Tab) -> None:
    tab.open(server.address)
    count = tab.run("data.samples.length")
    tab.wait("state.asked && state.asked.candidate")  # the search that follows the first answer
    SampleStore(run.folder.samples).append([sample_of(run, tab.run("state.shown.row"), 96.5, 12_345)])
    tab.wait(f"data.samples.length === {count + 1}")
    assert tab.complaints == []


def test_a_candidate_is_trained_and_exported_from_the_page(run: Run, server: Server, tab: Tab, tmp_path: Path) -> None:
    """With what the page says meanwhile, to a file that ONNX Runtime runs."""
    tab.open(server.address)
    tab.run(typed("field-flops", "115k") + "; byId('export-onnx').click()")
    seen = set()
    while (state := tab.run("data && byId('job').textContent.split('\\n')[0].split(': ').at(-1)")) in ("", "running"):
        seen.add(tab.run("byId('job').textContent"))
        time.sleep(0.2)
    assert state == "done", tab.run("byId('job').textContent")
    said = "\n".join(seen)
    assert "$ nars train" in said
    assert "$ nars export" in said
    (file,) = run.folder.path.glob("explored/**/*.onnx")
    assert nars.register(run.folder.path) == (f"nars_digits_{file.parents[1].name}",)
    session = onnxruntime.InferenceSession(file)
    facts = session.get_modelmeta().custom_metadata_map
    channels, *side = json.loads(facts["input_size"])
    (logits,) = session.run(None, {"images": np.zeros((2, channels, *side), dtype=np.float32)})
    assert logits.shape == (2, len(json.loads(facts["classes"]))) == (2, 10)
    assert tab.complaints == []


def test_a_candidate_keeps_its_folder_whatever_the_limits_are(source: Source) -> None:
    row = source.space.canonical(np.zeros((1, len(source.space.dimensions)), dtype=np.int64))
    limits = (Bounds.at_most(flops="300k"), Bounds.at_most(flops="400k"), Bounds())
    (folder,) = {kept_candidate(source, row, bounds) for bounds in limits}
    answer = read_answer(folder)
    assert answer.chosen.choices == tuple(row[0].tolist())
    assert answer.name == folder.name  # and so its export: a member of the run is called 300k
    assert answer.name not in [name for bounds in limits for name in budget_names([bounds])]


def test_who_does_not_know_the_token_gets_nothing(server: Server) -> None:
    assert request(server, "GET", f"/{server.token}/")[0] == 200
    for path, host in (("/", None), ("/wrong/", None), (f"/{server.token}/", f"evil.example:{server.port}")):
        for method, body in (("GET", None), ("POST", {})):
            status, said = request(server, method, path, body, **({"Host": host} if host else {}))
            assert status == 403
            assert set(said) == {"error"}
    assert request(server, "GET", f"/{server.token}/../../etc/passwd")[0] == 404


@pytest.mark.parametrize(
    ("place", "question", "message"),
    [
        ("ask", {"limits": {"flops": 1.0}}, "nearest"),
        ("ask", {"limits": {"/etc/passwd": 1.0}}, "limits are numbers by the costs"),
        ("files", {"row": [10**6]}, "a row is"),
        ("train", {"row": "../x", "limits": {}}, "a row is"),
    ],
)
def test_a_wrong_question_is_answered_in_a_sentence(
    server: Server, place: str, question: dict[str, Any], message: str
) -> None:
    status, said = request(server, "POST", f"/{server.token}/{place}", question)
    assert status == 400
    assert message in said["error"]


def test_the_page_of_a_run_without_a_predictor_waits_for_it(run: Run, tab: Tab, tmp_path: Path) -> None:
    young = shutil.copytree(run.folder.path, tmp_path / "young", ignore=shutil.ignore_patterns("predictor", "samples"))
    tab.open(export_page(open_source(young), tmp_path / "page.html").as_uri())
    assert "no predictor yet" in tab.run("byId('answer').innerText")
    assert tab.complaints == []


def test_few_columns_have_the_right_variances_and_all_of_them_are_exact() -> None:
    A = np.random.default_rng(0).normal(size=(40, 5))
    covariance = A @ A.T + 0.1 * np.eye(40)
    for columns in (5, 40):
        factor, rest = low_rank(covariance, columns)
        assert np.allclose((factor**2).sum(axis=1) + rest, covariance.diagonal())
    assert np.allclose(factor @ factor.T, covariance)
