"""Joint orders that robots, simulators and laboratories use: an index means a joint only together with one of these."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import model_validator

from surefoot import labs
from surefoot.errors import ManifestError, TraceError, UnknownName, did_you_mean, unknown_name
from surefoot.manifest.base import KeyedError, Name, Section
from surefoot.manifest.document import read_document


class JointOrder(Section):
    """Names of the joints in the order of some software's arrays."""

    robot: Name
    joints: tuple[str, ...]
    source: str
    """Where that order is written down."""

    @model_validator(mode="after")
    def _check(self) -> "JointOrder":
        if len(set(self.joints)) < len(self.joints):
            raise KeyedError("joints", f"expected every name once, got {list(self.joints)}")
        return self


class JointOrders(Section):
    """The file `traces/joint_orders.yaml`."""

    schema_version: int
    orders: dict[str, JointOrder]

    def get(self, name: str) -> JointOrder:
        """An order by name.

        Raises:
            UnknownName: With the nearest name.
        """
        if name not in self.orders:
            raise unknown_name("Joint order", name, self.orders)
        return self.orders[name]

    def indices(self, source: str, target: str) -> list[int]:
        """Where each joint of `target` stands in arrays of `source`.

        Raises:
            UnknownName, TraceError: No such order, or they are of different joints.
        """
        here, there = self.get(source), self.get(target)
        if set(here.joints) != set(there.joints):
            raise TraceError(f"joint orders {source!r} and {target!r} are of different joints.")
        return [here.joints.index(joint) for joint in there.joints]


def read_joint_orders(root: Path) -> JointOrders:
    """Read the orders from a folder of manifests, and those that labs add.

    Raises:
        ManifestError: Absent or misspelt, or an order of a lab has the name of another one.
    """
    orders: dict[str, JointOrder] = {}
    paths = [folder / "traces" / "joint_orders.yaml" for folder in labs.folders(root)]
    for path in paths[:1] + [path for path in paths[1:] if path.is_file()]:
        for name, order in read_document(path, JointOrders).orders.items():
            if name in orders:
                raise ManifestError(f"{path}: orders.{name}: this name is taken; give the order another one.")
            orders[name] = order
    return JointOrders(schema_version=1, orders=orders)


def positions(names: Sequence[str], wanted: Sequence[str], where: str) -> list[int]:
    """Index of each wanted name in `names`, for arrays that come with names.

    Raises:
        UnknownName: One is absent; with the nearest name.
    """
    index = {name: at for at, name in enumerate(names)}
    # Of two joints of one name nobody knows which is meant.
    if len(index) < len(names):
        raise UnknownName(f"{where}: joint names {list(names)} hold one name twice.")
    for name in wanted:
        if name not in index:
            raise UnknownName(f"{where}: joint {name!r} not found. {did_you_mean(name, names)}")
    return [index[name] for name in wanted]
