"""Contacts that are too soft for Newton's height field: the overrides that the caveat names are those that end it."""

from surefoot.engines.isaaclab.compat.newton import FIRM, soft_contacts
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Rough-Unitree-Go1-v0"


def test_the_named_overrides_make_contacts_firm_and_leave_the_control_step() -> None:
    shipped = compose_manifest(manifest_root(), TASK, [])
    caveat = soft_contacts(shipped)
    assert "\n" not in caveat
    overrides = caveat.partition("Add: ")[2].split()
    assert overrides == [
        "simulation.timestep=0.005", "simulation.decimation=4", "robot.contact_models.lean.solref=[0.01,1]",
    ]  # fmt: skip
    firm = compose_manifest(manifest_root(), TASK, overrides)
    assert soft_contacts(firm) == ""
    assert firm.robot.contact_models["lean"].solref[0] == FIRM == 2 * firm.simulation.timestep
    assert firm.simulation.step_dt == shipped.simulation.step_dt
