"""An episode that ends because the ground does says nothing about the policy."""

import pytest

from surefoot.errors import PanelError
from surefoot.evaluation.ground import check_reach, farthest
from surefoot.evaluation.panel import Cell, Panel
from surefoot.evaluation.panel_files import load_panel
from surefoot_tasks import manifest_root


def cell(*commands: tuple[float, float, float, float], **conditions: object) -> Cell:
    return Cell.model_validate({"why": "Walks as far as its commands say.", "commands": commands, **conditions})


def panel_of(*, duration: float = 8.0, **cells: Cell) -> Panel:
    return load_panel("quick_v1", manifest_root()).model_copy(update={"cells": cells, "duration": duration})


def test_how_far_commands_lead() -> None:
    """2 s at 0.6 m/s and 6 s at 2.0: 13.2 m; sideways and forward add up at right angles; turning covers nothing."""
    assert farthest(cell((0, 0.6, 0, 0), (2, 2.0, 0, 0)), 8.0) == pytest.approx(13.2)
    assert farthest(cell((0, 0.3, 0.4, 0)), 8.0) == pytest.approx(4.0)
    assert farthest(cell((0, 0, 0, 1.5)), 8.0) == 0
    assert farthest(cell((0, 1.0, 0, 0), (10, 5.0, 0, 0)), 8.0) == pytest.approx(8.0)  # the second never comes


def test_commands_that_lead_beyond_a_tile_are_refused() -> None:
    """Tiles of 32 m: 16 m to the edge, less 1 m and the start's 0.2 m, and a tenth for robots that are too fast."""
    rough = cell((0, 0.5, 0, 0), terrain={"kind": "random_rough", "difficulty": 0.5})
    check_reach(panel_of(rough=rough, far=cell((0, 1.6, 0, 0))))
    with pytest.raises(
        PanelError, match=r"cells\.far\.commands: they lead 14\.4 m away in 8 s; a tile has room for 13\.5 m"
    ):
        check_reach(panel_of(rough=rough, far=cell((0, 1.8, 0, 0))))


def test_a_plane_has_no_end() -> None:
    check_reach(panel_of(far=cell((0, 9.0, 0, 0))))


@pytest.mark.parametrize("name", ["quick_v1", "locomotion_v1"])
def test_the_shipped_panels_stay_on_their_tiles(name: str) -> None:
    check_reach(load_panel(name, manifest_root()))
