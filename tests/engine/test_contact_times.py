"""Air and contact times are those of mjlab's own update, bit for bit."""

from dataclasses import replace

import pytest
import torch
from mjlab.envs import ManagerBasedRlEnv
from mjlab.sensor import ContactSensor, ContactSensorCfg
from torch import Tensor

from cases import mjlab_cfg, random_actions
from surefoot.engines.mujoco import make_mjlab_env

TIMES = ("current_air_time", "last_air_time", "current_contact_time", "last_contact_time")


def build(own_update: bool) -> tuple[ManagerBasedRlEnv, list[ContactSensor]]:
    """mjlab's task, and its foot sensor beside one of the same feet with two slots for each."""
    cfg = mjlab_cfg()
    (feet,) = (s for s in cfg.scene.sensors if isinstance(s, ContactSensorCfg) and s.track_air_time)
    cfg.scene.sensors = (*cfg.scene.sensors, replace(feet, name="two_slots", num_slots=2, reduce="maxforce"))
    env = make_mjlab_env(cfg, device="cpu")
    sensors = [env.scene.sensors[name] for name in (feet.name, "two_slots")]
    for sensor in sensors:
        assert isinstance(sensor, ContactSensor)
        if own_update:
            del sensor._update_air_time_tracking  # mjlab's method is behind it
    return env, sensors


def roll(env: ManagerBasedRlEnv, sensors: list[ContactSensor]) -> tuple[Tensor, Tensor]:
    """Times and observations with rewards, after each of 80 steps; large actions: some robots fall and are reset."""
    env.reset()
    times, rest = [], []
    for action in random_actions(80, env.num_envs, scale=1.5):
        observations, reward, *_ = env.step(action)
        times.append(torch.stack([getattr(sensor.data, name) for sensor in sensors for name in TIMES]))
        rest.append(torch.cat((observations["actor"], observations["critic"], reward.unsqueeze(1)), dim=1).clone())
    return torch.stack(times), torch.stack(rest)


def test_the_same_bits_as_mjlabs_own_update():
    ours, reference = (roll(*build(own)) for own in (False, True))
    assert torch.equal(ours[0], reference[0])
    assert torch.equal(ours[1], reference[1])
    assert (ours[0].amax(dim=(0, 2, 3)) > 0).all(), "a time that never grew was not compared"


def test_a_foot_that_leaves_and_lands():
    env, (feet, _) = build(own_update=False)
    env.reset()
    found = [slot.data_view for slot in feet._slots if slot.field_name == "found"]
    for touches in (1, 1, 0, 0, 0, 1):
        for view in found:
            view[:] = touches
        feet.update(0.005)
    # Two steps on the ground; the note is taken in the first step of the flight, so it says three. Likewise the flight.
    expected = {
        "current_air_time": 0.0,
        "last_air_time": 0.02,
        "current_contact_time": 0.005,
        "last_contact_time": 0.015,
    }
    for name, seconds in expected.items():
        assert getattr(feet.data, name).tolist() == [[pytest.approx(seconds)] * 4] * 8
