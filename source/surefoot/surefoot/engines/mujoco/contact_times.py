"""Air and contact times of mjlab's contact sensors, with the same arithmetic and less overhead.

mjlab advances them after every physics step by about thirty torch operations on a few hundred numbers, where the calls
cost more than the arithmetic. Axes: N environments, P sensor primaries, S contact slots for each.
"""

from collections.abc import Iterable

import numpy as np
from mjlab.sensor import ContactSensor
from mjlab.sensor.sensor import Sensor

from surefoot.engines.mujoco.batch_sim import BatchSimulation


class ContactTimes:
    """Stands for `ContactSensor._update_air_time_tracking`; the sensor's own buffers are updated in place."""

    def __init__(self, sensor: ContactSensor, sim: BatchSimulation) -> None:
        state = sensor._air_time_state
        assert state is not None
        self._air, self._last_air = state.current_air_time.numpy(), state.last_air_time.numpy()
        self._contact, self._last_contact = state.current_contact_time.numpy(), state.last_contact_time.numpy()
        slots = [slot.sensor_name for slot in sensor._slots if slot.field_name == "found"]
        first = np.array([sim.mj_model.sensor(name).adr[0] for name in slots])
        self._columns = first[:, None] + np.arange(sensor.cfg.num_slots)  # (P, S)
        self._sensordata: np.ndarray = sim.data.sensordata.numpy()

    def advance(self, dt: float) -> None:
        """One physics step of `dt` s."""
        touches: np.ndarray = np.any(self._sensordata[:, self._columns] > 0, axis=2)  # (N, P)
        flies = ~touches
        _advance(self._air, self._last_air, flies, touches, dt)
        _advance(self._contact, self._last_contact, touches, flies, dt)


def use_fast_contact_times(sensors: Iterable[Sensor], sim: BatchSimulation) -> None:
    """Give the sensors that track air time the faster update; sensors of derived classes keep their own."""
    for sensor in sensors:
        if type(sensor) is ContactSensor and sensor.cfg.track_air_time and "found" in sensor.cfg.fields:
            sensor._update_air_time_tracking = ContactTimes(sensor, sim).advance


def _advance(time: np.ndarray, last: np.ndarray, lasts: np.ndarray, ended: np.ndarray, dt: float) -> None:
    """A phase that lasts grows by `dt`; one that has just ended is noted in `last` and starts again at 0."""
    grown = time + np.float32(dt)
    np.copyto(last, grown, where=ended & (time > 0))
    np.multiply(grown, lasts, out=time)
