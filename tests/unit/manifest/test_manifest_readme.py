"""manifests/README.md documents every field, every term and nothing else."""

import importlib.util
import re
from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from surefoot.manifest import Manifest
from surefoot.manifest.factors import FACTORS
from surefoot.mdp.observations import MIRROR
from surefoot.mdp.registry import term_names
from surefoot.traces.cards_and_suites import TraceSuite
from surefoot_tasks import manifest_root

SITE = manifest_root().parent / "docs" / "mkdocs_hooks.py"
TEXT, SUITES = (manifest_root() / "README.md").read_text().split("## Trace suites")


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted keys of the schema; `[]` for a list of sections, `<name>` for a mapping of them."""
    for name, info in model.model_fields.items():
        kind: Any = info.annotation
        if NoneType in get_args(kind):
            kind = next(arg for arg in get_args(kind) if arg is not NoneType)
        inner = next((arg for arg in reversed(get_args(kind)) if arg is not Ellipsis), None)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{prefix}{name}.")
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{prefix}{name}{'[]' if get_origin(kind) is tuple else '.<name>'}.")
        else:
            yield f"{prefix}{name}"


def rows(text: str) -> dict[str, list[str]]:
    """Cells of table rows, by the code in the first."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, flags=re.MULTILINE)
    return {key: [cell.strip() for cell in rest.split("|")] for key, rest in found}


def test_every_field_has_a_row_with_values_unit_and_meaning() -> None:
    documented = rows(TEXT[: TEXT.index("## Factors")])
    grouped = {re.sub(r"^(ppo|task\.observations)\.(actor|critic)\.", r"\1.<group>.", key) for key in leaves(Manifest)}
    assert set(documented) == grouped
    for key, cells in documented.items():
        assert len(cells) == 3, key
        assert all(cells), f"{key}: an empty cell"


def test_every_factor_has_a_row_with_its_neutral_value_range_and_unit() -> None:
    table = rows(TEXT[TEXT.index("## Factors") : TEXT.index("## Terms")])
    expected: dict[str, list[str]] = {}
    for name, kind in FACTORS.items():
        neutral = "robot" if kind.neutral is None else f"{kind.neutral:g}"
        bound = f"{'>' if kind.above_minimum else '>='} {kind.minimum:g}, <= {kind.maximum:g}"
        expected[name] = [neutral, bound + ", whole" * kind.whole, kind.unit]
    assert {name: cells[:3] for name, cells in table.items()} == expected


def test_every_term_has_a_row() -> None:
    terms = rows(TEXT[TEXT.index("## Terms") :])
    assert set(terms) == {*term_names("reward"), *term_names("termination"), *term_names("observation")}


def test_mirror_kinds_of_observations_are_those_of_the_code() -> None:
    table = rows(TEXT[TEXT.index("### Observations") :])
    assert {name: cells[-1] for name, cells in table.items()} == MIRROR


def test_every_key_of_a_trace_suite_has_a_row() -> None:
    documented = rows(SUITES)
    assert set(documented) == set(leaves(TraceSuite)) and all(len(cells) == 3 for cells in documented.values())


def site_hooks() -> Any:
    spec = importlib.util.spec_from_file_location("mkdocs_hooks", SITE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_has_every_field_with_what_it_takes_and_means() -> None:
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", site_hooks().fields_page(), flags=re.MULTILINE)
    table = {key: re.split(r" (?<!\\)\| ", rest) for key, rest in found}
    assert list(table) == list(leaves(Manifest))
    assert all(len(cells) == 3 and cells[0] and cells[2] for cells in table.values())
    assert table["robot.joints[].friction"] == [
        "number >= 0, <= 1000000",
        "`0.0`",
        "N m, dry friction of motor and gearbox.",
    ]
    assert table["schema_version"][2] == "version of this list of fields"
    assert table["seed"][0] == "whole number >= 0, <= 2147483647"
    assert table["ppo.gamma"][:2] == ["number >= 0, <= 1", ""]
    assert table["schedule.events.<name>.on_best"][1] == "`false`"


def test_links_of_a_file_elsewhere_hold_in_the_site() -> None:
    text = "[a](../docs/isaaclab.md#install) docs/traces.md `docs/x.md` [b](https://x.org/docs/y.md)"
    ours = "[a](isaaclab.md#install) [traces](traces.md) `docs/x.md` [b](https://x.org/docs/y.md)"
    assert site_hooks().site_links(text, "manifests/README.md") == ours
    assert site_hooks().site_links("[m](manifests/README.md) ![p](docs/images/p.png)", "README.md") == (
        "[m](manifests.md) ![p](images/p.png)"
    )
