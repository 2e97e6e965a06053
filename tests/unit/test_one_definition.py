"""No engine has a copy of a task's definitions: no function of an engine is named, or written, like a term."""

import ast
from pathlib import Path

import surefoot
from surefoot.mdp import registry
from surefoot.mdp.fields import READABLE

ROOT = Path(surefoot.__file__).parent
KINDS = ("reward", "termination", "observation")


def functions(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Text of each function body, to where it stands and the function's name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                text = "\n".join(ast.unparse(statement) for statement in body)
                found.setdefault(text, []).append((str(path.relative_to(ROOT)), node.name))
    return found


def test_engines_define_no_term():
    """A term that only shows a field is named like it; the field is what an engine has to give."""
    terms = {name for kind in KINDS for name in registry.term_names(kind)} - READABLE.keys()
    engines = functions(ROOT / "engines")
    named = [place for places in engines.values() for place in places if place[1] in terms]
    assert len(terms) > 25 and len(engines) > 200  # both were found
    assert named == []


def test_engines_repeat_no_body_of_the_mdp_and_not_each_others():
    """Bodies of one short statement are alike by nature."""

    def long(bodies: dict[str, list[tuple[str, str]]]) -> dict[str, list[tuple[str, str]]]:
        return {text: places for text, places in bodies.items() if len(text) > 80}

    mdp, mujoco, isaaclab = (long(functions(ROOT / name)) for name in ("mdp", "engines/mujoco", "engines/isaaclab"))
    assert len(mdp) > 50
    assert [mdp[text] + mujoco[text] for text in mdp.keys() & mujoco.keys()] == []
    assert [mdp[text] + isaaclab[text] for text in mdp.keys() & isaaclab.keys()] == []
    assert [mujoco[text] + isaaclab[text] for text in mujoco.keys() & isaaclab.keys()] == []
