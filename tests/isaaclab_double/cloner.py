"""`isaacsim.core.cloner`: copies of the first environment on a grid."""

import math
from typing import Any

from pxr import Gf, Sdf, Usd, UsdGeom


class Cloner:
    """Copies prims within the stage's root layer."""

    def __init__(self, stage: Usd.Stage | None = None) -> None:
        from isaaclab_double.kit import current_stage

        self.stage = stage or current_stage()

    def define_base_env(self, base_env_path: str) -> None:
        self.stage.DefinePrim(base_env_path, "Scope")

    def generate_paths(self, root_path: str, num_paths: int) -> list[str]:
        return [f"{root_path}_{number}" for number in range(num_paths)]

    def clone(self, source_prim_path: str, prim_paths: list[str], **_: Any) -> Any:
        layer = self.stage.GetRootLayer()
        for path in prim_paths:
            if path != source_prim_path:
                Sdf.CreatePrimInLayer(layer, path)
                Sdf.CopySpec(layer, source_prim_path, layer, path)

    def replicate_physics(self, **_: Any) -> None: ...
    def filter_collisions(self, *_: Any, **__: Any) -> None: ...
    def disable_change_listener(self) -> None: ...


class GridCloner(Cloner):
    """Sets the copies `spacing` apart, row by row, the middle of the grid at the origin."""

    def __init__(self, spacing: float, num_per_row: int = -1, stage: Usd.Stage | None = None) -> None:
        super().__init__(stage)
        self._spacing, self._num_per_row = spacing, num_per_row

    def clone(self, source_prim_path: str, prim_paths: list[str], **_: Any) -> list[tuple[float, float, float]]:
        count = len(prim_paths)
        rows = math.ceil(count / (self._num_per_row if self._num_per_row > 0 else int(math.sqrt(count))))
        columns = math.ceil(count / rows)
        places = [
            ((rows - 1) / 2 * self._spacing - row * self._spacing, (column - (columns - 1) / 2) * self._spacing, 0.0)
            for row, column in (divmod(number, columns) for number in range(count))
        ]
        super().clone(source_prim_path, prim_paths)
        for path, place in zip(prim_paths, places, strict=True):
            xformable = UsdGeom.Xformable(self.stage.GetPrimAtPath(path))
            xformable.ClearXformOpOrder()
            xformable.AddTranslateOp().Set(Gf.Vec3d(*place))
        return places
