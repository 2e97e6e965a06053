"""What `import isaacsim` gives before an app runs: the class that starts one."""

import atexit
import importlib
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("EXP_PATH", str(Path(__file__).parent / "apps"))


class SimulationApp:
    """Makes carb, omni, isaacsim.core and pxr importable, then loads Isaac Lab's extensions, as its .kit files say."""

    def __init__(self, launch_config: dict[str, Any] | None = None, experience: str = "") -> None:
        assert Path(experience).is_file(), f"no experience file {experience!r}"
        self.config = dict(launch_config or {})
        sys.modules["sitecustomize"].UsdAfterLaunch.launched = True
        from isaaclab_double import install

        install.install()
        for name in ("isaaclab.envs", "isaaclab_assets", "isaaclab_tasks"):
            importlib.import_module(name)
        if "pytest" not in sys.modules:
            atexit.register(self.close)

    def is_running(self) -> bool:
        return True

    def update(self) -> None:
        from isaaclab_double.kit import APP

        APP.update()

    def close(self, *args: Any, **kwargs: Any) -> None:
        """Ends the process, with success whatever went wrong, as Isaac Sim 5.1 does (IsaacSim#717)."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
