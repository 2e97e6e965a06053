"""Isaac Lab's own Go1 and cartpole tasks with local files in place of the asset server's; their terms stay.

Run as a script it registers them and hands its arguments to Isaac Lab's own trainer:

    SUREFOOT_TEST_PHYSICS=ovphysx python stock_tasks.py --rl_library rsl_rl --task Stock-Cartpole ...
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surefoot.engines.isaaclab.compat.ovphysx import allow_ordinary_memory
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

PHYSICS = "SUREFOOT_TEST_PHYSICS"
GO1 = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
STOCK = {
    "Stock-Go1": "IsaacContrib-Velocity-Flat-UnitreeGo1",
    "Stock-Go1-Rough": "IsaacContrib-Velocity-Rough-UnitreeGo1",
    "Stock-Cartpole": "Isaac-Cartpole",
}


def configuration(task: str, physics: str) -> Any:
    """A stock task's own configuration for one backend, without anything that would be downloaded."""
    import isaaclab_tasks
    from isaaclab_tasks.utils.hydra import resolve_presets
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    assert isaaclab_tasks
    if physics == "ovphysx":
        allow_ordinary_memory()
    cfg = resolve_presets(load_cfg_from_registry(STOCK[task], "env_cfg_entry_point"), selected=(physics,))
    (_local_cartpole if task == "Stock-Cartpole" else _local_go1)(cfg)
    cfg.sim.device = "cpu"
    return cfg


@contextmanager
def environment(task: str, physics: str, **settings: Any) -> Iterator[Any]:
    """An environment of it; settings are paths below the configuration, with `__` between their parts."""
    from isaaclab.envs import ManagerBasedRLEnv

    cfg = configuration(task, physics)
    for path, value in settings.items():
        here, *parts = cfg, *path.split("__")
        for part in parts[:-1]:
            here = getattr(here, part)
        setattr(here, parts[-1], value)
    env = ManagerBasedRLEnv(cfg)
    try:
        yield env
    finally:
        env.close()


def _local_go1(cfg: Any) -> None:
    from surefoot.engines.isaaclab.stock import without_asset_server

    terrain = cfg.scene.terrain
    without_asset_server(cfg, compose_manifest(manifest_root(), GO1).robot, "full")
    cfg.events.add_base_mass.params["asset_cfg"].body_names = "trunk"
    if terrain.terrain_type == "generator":
        _small_ground(cfg, terrain)
    cfg.scene.num_envs = 16


def _small_ground(cfg: Any, terrain: Any) -> None:
    """Isaac Lab's own generator and its sub-terrains, fewer tiles, without a material from the server."""
    cfg.scene.terrain, cfg.scene.ground = terrain, None
    terrain.visual_material = None
    generator = terrain.terrain_generator
    generator.num_rows, generator.num_cols, generator.border_width = 4, 6, 1.0
    terrain.max_init_terrain_level = 3
    for term in (cfg.events.base_com, cfg.events.base_external_force_torque):
        if term is not None:
            term.params["asset_cfg"].body_names = "trunk"


def _local_cartpole(cfg: Any) -> None:
    folder = Path(tempfile.mkdtemp())
    _write_cartpole(folder / "cartpole.usda")
    cfg.scene.robot.spawn.usd_path = str(folder / "cartpole.usda")
    cfg.scene.ground = cfg.scene.distant_light = None
    cfg.scene.num_envs = 16


def _write_cartpole(path: Path) -> None:
    """A cart on a rail along y and a pole on it: names and ranges of Isaac Lab's own file."""
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, "Z")
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, "/cartpole").GetPrim()
    stage.SetDefaultPrim(root)
    for name, mass, height in (("slider", 1.0, 0.0), ("cart", 1.0, 0.0), ("pole", 1.0, 0.47)):
        body = UsdGeom.Xform.Define(stage, f"/cartpole/{name}").GetPrim()
        UsdPhysics.RigidBodyAPI.Apply(body)
        api = UsdPhysics.MassAPI.Apply(body)
        api.CreateMassAttr(mass)
        api.CreateCenterOfMassAttr(Gf.Vec3f(0, 0, height))
        api.CreateDiagonalInertiaAttr(Gf.Vec3f(0.1, 0.1, 0.1))
    fixed = UsdPhysics.FixedJoint.Define(stage, "/cartpole/rootJoint")
    fixed.CreateBody1Rel().SetTargets([Sdf.Path("/cartpole/slider")])
    UsdPhysics.ArticulationRootAPI.Apply(fixed.GetPrim())
    rail = UsdPhysics.PrismaticJoint.Define(stage, "/cartpole/slider_to_cart")
    rail.CreateBody0Rel().SetTargets([Sdf.Path("/cartpole/slider")])
    rail.CreateBody1Rel().SetTargets([Sdf.Path("/cartpole/cart")])
    rail.CreateAxisAttr("Y")
    rail.CreateLowerLimitAttr(-4.0)
    rail.CreateUpperLimitAttr(4.0)
    UsdPhysics.DriveAPI.Apply(rail.GetPrim(), "linear")
    hinge = UsdPhysics.RevoluteJoint.Define(stage, "/cartpole/cart_to_pole")
    hinge.CreateBody0Rel().SetTargets([Sdf.Path("/cartpole/cart")])
    hinge.CreateBody1Rel().SetTargets([Sdf.Path("/cartpole/pole")])
    hinge.CreateAxisAttr("X")
    UsdPhysics.DriveAPI.Apply(hinge.GetPrim(), "angular")
    stage.Save()


def _register() -> None:
    import gymnasium
    import isaaclab_tasks

    assert isaaclab_tasks
    for task, stock in STOCK.items():
        gymnasium.register(
            id=task,
            entry_point="isaaclab.envs:ManagerBasedRLEnv",
            disable_env_checker=True,
            kwargs={
                "env_cfg_entry_point": lambda task=task: configuration(task, os.environ[PHYSICS]),
                "rsl_rl_cfg_entry_point": gymnasium.spec(stock).kwargs["rsl_rl_cfg_entry_point"],
            },
        )


if __name__ == "__main__":
    _register()
    from isaaclab_rl.entrypoints import run_train_cli

    sys.exit(run_train_cli(sys.argv[1:]))
