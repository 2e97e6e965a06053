"""As in an installed Isaac Sim: USD cannot be imported before the app runs."""

import sys


class UsdAfterLaunch:
    """Refuses `pxr` until `launched` is set."""

    launched = False

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> None:
        if not cls.launched and name.partition(".")[0] == "pxr":
            raise ModuleNotFoundError(f"No module named {name!r}: Isaac Sim has not been launched.", name=name)


if "pxr" not in sys.modules:
    sys.meta_path.insert(0, UsdAfterLaunch)
