"""Every factor that the engine `mujoco` has reaches Newton's solver."""

import pytest
import torch

from live import batch
from surefoot.errors import EngineError

pytestmark = pytest.mark.usefixtures("on_newton")

EDGES = {
    "friction": [0.4, 1.2],
    "payload_mass": [0.2, 2.0],
    "payload_x": [-0.2, 0.2],
    "payload_z": [0.0, 0.2],
    "com_shift_y": [-0.05, 0.05],
    "link_mass": [0.8, 1.2],
    "motor_strength": [0.7, 1.0],
    "stiffness": [0.8, 1.2],
    "damping": [0.5, 1.5],
    "joint_friction": [0.1, 0.4],
    "armature": [0.5, 2.0],
    "control_delay": [0, 5],
    "observation_delay": [0, 3],
    "noise_level": [0.5, 1.5],
    "push_strength": [0.5, 1.5],
}


def override(*names: str, mode: str = "startup") -> str:
    factors = ", ".join(f"{name}: {{edges: {EDGES[name]}, mode: {mode}}}" for name in names)
    return f"randomization.factors={{{factors}}}"


def solver() -> tuple:
    from isaaclab_newton.physics import NewtonManager

    held = NewtonManager._solver
    return held.mjw_model, held.mj_model


def column(name: str) -> torch.Tensor:
    """A field of the solver's model, one row an environment."""
    return torch.from_numpy(getattr(solver()[0], name).numpy())


def test_all_factors_at_once_reach_the_solver_in_every_episode() -> None:
    with batch(12, override(*EDGES, mode="reset"), "randomization.bucket_by=[]") as env:
        for _ in range(3):
            env.step(torch.zeros(12, 12))
            values = {name: value.clone() for name, value in env.buckets.values.items()}
            mass, names = column("body_mass"), [solver()[1].body(i).name for i in range(solver()[1].nbody)]
            trunk = next(i for i, name in enumerate(names) if name.endswith("_trunk"))
            calf = next(i for i, name in enumerate(names) if name.endswith("_FR_calf"))
            mj = env._model.mj
            nominal = float(mj.body_mass[mj.body("trunk").id])
            assert torch.allclose(mass[:, trunk], nominal + values["payload_mass"], atol=1e-5)
            other = float(mj.body_mass[mj.body("FR_calf").id])
            assert torch.allclose(mass[:, calf], other * values["link_mass"], atol=1e-5)
            gain = column("actuator_gainprm")[:, 0, 0]
            assert torch.allclose(gain, 35.0 * values["motor_strength"] * values["stiffness"], rtol=1e-5)
            bias = column("actuator_biasprm")[:, 1, 2]  # each joint has an actuator for each gain
            assert torch.allclose(bias, -0.5 * values["motor_strength"] * values["damping"], rtol=1e-5)
            force = column("jnt_actfrcrange")[:, 1, 1]
            assert torch.allclose(force, 23.7 * values["motor_strength"], rtol=1e-5)
            loss = column("dof_frictionloss")[:, 6:]
            assert torch.allclose(loss, values["joint_friction"].unsqueeze(1).expand(12, 12), rtol=1e-5)
            rotor = column("dof_armature")[:, 6]
            assert torch.allclose(rotor, 0.004026 * values["armature"], rtol=1e-4)
            share = values["payload_mass"] / (nominal + values["payload_mass"])
            com = torch.tensor(mj.body_ipos[mj.body("trunk").id], dtype=torch.float32)
            expected_x = com[0] + (values["payload_x"] - com[0]) * share
            assert torch.allclose(column("body_ipos")[:, trunk, 0], expected_x, atol=1e-6)
            expected_y = com[1] * (1 - share) + com[1] * share + values["com_shift_y"]
            assert torch.allclose(column("body_ipos")[:, trunk, 1], expected_y, atol=1e-6)
            env.reset()
        assert not torch.equal(values["armature"], env.buckets.values["armature"])


def test_inertia_with_a_payload_is_that_of_two_bodies() -> None:
    """Against the parallel-axis theorem written out for a payload of the trunk's shape at (0.1, 0, 0.2)."""
    fixed = "payload_mass: {edges: [2.0, 2.0], mode: startup}, payload_x: {edges: [0.1, 0.1], mode: startup}"
    fixed += ", payload_y: {edges: [0.0, 0.0], mode: startup}, payload_z: {edges: [0.2, 0.2], mode: startup}"
    with batch(1, f"randomization.factors={{{fixed}}}", "randomization.bucket_by=[]") as env:
        import mujoco

        mj = env._model.mj
        trunk = mj.body("trunk").id
        axes = torch.zeros(9, dtype=torch.float64).numpy()
        mujoco.mju_quat2Mat(axes, mj.body_iquat[trunk])
        axes = torch.from_numpy(axes).reshape(3, 3)
        own = axes @ torch.diag(torch.tensor(mj.body_inertia[trunk])) @ axes.T
        mass, com = float(mj.body_mass[trunk]), torch.tensor(mj.body_ipos[trunk])
        place = torch.tensor([0.1, 0.0, 0.2], dtype=torch.float64)
        centre = (mass * com + 2.0 * place) / (mass + 2.0)

        def moved(weight: float, inertia: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            d = at - centre
            return inertia + weight * (d @ d * torch.eye(3, dtype=d.dtype) - torch.outer(d, d))

        expected = moved(mass, own, com) + moved(2.0, own * 2.0 / mass, place)
        held = env.handle.inertias()[0, int(env.handle.body_ids(["trunk"])[0])].reshape(3, 3).double()
        assert torch.allclose(held, expected, atol=1e-6)
        env.step(torch.zeros(1, 12))
        moments = column("body_inertia")[0, 1].double().sort().values
        assert torch.allclose(moments, torch.linalg.eigvalsh(expected), atol=1e-6)


def test_planted_writes_that_are_lost_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from surefoot.engines.isaaclab.compat import RobotHandle

    ids = torch.arange(4)
    with batch(4, override(*EDGES, mode="reset"), "randomization.bucket_by=[]") as env:
        names = env.factors.names
        for method in ("write_masses", "write_inertias", "write_coms", "write_joint_parameter", "write_friction"):
            monkeypatch.setattr(RobotHandle, method, lambda *_: None)
        for name in names:
            env.factors.names = ("payload_mass", name) if name.startswith("payload_") else (name,)
            env.streams.begin_episode(ids)
            env.buckets.resample(ids)
            with pytest.raises(EngineError, match=f"does not reach the physics.*{name.rpartition('_')[0]}"):
                env.factors.apply(ids)


def test_the_probe_finds_factors_that_are_held_but_not_felt() -> None:
    """The solver's own copy is put back to the nominal value behind the views' back."""
    from surefoot.engines.isaaclab import probe

    with batch(6, override("friction", "link_mass", "stiffness", mode="reset"), "randomization.bucket_by=[]") as env:
        probe.check_effect(env, has_reference=True)
        env.sim.step(render=False)  # what was written last reaches the solver's copy
        for field in ("body_mass", "actuator_gainprm"):
            array = getattr(solver()[0], field)
            held = array.numpy().copy()
            array.assign(held[:1].repeat(6, axis=0))  # what the first environment has
            with pytest.raises(EngineError, match=r"should differ by .* the factor does not reach the physics"):
                probe.check_effect(env, has_reference=True)
            array.assign(held)
        probe.check_effect(env, has_reference=True)


MOTORS = ("motor_strength", "stiffness", "damping", "control_delay", "payload_mass")


def test_factors_of_dc_motors_are_held_by_the_motors_and_felt() -> None:
    with batch(12, override(*MOTORS, mode="reset"), "randomization.bucket_by=[]", "robot.motors=dc_motor") as env:
        strength = env.buckets.values["motor_strength"].unsqueeze(1)
        _, stiffness, _, limit = env.handle.drives()
        stall, speed = env.handle.curves()
        assert torch.allclose(stiffness, 35.0 * strength * env.buckets.values["stiffness"].unsqueeze(1))
        assert torch.allclose(stall, limit) and torch.allclose(limit[:, :1], 23.7 * strength)
        assert speed[0, :3].tolist() == pytest.approx([30.1, 30.1, 20.06])
        assert not column("actuator_gainprm")[..., 0].any()  # the physics' own drives are idle


def test_planted_motors_without_their_strength_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold what was written, and do not use it."""
    from surefoot.engines.isaaclab.dc_motor import JointDcMotor

    law = JointDcMotor._clip_effort
    monkeypatch.setattr(
        JointDcMotor, "_clip_effort", lambda motor, effort, *rest: law(motor, effort / motor.stiffness * 35.0, *rest)
    )
    with (
        pytest.raises(EngineError, match=r"randomization\.factors.*does not reach the physics"),
        batch(4, override("stiffness"), "randomization.bucket_by=[]", "robot.motors=dc_motor"),
    ):
        pass
