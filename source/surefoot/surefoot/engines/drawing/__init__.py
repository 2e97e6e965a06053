"""Pictures of a robot's state: MuJoCo draws it from the MJCF, whatever engine simulates."""

from surefoot.engines.drawing.drawer import Drawer
from surefoot.engines.drawing.stage import check_drawable

__all__ = ["Drawer", "check_drawable"]
