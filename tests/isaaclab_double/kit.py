"""Carbonite's settings, the stage of the app, and the Kit commands that Isaac Lab calls."""

import asyncio
import enum
from pathlib import Path
from typing import Any

from pxr import Sdf, Usd, UsdGeom, UsdShade

from isaaclab_double.events import App, Timeline

APP, TIMELINE = App(), Timeline()


class Settings:
    """`carb.settings`: a dictionary by path."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        return self._values.get(path)

    def set(self, path: str, value: Any) -> None:
        self._values[path] = value

    set_bool = set_int = set_float = set_string = set_string_array = set

    def get_as_bool(self, path: str) -> bool:
        return bool(self.get(path))

    def get_as_int(self, path: str) -> int:
        return int(self.get(path) or 0)


SETTINGS = Settings()


class UsdContext:
    """The one stage of the app."""

    def __init__(self) -> None:
        self.new_stage()

    def new_stage(self) -> bool:
        self._stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageUpAxis(self._stage, UsdGeom.Tokens.z)
        UsdGeom.SetStageMetersPerUnit(self._stage, 1.0)
        return True

    def get_stage(self) -> Usd.Stage:
        return self._stage

    def get_stage_loading_status(self) -> tuple[str, int, int]:
        return "", 0, 0


class ClientResult(enum.Enum):
    """Of `omni.client`, for files on this machine."""

    OK = 0
    ERROR_NOT_FOUND = 1


async def stat_async(url: str) -> tuple[ClientResult, None]:
    found = await asyncio.to_thread(Path(url).is_file)
    return (ClientResult.OK if found else ClientResult.ERROR_NOT_FOUND), None


def current_stage() -> Usd.Stage:
    """The stage that Isaac Lab works on."""
    from isaaclab.sim.utils.stage import get_current_stage

    return get_current_stage()


def execute(name: str, **arguments: Any) -> tuple[bool, None]:
    """`omni.kit.commands.execute`, for the commands that are needed."""
    if name == "DeletePrimsCommand":
        for path in arguments["paths"]:
            arguments["stage"].RemovePrim(path)
    elif name == "BindMaterialCommand":
        stage = arguments.get("stage") or current_stage()
        binding = UsdShade.MaterialBindingAPI.Apply(stage.GetPrimAtPath(arguments["prim_path"]))
        binding.Bind(UsdShade.Material(stage.GetPrimAtPath(arguments["material_path"])))
    elif name != "ToggleVisibilitySelectedPrims":
        raise NotImplementedError(f"Kit command {name} with {sorted(arguments)}")
    return True, None


class CreateShaderPrimFromSdrCommand:
    """A preview surface below a material."""

    def __init__(self, parent_path: str, identifier: str, stage_or_context: Usd.Stage, name: str, **_: Any) -> None:
        self._stage, self._path = stage_or_context, f"{parent_path}/{name}"

    def do(self) -> UsdShade.Shader:
        shader = UsdShade.Shader.Define(self._stage, self._path)
        shader.CreateIdAttr("UsdPreviewSurface")
        shader.CreateOutput("surface", Sdf.ValueTypeNames.Token)
        return shader


class CreateMdlMaterialPrimCommand:
    """A material of NVIDIA's material language: a name, nothing to look at."""

    def __init__(self, mtl_url: str, mtl_name: str, mtl_path: str, stage: Usd.Stage | None = None, **_: Any) -> None:
        self._stage, self._path = stage or current_stage(), mtl_path

    def do(self) -> None:
        UsdShade.Material.Define(self._stage, self._path)
        UsdShade.Shader.Define(self._stage, f"{self._path}/Shader")


def next_free_path(stage: Usd.Stage, path: str, prepend: bool) -> str:
    number, free = 0, path
    while stage.GetPrimAtPath(free):
        number += 1
        free = f"{path}_{number:02d}"
    return free


def world_transform(prim: Any) -> Any:
    xformable = UsdGeom.Xformable(prim.GetPrim() if hasattr(prim, "GetPrim") else prim)
    return xformable.ComputeLocalToWorldTransform(Usd.TimeCode.Default())
