"""The physics threads get a core each where there are as many, and are left to the scheduler otherwise."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cases import mjlab_cfg
from surefoot.engines.mujoco import make_mjlab_env
from surefoot.engines.mujoco.affinity import one_core_each, usable_cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are bound to cores on Linux only")


@contextmanager
def waiting_threads(count: int) -> Iterator[list[set[int]]]:
    """Threads bound as a pool of `count` would be; yields the cores that each may use."""
    end = threading.Event()
    with one_core_each(count):
        threads = [threading.Thread(target=end.wait) for _ in range(count)]
        for thread in threads:
            thread.start()
    try:
        yield [os.sched_getaffinity(thread.native_id or 0) for thread in threads]
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_as_many_threads_as_cores_get_a_core_each():
    cores = usable_cores()
    if len(cores) < 2:
        pytest.skip("one core: nothing to share out")
    with waiting_threads(len(cores)) as allowed:
        assert sorted(map(sorted, allowed)) == [[core] for core in cores]
    assert usable_cores() == cores  # this thread itself stays free


@pytest.mark.parametrize("more", [-1, 1])
def test_fewer_or_more_threads_than_cores_are_left_alone(more: int):
    cores = usable_cores()
    with waiting_threads(max(1, len(cores) + more)) as allowed:
        assert all(sorted(each) == cores for each in allowed)


def test_an_environment_binds_its_pool_when_it_takes_all_cores():
    before = {int(task) for task in os.listdir("/proc/self/task")}
    env = make_mjlab_env(mjlab_cfg(num_envs=2 * len(usable_cores())), device="cpu")
    started = [int(task) for task in os.listdir("/proc/self/task") if int(task) not in before]
    bound = [cores for cores in map(os.sched_getaffinity, started) if len(cores) == 1]
    assert env.sim.batch.num_threads == len(usable_cores())
    assert len(bound) >= len(usable_cores())
    assert set().union(*bound) == set(usable_cores())
