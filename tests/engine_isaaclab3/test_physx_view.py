"""PhysX's view as 3.0 hands it out, Warp's arrays: read and written on Isaac Lab's own mock of it."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

NUM, LINKS, JOINTS = 3, 4, 2
ONE = torch.tensor([1])


@pytest.fixture
def view() -> Any:
    mocks = pytest.importorskip("isaaclab_physx.test.mock_interfaces.views.mock_articulation_view_warp")
    return rows_of_all(mocks.MockArticulationViewWarp(count=NUM, num_dofs=JOINTS, num_links=LINKS))


def rows_of_all(view: Any) -> Any:
    """The mock takes the rows that are to be written; PhysX, everyone's and the indices of those."""
    import warp

    def setter(mocked: Any) -> Any:
        def write(values: Any, indices: Any = None) -> None:
            assert values.shape[0] == NUM
            if indices is None:
                mocked(values)
            else:
                mocked(warp.from_torch(warp.to_torch(values)[warp.to_torch(indices).long()]), indices)

        return write

    for name in ("set_masses", "set_inertias", "set_coms"):
        setattr(view, name, setter(getattr(view, name)))
    return view


@pytest.fixture
def handle(view: Any) -> Any:
    from surefoot.engines.isaaclab.compat.parameters import RobotParameters

    data = SimpleNamespace(_body_com_pose_b=SimpleNamespace(timestamp=3.0))
    return RobotParameters(SimpleNamespace(root_view=view, data=data, actuators={}), "3.0", "isaacsim_physx")


@pytest.mark.parametrize(("what", "shape"), [("masses", (LINKS,)), ("inertias", (LINKS, 9)), ("coms", (LINKS, 3))])
def test_what_is_written_to_one_environment_is_read_back(handle: Any, what: str, shape: tuple[int, ...]) -> None:
    before, wanted = getattr(handle, what)(), 2.0 + torch.arange(float(torch.Size(shape).numel())).reshape(1, *shape)
    getattr(handle, f"write_{what}")(ONE, wanted)
    after = getattr(handle, what)()
    assert torch.equal(after[1], wanted[0])
    assert torch.equal(after[[0, 2]], before[[0, 2]])


def test_a_moved_centre_of_mass_keeps_its_axes_and_outdates_isaac_labs_copy(handle: Any, view: Any) -> None:
    import warp

    turned = warp.to_torch(view.get_coms()).clone()
    turned[..., 3:] = torch.tensor([0.0, 0.6, 0.0, 0.8])
    view.set_coms(warp.from_torch(turned))
    handle.write_coms(ONE, torch.ones(1, LINKS, 3))
    assert torch.allclose(warp.to_torch(view.get_coms())[1, :, 3:], torch.tensor([0.0, 0.6, 0.0, 0.8]))
    assert handle._robot.data._body_com_pose_b.timestamp == -1.0


def test_joint_friction_is_one_torque_at_rest_and_in_motion(handle: Any, view: Any) -> None:
    import warp

    friction = torch.tensor([[0.2, 0.2, 0.0], [0.3, 0.1, 0.0]]).expand(NUM, JOINTS, 3).contiguous()
    view.set_dof_friction_properties(warp.from_torch(friction))
    held = handle.joint_parameter("joint_friction")
    assert torch.allclose(held[:, 0], torch.tensor(0.2))
    assert held[:, 1].isnan().all()
