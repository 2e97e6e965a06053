"""Which OpenGL draws pictures on this machine."""

import os
import subprocess
import sys

from surefoot.errors import MissingExtra

BACKENDS = ("egl", "osmesa")
"""In order of preference. EGL uses a GPU where there is one and Mesa's software renderer where there is none."""

APT_LINE = "apt-get install libegl1 libgl1 libgl1-mesa-dri"

_PROBE = "import mujoco; mujoco.Renderer(mujoco.MjModel.from_xml_string('<mujoco/>'), 16, 16).render()"


def choose_opengl() -> str:
    """Set `MUJOCO_GL` to a way of drawing without a screen that works here; a value already set is only tried.

    Returns:
        The value of `MUJOCO_GL`.

    Raises:
        MissingExtra: None works; names the Debian packages.
    """
    chosen = os.environ.get("MUJOCO_GL")
    for backend in (chosen,) if chosen else BACKENDS:
        if _works(backend):
            os.environ["MUJOCO_GL"] = backend
            return backend
    tried = f"MUJOCO_GL={chosen} does not work" if chosen else "no OpenGL that draws without a screen was found"
    way_out = "Unset MUJOCO_GL, or install Mesa's software renderer" if chosen else "Install Mesa's software renderer"
    raise MissingExtra(f"Pictures need OpenGL, and {tried} on this machine. {way_out}: {APT_LINE}")


def _works(backend: str) -> bool:
    """Make a context in another process: a failed try would spoil this one, and some drivers crash."""
    environment = os.environ | {"MUJOCO_GL": backend}
    environment.pop("PYOPENGL_PLATFORM", None)
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], env=environment, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
