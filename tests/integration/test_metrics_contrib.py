"""What contrib/ ships for Prometheus and Grafana names only what a real page has, labels and their values included."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from syncd.config.model import MaxDelete
from syncd.deliver.occasions import KINDS
from syncd.engine.metrics import outcome_of
from syncd.engine.ports import RunStatus
from syncd.engine.work import Outcome
from syncd.web.metrics import ITEMS
from tests.support.observed import Scrape, observed

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
RULES = ROOT / "contrib/prometheus/syncd.rules.yaml"
DASHBOARD = ROOT / "contrib/grafana/syncd.json"
GUIDE = ROOT / "docs/observability.md"

METRIC = re.compile(r"\b((?:syncd|process)_\w+|up)\b(?!\s*\()(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
ANNOTATED = re.compile(r"\{\{\s*\$labels\.(\w+)")
LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
ADDED = {"instance", "job"}  # by Prometheus itself
WORDS = {
    *(outcome_of(status) for status in (None, 200, 404, 429, 500)),
    *(str(one) for one in (*Outcome, *RunStatus)),
    *ITEMS,
    *KINDS,
}

TEXTS = {"type": "string", "minLength": 10}
RULE = {
    "type": "object",
    "required": ["alert", "expr", "labels", "annotations"],
    "additionalProperties": False,
    "properties": {
        "alert": {"type": "string", "pattern": "^Syncd[A-Za-z]+$"},
        "expr": {"type": "string"},
        "for": {"type": "string", "pattern": "^[0-9]+[smhd]$"},
        "labels": {
            "type": "object",
            "required": ["severity"],
            "properties": {"severity": {"enum": ["critical", "warning", "info"]}},
        },
        "annotations": {
            "type": "object",
            "required": ["summary", "description"],
            "properties": {"summary": TEXTS, "description": TEXTS},
            "additionalProperties": False,
        },
    },
}
GROUPS = {
    "type": "object",
    "required": ["groups"],
    "additionalProperties": False,
    "properties": {
        "groups": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "rules"],
                "properties": {"name": {"type": "string"}, "rules": {"type": "array", "items": RULE, "minItems": 1}},
            },
        }
    },
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def scrape(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scrape]:
    """A page after runs in which everything happened that has a counter."""
    folder = tmp_path_factory.mktemp("observed")
    async with observed(folder, max_delete=MaxDelete(count=0)) as place:
        await place.sync()
        place.source.api.busy = 1
        place.source.api.lost = 1
        place.source.delete(place.rng)
        await place.sync(full=True)
        await place.control.scheduler.check()
        yield await place.scrape()


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text("utf-8"))
    jsonschema.Draft202012Validator(GROUPS).validate(document)
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return found


def targets() -> Iterator[tuple[str, str]]:
    """(expression, legend) of every panel."""
    for panel in panels():
        for target in panel.get("targets", ()):
            yield target["expr"], target["legendFormat"]


def expressions() -> list[str]:
    variables = re.findall(r"label_values\((.*), \w+\)", DASHBOARD.read_text("utf-8"))
    return [*(rule["expr"] for rule in rules()), *(expr for expr, _ in targets()), *variables]


def has(scrape: Scrape, expression: str) -> set[str]:
    """The labels of all metrics in an expression; fails where one is not on the page, or has no such label."""
    labels: set[str] = set()
    named = METRIC.findall(expression)
    assert named, f"no metric in {expression}"
    for name, matchers in named:
        assert name == "up" or name in scrape.samples, f"{name} is not on the page: {expression}"
        own = scrape.labels(name) | ADDED
        for label, _, value in MATCHER.findall(matchers):
            assert label in own, f"{name} has no label {label}: {expression}"
            words = set() if label in ADDED or "$" in value else set(value.split("|"))
            assert words <= WORDS, f"nothing has {label}={value}: {expression}"
        labels |= own
    return labels


async def test_every_metric_and_label_that_is_named_exists(scrape: Scrape) -> None:
    for expression in expressions():
        labels = has(scrape, expression)
        for group in GROUPING.findall(expression):
            assert {label.strip() for label in group.split(",")} <= labels, expression


async def test_texts_name_only_labels_that_their_expression_keeps(scrape: Scrape) -> None:
    given = [(rule["expr"], ANNOTATED.findall(" ".join(rule["annotations"].values()))) for rule in rules()]
    given += [(expr, LEGEND.findall(legend)) for expr, legend in targets()]
    assert any(names for _, names in given)
    for expression, names in given:
        kept = has(scrape, expression)
        for group in re.findall(r"\bby\s*\(([^)]*)\)", expression):
            kept &= {label.strip() for label in group.split(",")}
        assert set(names) <= kept, expression


async def test_the_guide_names_every_metric_and_no_other(scrape: Scrape) -> None:
    told = set(re.findall(r"^\| `(syncd_\w+)`", GUIDE.read_text("utf-8"), re.MULTILINE))
    shown = {
        name + ("_total" if kind == "counter" else "")
        for name, kind in scrape.types.items()
        if name.startswith("syncd_")
    }
    assert told == shown


async def test_every_alert_has_its_line_in_the_guide() -> None:
    guide = GUIDE.read_text("utf-8")
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in guide] == []


@pytest.mark.parametrize("expression", expressions())
def test_brackets_are_in_balance(expression: str) -> None:
    closing = {")": "(", "}": "{", "]": "["}
    opened: list[str] = []
    for char in re.sub(r"\"[^\"]*\"", "", expression):
        if char in closing.values():
            opened.append(char)
        elif char in closing:
            assert opened.pop() == closing[char]
    assert opened == []


def test_alerts_and_panels_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_scrape_example_asks_with_a_token() -> None:
    document = yaml.safe_load((ROOT / "contrib/prometheus/scrape.yaml").read_text("utf-8"))
    (job,) = document["scrape_configs"]
    assert job["job_name"] == "syncd"  # the alerts ask for it
    assert job["authorization"]["credentials_file"]
