"""What differs between the two versions of Isaac Lab; no Isaac Lab needed."""

import importlib.metadata
import importlib.util
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.engines.isaaclab import compat
from surefoot.engines.isaaclab.compat import ovphysx
from surefoot.errors import EngineError, MissingExtra, UnknownName

W_XYZ = torch.tensor([[0.5, 0.1, -0.7, math.sqrt(1 - 0.25 - 0.01 - 0.49)]])
"""A rotation whose four numbers all differ."""


def test_quaternion_order_of_each_version() -> None:
    w, x, y, z = W_XYZ[0].tolist()
    assert compat.quat_to_isaac(W_XYZ, "3.0")[0].tolist() == [x, y, z, w]
    assert compat.quat_to_isaac(W_XYZ, "2.3")[0].tolist() == [w, x, y, z]


@pytest.mark.parametrize("version", ["2.3", "3.0"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_quaternions_come_back(version: str, shape: tuple[int, ...]) -> None:
    quat = torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)
    assert torch.equal(compat.quat_from_isaac(compat.quat_to_isaac(quat, version), version), quat)


def test_data_of_both_versions_become_tensors() -> None:
    value = torch.ones(2, 3)
    assert compat.as_tensor(value) is value
    assert compat.as_tensor(SimpleNamespace(torch=value)) is value


@given(st.permutations(["hip", "thigh", "calf", "wheel"]))
def test_joint_permutation_finds_each_joint(given_order: list[str]) -> None:
    wanted = ["hip", "thigh", "calf", "wheel"]
    order = compat.joint_permutation(wanted, given_order)
    assert [given_order[index] for index in order] == wanted


def test_joints_that_differ_are_named() -> None:
    with pytest.raises(EngineError, match=r"the robot lacks \['calf'\], robot.joints lacks \['knee'\]"):
        compat.joint_permutation(["hip", "calf"], ["hip", "knee"])


class Actuators(dict):
    """A dict in 2.3; 3.0's collection has the targets too."""

    def __init__(self, robot: Any) -> None:
        super().__init__()
        self.target_command = robot


class Articulation:
    """Isaac Lab's articulation as far as joints go, in another order than the manifest's; 2.3 or 3.0."""

    joint_names = ("b_hip", "a_hip", "b_calf", "a_calf")
    num_instances = 4

    def __init__(self, version: str) -> None:
        self._version = version
        self.actuators: Any = Actuators(self)
        self.pos, self.vel, self.target = torch.zeros(4, 4), torch.zeros(4, 4), torch.zeros(4, 4)

    @property
    def data(self) -> Any:
        def given(value: torch.Tensor) -> Any:
            return value if self._version == "2.3" else SimpleNamespace(torch=value)

        return SimpleNamespace(joint_pos=given(self.pos), joint_vel=given(self.vel))

    def write_joint_state_to_sim(self, position: torch.Tensor, velocity: torch.Tensor, env_ids: torch.Tensor) -> None:
        assert self._version == "2.3"
        self.pos[env_ids], self.vel[env_ids] = position, velocity

    def write_joint_position_to_sim_index(self, *, position: torch.Tensor, env_ids: torch.Tensor) -> None:
        assert self._version == "3.0"
        self.pos[env_ids] = position

    def write_joint_velocity_to_sim_index(self, *, velocity: torch.Tensor, env_ids: torch.Tensor) -> None:
        assert self._version == "3.0"
        self.vel[env_ids] = velocity

    def set_joint_position_target(self, target: torch.Tensor) -> None:
        assert self._version == "2.3"
        self.target[:] = target

    def set_position_index(self, *, value: torch.Tensor) -> None:
        assert self._version == "3.0"
        self.target[:] = value


MANIFEST_ORDER = ("a_hip", "a_calf", "b_hip", "b_calf")


@pytest.mark.parametrize(("version", "backend"), [("2.3", "isaacsim_physx"), ("3.0", "newton_mjwarp")])
def test_one_joint_at_a_time(version: str, backend: str) -> None:
    """Environment i moves joint i of the manifest: the simulator moves the joint of that name, and reads it back."""
    robot = Articulation(version)
    handle = compat.RobotHandle(robot, version, backend, MANIFEST_ORDER, "cpu")
    moved = torch.eye(4)
    handle.write_joints(torch.arange(4), moved, 2 * moved)
    handle.set_targets(3 * moved)
    for env, name in enumerate(MANIFEST_ORDER):
        column = robot.joint_names.index(name)
        for factor, held in ((1, robot.pos), (2, robot.vel), (3, robot.target)):
            expected = torch.zeros(4)
            expected[column] = factor
            assert torch.equal(held[env], expected), name
    assert torch.equal(handle.joint_pos(), moved)
    assert torch.equal(handle.joint_vel(), 2 * moved)


@pytest.mark.parametrize(("version", "backend"), [("2.3", "isaacsim_physx"), ("3.0", "newton_mjwarp")])
def test_only_the_named_environments_are_written(version: str, backend: str) -> None:
    robot = Articulation(version)
    handle = compat.RobotHandle(robot, version, backend, MANIFEST_ORDER, "cpu")
    handle.write_joints(torch.tensor([2]), torch.ones(1, 4), torch.ones(1, 4))
    assert robot.pos.sum(dim=1).tolist() == [0, 0, 4, 0]


def test_contact_is_looked_up_by_name_in_both_versions() -> None:
    for names in ({"sensor_names": ["b", "a", "c"]}, {"body_names": ["b", "a", "c"]}):
        assert compat.sensor_columns(SimpleNamespace(**names), ["a", "b"]) == [1, 0]
    with pytest.raises(EngineError, match="has no d; it has b, a, c"):
        compat.sensor_columns(SimpleNamespace(body_names=["b", "a", "c"]), ["a", "d"])


def test_contact_force_is_that_of_the_ground_where_it_is_known() -> None:
    net, matrix = torch.full((1, 2, 3), 7.0), torch.arange(12.0).reshape(1, 2, 2, 3)
    known = SimpleNamespace(data=SimpleNamespace(net_forces_w=net, force_matrix_w=matrix))
    assert compat.contact_force(known)[0].tolist() == [[0 + 3, 1 + 4, 2 + 5], [6 + 9, 7 + 10, 8 + 11]]
    unknown = SimpleNamespace(data=SimpleNamespace(net_forces_w=net, force_matrix_w=None))
    assert compat.contact_force(unknown) is net


WORKING = {"2.3.0": "2.3", "2.3.2.post1": "2.3", "0.47.2": "2.3", "0.54.1": "2.3", "3.0.0": "3.0", "6.1.16": "3.0"}


@pytest.mark.parametrize(("number", "family"), WORKING.items())
def test_versions_that_work(number: str, family: str) -> None:
    assert compat.version_family(number) == family


@pytest.mark.parametrize("number", ["2.2.1", "2.1.0", "0.44.9", "1.4.1", "unknown"])
def test_versions_that_do_not_are_named(number: str) -> None:
    with pytest.raises(EngineError, match=f"installed is '{number}'"):
        compat.version_family(number)


@pytest.fixture
def only_installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that of Isaac Lab's packages only the given ones are installed."""
    find_spec = importlib.util.find_spec

    def pretend(*packages: str) -> None:
        def found(name: str, *args: Any) -> Any:
            if name.startswith(("isaaclab", "isaacsim")):
                return SimpleNamespace(submodule_search_locations=["/nowhere"]) if name in packages else None
            return find_spec(name, *args)

        monkeypatch.setattr(importlib.util, "find_spec", found)

    return pretend


def test_no_isaac_lab(only_installed: Any) -> None:
    only_installed()
    with pytest.raises(
        MissingExtra, match=r"On Python 3\.12: pip install 'isaaclab\[ovphysx\]==3\.0\.0'.* Here is Python 3"
    ):
        compat.isaaclab_version()


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that Isaac Lab 3.0.0 is installed with packages of some versions."""

    def pretend(python: str = ">=3", **packages: str) -> None:
        asked = ["newton[sim]==1.6.1", "warp-lang==1.17.0", 'ovphysx==0.6.4; extra == "ovphysx"']
        asked.append('ovstage==0.2.1; extra == "ovphysx"')
        isaaclab = SimpleNamespace(version="3.0.0", metadata={"Requires-Python": python}, requires=asked)

        def version(name: str) -> str:
            if name.replace("-", "_") not in packages:
                raise importlib.metadata.PackageNotFoundError(name)
            return packages[name.replace("-", "_")]

        monkeypatch.setattr(importlib.metadata, "distribution", lambda name: isaaclab)
        monkeypatch.setattr(importlib.metadata, "version", version)

    return pretend


def test_packages_that_isaac_lab_was_released_with_pass(released: Any) -> None:
    released(newton="1.6.1", warp_lang="1.17.0", ovphysx="0.6.4", ovstage="0.2.1")
    compat.check_packages("newton_mjwarp")
    compat.check_packages("ovphysx")


def test_packages_that_do_not_fit_are_named_with_what_to_install(released: Any) -> None:
    released(newton="1.2.1", warp_lang="1.17.0")
    with pytest.raises(
        EngineError, match=r"works with newton==1\.6\.1; installed is newton 1\.2\.1.*'isaaclab==3\.0\.0'"
    ):
        compat.check_packages("newton_mjwarp")
    with pytest.raises(
        MissingExtra, match=r"'ovphysx', which is not installed: pip install 'isaaclab\[ovphysx\]==3\.0\.0'"
    ):
        compat.check_packages("ovphysx")
    released(python=">=3.99")
    with pytest.raises(EngineError, match=r"Isaac Lab 3\.0\.0 needs Python >=3\.99; here is 3\."):
        compat.check_packages("newton_mjwarp")


def test_a_processor_without_avx_is_refused(tmp_path: Any) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu sse2 avx avx2\n")
    ovphysx.check_cpu(info)
    info.write_text("processor : 0\nflags\t\t: fpu sse2 avx512x\n")
    with pytest.raises(EngineError, match="needs a processor with AVX"):
        ovphysx.check_cpu(info)
    ovphysx.check_cpu(tmp_path / "absent")  # not Linux: nothing is known


def test_physx_without_isaac_sim(only_installed: Any) -> None:
    only_installed("isaaclab")
    with pytest.raises(EngineError, match=r"PhysX on Isaac Lab 2\.3 needs Isaac Sim 5\.1, which is not installed: pip"):
        compat.launch("2.3", "isaacsim_physx", "cpu")
    with pytest.raises(EngineError, match=r"needs Isaac Sim 6.*use --engine isaaclab:ovphysx"):
        compat.launch("3.0", "isaacsim_physx", "cpu")


def test_physics_backends() -> None:
    assert [compat.physics_backend(version, None) for version in ("2.3", "3.0")] == ["isaacsim_physx", "newton_mjwarp"]
    for version, names in compat.BACKENDS.items():
        assert all(compat.physics_backend(version, name) == name for name in names)
    assert compat.physics_backend("2.3", "physx") == "isaacsim_physx"
    with pytest.raises(UnknownName, match=r"'newton' not found\. Did you mean 'newton_mjwarp'\?"):
        compat.physics_backend("3.0", "newton")
    with pytest.raises(UnknownName, match=r"Isaac Lab 2\.3 'newton_mjwarp' not found\. Known: isaacsim_physx"):
        compat.physics_backend("2.3", "newton_mjwarp")
