"""Panels that extend a panel: what they inherit, what their hash covers, and what is refused in one line."""

from pathlib import Path

import pytest
import yaml

from scripted_panel import START, WHY
from surefoot.errors import PanelError
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import MAX_CHAIN, load_panel
from surefoot_tasks import manifest_root

HEAD = {"schema_version": 1, "why": "a panel that a test made for itself"}
OLD = HEAD | {
    "name": "old_v1", "robots": ["unitree_go1"], "seed": 0, "replicates": 2, "duration": 4.0, "warm_up": 1.0,
    "success": {"lin_vel_error": 0.3, "yaw_rate_error": 0.3}, "start": START,
    "nominal": {"friction": 0.8, "commands": [[0, 0.5, 0, 0]]},
    "cells": {"walk": {"why": WHY}, "ice": {"why": WHY, "friction": 0.2, "payload_mass": 1.0}},
}  # fmt: skip
NEW = HEAD | {"name": "new_v1", "extends": "old_v1"}


def load(folder: Path, *panels: dict) -> Panel:
    """Write all, read the last."""
    for plain in panels:
        (folder / f"{plain['name']}.yaml").write_text(yaml.safe_dump(plain))
    return load_panel(folder / f"{panels[-1]['name']}.yaml", manifest_root())


def test_cells_are_added_changed_and_taken_out(tmp_path: Path):
    old = load(tmp_path, OLD)
    cells = {"heavy": {"why": WHY, "payload_mass": 3.0, "stiffness": 1.2}, "ice": {"why": WHY, "friction": 0.1}}
    new = load(tmp_path, OLD, NEW | {"without": ["walk"], "cells": cells, "replicates": 5})
    assert list(new.cells) == ["ice", "heavy"]
    assert (new.cells["ice"].friction, new.cells["ice"].payload_mass) == (0.1, 1.0)  # one key changed, one inherited
    heavy = new.cells["heavy"]
    assert (heavy.friction, heavy.factor("stiffness"), heavy.commands) == (0.8, 1.2, ((0.0, 0.5, 0.0, 0.0),))
    assert (new.replicates, new.duration, new.name) == (5, 4.0, "new_v1")
    assert new.extends is not None and (new.extends.name, new.extends.sha256) == ("old_v1", old.sha256)


def test_an_unchanged_cell_is_the_same_experiment_as_the_parents(tmp_path: Path):
    """Its draws and its results can be compared: they are keyed by the cell's hash."""
    new = load(tmp_path, OLD, NEW | {"cells": {"heavy": {"why": WHY, "link_mass": 1.3}}})
    old = load(tmp_path, OLD)
    assert {name: new.cells[name].sha256 for name in old.cells} == {n: c.sha256 for n, c in old.cells.items()}
    assert new.sha256 != old.sha256


def test_a_changed_parent_is_another_panel_even_where_nothing_of_the_change_is_left(tmp_path: Path):
    extension = NEW | {"without": ["ice"]}
    before = load(tmp_path, OLD, extension)
    changed = OLD | {"cells": OLD["cells"] | {"ice": {"why": WHY, "friction": 0.1}}}
    after = load(tmp_path, changed, extension)
    assert before.cells == after.cells and before.sha256 != after.sha256
    retold = OLD | {"why": "another reason, told at length"}
    assert load(tmp_path, retold, extension).sha256 == before.sha256  # as everywhere, sentences are not in the hash


def test_what_is_nominal_goes_under_the_parents_cells_too(tmp_path: Path):
    new = load(tmp_path, OLD, NEW | {"nominal": {"friction": 0.6}, "start": {"yaw": [-1, 1]}})
    assert (new.cells["walk"].friction, new.cells["ice"].friction) == (0.6, 0.2)
    assert (new.start.yaw, new.start.position_xy) == ((-1.0, 1.0), (0.0, 0.0))


def test_shipped_panels_can_be_extended_from_anywhere_and_extensions_too(tmp_path: Path):
    mine = HEAD | {"name": "mine_v1", "extends": "quick_v1", "robots": ["anymal_d"], "without": ["worst"]}
    yours = HEAD | {"name": "yours_v1", "extends": "mine_v1", "without": ["fast"]}
    quick = load_panel("quick_v1", manifest_root())
    assert set(quick.cells) - set(load(tmp_path, mine, yours).cells) == {"worst", "fast"}
    assert load(tmp_path, mine, yours).robots == ("anymal_d",)


def chain(folder: Path, length: int) -> Panel:
    links = [HEAD | {"name": f"p{i}", "extends": f"p{i - 1}", "seed": i} for i in range(1, length)]
    return load(folder, OLD | {"name": "p0"}, *links)


def test_a_chain_has_an_end(tmp_path: Path):
    assert chain(tmp_path, MAX_CHAIN).seed == MAX_CHAIN - 1
    with pytest.raises(PanelError, match=rf"p1\.yaml: extends: more than {MAX_CHAIN} panels in a chain"):
        chain(tmp_path, MAX_CHAIN + 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extends": "old_v2"}, "extends: no panel 'old_v2', shipped or beside. Did you mean 'old_v1'?"),
        ({"extends": "../old_v1"}, "extends: no panel '../old_v1', shipped or beside. Did you mean 'old_v1'?"),
        ({"extends": "new_v1"}, "extends: 'new_v1' is this panel's own name. An extension gets a new name."),
        ({"extends": ["old_v1"]}, "extends: expected the name of a panel, got ['old_v1']"),
        ({"extends": {"name": "old_v1", "sha256": "0"}}, "extends: expected the name of a panel, got {'name'"),
        ({"without": ["icy"]}, "without: no cell 'icy' in 'old_v1'. Did you mean 'ice'?"),
        ({"without": ["ice", "ice"]}, "without: 'ice' is named twice"),
        ({"without": "ice"}, "without: expected a list of cells, got 'ice'"),
        ({"without": [["ice"]]}, "without: expected a list of cells, got [['ice']]"),
        ({"without": ["ice"], "cells": {"ice": {"why": WHY}}}, "without: 'ice' is taken out here and stands in"),
        ({"without": ["ice", "walk"]}, "cells: dictionary should have at least 1 item"),
        ({"cells": []}, "cells: expected a mapping"),
        ({"cells": {"ice": None}}, "cells.ice: expected a mapping with at least `why`"),
        ({"cells": {"ice": {"friction": 0.1}}}, "cells.ice.why: missing key"),
        ({"cells": {"twin": {"why": WHY}}}, "cells.twin: has the conditions of 'walk'"),
        ({"cells": {"x": {"why": WHY, "fricton": 0.1}}}, "cells.x.fricton: unknown key. Did you mean 'friction'?"),
        ({"witout": ["ice"]}, "witout: unknown key. Did you mean 'without'?"),
        ({"why": "because"}, "why: string should have at least 20"),
    ],
)
def test_nonsense_is_refused_in_one_line_with_its_key(tmp_path: Path, changes: dict, message: str):
    with pytest.raises(PanelError) as caught:
        load(tmp_path, OLD, NEW | changes)
    assert f"new_v1.yaml: {message}" in str(caught.value) and "\n" not in str(caught.value)


def test_a_header_is_not_inherited(tmp_path: Path):
    with pytest.raises(PanelError, match=r"new_v1\.yaml: why: missing key"):
        load(tmp_path, OLD, {key: value for key, value in NEW.items() if key != "why"})
    with pytest.raises(PanelError, match="without: takes cells from the panel that `extends` names, which is absent"):
        load(tmp_path, OLD | {"without": ["ice"]})


def test_a_circle_is_refused(tmp_path: Path):
    there, back = NEW | {"name": "a_v1", "extends": "b_v1"}, NEW | {"name": "b_v1", "extends": "a_v1"}
    with pytest.raises(PanelError, match=r"a_v1\.yaml: extends: a circle: b_v1 extends a_v1 extends b_v1"):
        load(tmp_path, there, back)


def test_a_file_beside_does_not_take_a_shipped_panels_place(tmp_path: Path):
    impostor = OLD | {"name": "quick_v1"}
    found = load(tmp_path, impostor, NEW | {"extends": "quick_v1"})
    assert found.extends is not None and found.extends.sha256 == load_panel("quick_v1", manifest_root()).sha256


def test_a_parent_that_is_no_document_is_refused(tmp_path: Path):
    (tmp_path / "big_v1.yaml").write_text("a: " + "x" * (4 * 1024**2))
    with pytest.raises(PanelError, match=r"big_v1\.yaml: cannot be read: it has 4,194,307 bytes, at most 1,048,576"):
        load(tmp_path, NEW | {"extends": "big_v1"})
    (tmp_path / "code_v1.yaml").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(PanelError, match=r"code_v1\.yaml: not YAML of plain values"):
        load(tmp_path, NEW | {"extends": "code_v1"})
