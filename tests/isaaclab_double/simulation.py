"""`isaacsim.core`: the simulation manager, and the context that Isaac Lab's own derives from."""

import enum
from typing import Any, Self

from pxr import Usd, UsdPhysics

from isaaclab_double.kit import APP, SETTINGS, TIMELINE
from isaaclab_double.physx_schema import Applied
from isaaclab_double.physx_views import SimulationView


class IsaacEvents(enum.Enum):
    """What can be listened to; the double sends none of it."""

    PHYSICS_WARMUP = 0
    PHYSICS_READY = 1
    POST_RESET = 2
    PRIM_DELETION = 3
    TIMELINE_STOP = 4


class SimulationManager:
    """Holds the physics of the app."""

    _device = "cpu"
    _view: SimulationView | None = None
    _callbacks = 0

    @classmethod
    def set_physics_sim_device(cls, device: str) -> None:
        if device != "cpu":
            raise RuntimeError(f"The double simulates on the CPU, not on {device!r}.")
        cls._device = device

    @classmethod
    def get_physics_sim_device(cls) -> str:
        return cls._device

    @classmethod
    def get_physics_sim_view(cls) -> SimulationView | None:
        return cls._view

    @classmethod
    def get_backend(cls) -> str:
        return "torch"

    @classmethod
    def register_callback(cls, callback: Any, event: IsaacEvents | None = None, **_: Any) -> int:
        cls._callbacks += 1
        return cls._callbacks

    @classmethod
    def deregister_callback(cls, callback_id: int) -> None: ...

    @classmethod
    def assets_loading(cls) -> bool:
        return False

    @classmethod
    def enable_stage_open_callback(cls, enable: bool) -> None: ...


class PhysicsContext:
    """The physics scene on the stage."""

    def __init__(self, stage: Usd.Stage, path: str) -> None:
        self._physics_scene = UsdPhysics.Scene.Define(stage, path)
        prim = self._physics_scene.GetPrim()
        prim.ApplyAPI("PhysxSceneAPI")
        self._physx_scene_api = Applied("PhysxSceneAPI", prim)

    def enable_ccd(self, flag: bool) -> None: ...
    def enable_fabric(self, flag: bool) -> None: ...


class SimulationContext:
    """One in a process; playing the timeline reads the stage into the physics."""

    _instance: "SimulationContext | None" = None

    def __new__(cls, *_: Any, **__: Any) -> Self:
        if SimulationContext._instance is None:
            SimulationContext._instance = object.__new__(cls)
        return SimulationContext._instance  # pyright: ignore[reportReturnType]

    def __init__(
        self, physics_dt: float, rendering_dt: float, physics_prim_path: str, stage: Usd.Stage, **_: Any
    ) -> None:
        self._settings, self._app, self._timeline = SETTINGS, APP, TIMELINE
        self._physics_dt, self._rendering_dt, self._stage = physics_dt, rendering_dt, stage
        self._physics_prim_path = physics_prim_path
        self._init_stage()

    @classmethod
    def instance(cls) -> "SimulationContext | None":
        return SimulationContext._instance

    @classmethod
    def clear_instance(cls) -> None:
        SimulationContext._instance = SimulationManager._view = None
        TIMELINE.__init__()

    def _init_stage(self, *_: Any, **__: Any) -> Usd.Stage:
        self._physics_context = PhysicsContext(self._stage, self._physics_prim_path)
        return self._stage

    backend = "torch"
    app = property(lambda self: self._app)
    stage = property(lambda self: self._stage)
    physics_sim_view = property(lambda self: SimulationManager._view)

    def get_physics_dt(self) -> float:
        return self._physics_dt

    def get_rendering_dt(self) -> float:
        return self._rendering_dt

    def is_playing(self) -> bool:
        return TIMELINE.is_playing()

    def is_stopped(self) -> bool:
        return TIMELINE.is_stopped()

    def play(self) -> None:
        SimulationManager._view = SimulationView(self._stage, self._physics_dt)
        TIMELINE.play()

    def pause(self) -> None:
        TIMELINE.pause()

    def stop(self) -> None:
        TIMELINE.stop()

    def reset(self, soft: bool = False) -> None:
        if not soft:
            self.stop()
            self.play()

    def step(self, render: bool = True) -> None:
        assert SimulationManager._view is not None
        SimulationManager._view.step()

    def render(self) -> None: ...
    def clear_all_callbacks(self) -> None: ...
    def clear(self) -> None: ...
