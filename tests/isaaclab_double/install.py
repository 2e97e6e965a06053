"""Puts the double in place under the names that Isaac Lab imports."""

import atexit
import builtins
import shutil
import sys
import tempfile
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ASSET_ROOT = "/persistent/isaac/asset_root/cloud"
"""Setting with the address of the asset server: an empty folder until `asset_server.fill`."""


def module(name: str, **attributes: Any) -> types.ModuleType:
    """A module of that name, and those above it, with these attributes."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        full = ".".join(parts[:length])
        if full not in sys.modules:
            sys.modules[full] = types.ModuleType(full)
            sys.modules[full].__path__ = []
            if length > 1:
                setattr(sys.modules[".".join(parts[: length - 1])], parts[length - 1], sys.modules[full])
    for key, value in attributes.items():
        setattr(sys.modules[name], key, value)
    return sys.modules[name]


def install() -> None:
    """Called once, when the app is launched."""
    import pxr

    from isaaclab_double import kit, physx_schema

    builtins.ISAAC_LAUNCHED_FROM_TERMINAL = False  # pyright: ignore[reportAttributeAccessIssue]
    builtins.ISAACLAB_CALLBACK_EXCEPTION = None  # pyright: ignore[reportAttributeAccessIssue]
    folder = Path(tempfile.mkdtemp(prefix="isaaclab_double_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "schema").mkdir()
    physx_schema.register(folder / "schema")
    apis = {name: physx_schema.Api(name) for name in (*physx_schema.APIS, physx_schema.PRIM_TYPE)}
    tokens = SimpleNamespace(sdf="sdf")
    pxr.PhysxSchema = module("pxr.PhysxSchema", **apis, Tokens=tokens)  # pyright: ignore[reportAttributeAccessIssue]
    for name in ("/app/window/enabled", "/app/livestream/enabled", "/app/xr/enabled"):
        kit.SETTINGS.set(name, False)
    kit.SETTINGS.set("/rtx/rendermode", "RaytracedLighting")
    kit.SETTINGS.set(ASSET_ROOT, str(folder / "assets"))
    _carb_and_omni(kit)
    _isaacsim()


def _carb_and_omni(kit: types.ModuleType) -> None:
    from isaaclab_double import articulation_view, events, physx_views

    nothing = SimpleNamespace(
        attach_stage=_ignore, detach_stage=_ignore, force_load_physics_from_usd=_ignore, force_update=_ignore
    )
    context = kit.UsdContext()
    module("carb", Float3=tuple, Float4=tuple)
    module("carb.settings", get_settings=lambda: kit.SETTINGS)
    module("carb.events", IEvent=object)
    module("carb.input")
    module("omni.ui")
    module("omni.kit.app", get_app_interface=lambda: kit.APP, get_app=lambda: kit.APP)
    module("omni.kit.commands", execute=kit.execute)
    module(
        "omni.timeline",
        get_timeline_interface=lambda: kit.TIMELINE,
        TimelineEventType=events.TimelineEventType,
    )
    module("omni.physx", get_physx_simulation_interface=lambda: nothing, acquire_physx_interface=lambda: nothing)
    module("omni.physx.scripts.utils", removeRigidBodySubtree=_ignore)
    module("omni.physx.scripts.deformableUtils")
    module("omni.physxfabric", get_physx_fabric_interface=lambda: nothing)
    assembler = SimpleNamespace(check_layers=lambda *_: {"ret_val": True})
    module("omni.metrics.assembler.core", get_metrics_assembler_interface=lambda: assembler)
    module(
        "omni.client",
        Result=kit.ClientResult,
        stat=lambda url: (kit.ClientResult.ERROR_NOT_FOUND, None),
        stat_async=kit.stat_async,
    )
    module(
        "omni.usd",
        get_context=lambda: context,
        get_stage_next_free_path=kit.next_free_path,
        get_world_transform_matrix=kit.world_transform,
        resolve_paths=_ignore,
        check_ancestral=lambda prim: False,
    )
    module(
        "omni.usd.commands",
        CreateMdlMaterialPrimCommand=kit.CreateMdlMaterialPrimCommand,
        CreateShaderPrimFromSdrCommand=kit.CreateShaderPrimFromSdrCommand,
    )
    module(
        "omni.physics.tensors.impl.api",
        SimulationView=physx_views.SimulationView,
        ArticulationView=articulation_view.ArticulationView,
        RigidBodyView=physx_views.RigidBodyView,
        RigidContactView=physx_views.RigidContactView,
        SoftBodyView=object,
        SoftBodyMaterialView=object,
    )


def _isaacsim() -> None:
    from isaaclab_double import cloner, simulation

    module("isaacsim.core.version", get_version=lambda: ("5.1.0", "", "5", "1", "0", "", "", ""))
    module(
        "isaacsim.core.simulation_manager",
        SimulationManager=simulation.SimulationManager,
        IsaacEvents=simulation.IsaacEvents,
    )
    module("isaacsim.core.api.simulation_context", SimulationContext=simulation.SimulationContext)
    module("isaacsim.core.utils.stage")
    module("isaacsim.core.utils.torch")
    module("isaacsim.core.utils.viewports", set_camera_view=_ignore)
    module("isaacsim.core.utils.extensions", enable_extension=_ignore)
    module("isaacsim.core.prims", SingleXFormPrim=object, SingleArticulation=object)
    module("isaacsim.core.cloner", GridCloner=cloner.GridCloner, Cloner=cloner.Cloner)


def _ignore(*_: Any, **__: Any) -> None: ...
