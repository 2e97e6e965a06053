"""Hooks of `mkdocs build`: pages that lie outside of docs/, and the fields of a manifest as the code has them."""

import ast
import inspect
import posixpath
import re
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from surefoot.manifest import Manifest

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "manifests/README.md": "manifests.md",
    "docker/README.md": "containers.md",
    "CHANGELOG.md": "changelog.md",
}
"""Page of the site, by file of the repository."""

CODE_OR_LINK = re.compile(r"(```.*?```|`[^`\n]*`|!?\[[^\]]*\]\([^)\s]*\))", re.DOTALL)


def on_files(files: "Files", *, config: "MkDocsConfig") -> "Files":
    """Add the pages that have no file in docs/."""
    from mkdocs.structure.files import File

    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    files.append(File.generated(config, "manifest_fields.md", content=fields_page()))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn paths of the repository, in links and in plain text, into links of the site."""
    source = next((path for path, name in ELSEWHERE.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    return re.sub(r"-->\n(?=\|)", "-->\n\n", site_links(markdown, source))  # GitHub needs no empty line before a table


def site_links(markdown: str, source: str) -> str:
    """The text of a file of the repository with links that hold in the site, where all pages lie in one folder."""
    parts = CODE_OR_LINK.split(markdown)
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = re.sub(
                r"(?<![\w/])docs/(\w+)\.md", lambda found: f"[{found[1].replace('_', ' ')}]({found[1]}.md)", part
            )
        elif (link := re.fullmatch(r"(!?\[.*\]\()([^)#:]+)(#[^)]*)?\)", part, re.DOTALL)) is not None:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
            parts[index] = f"{link[1]}{ELSEWHERE.get(path, path.removeprefix('docs/'))}{link[3] or ''})"
    return "".join(parts)


def fields_page() -> str:
    """Every key of a manifest with type, bounds, default and the sentence that the code has about it."""
    head = """# Fields of a manifest

This page is for those who look up a key: what it takes, what it is where it is left out, and what it means. It is
generated from the classes that check a manifest. [Manifests](manifests.md) explains the same keys in order, with the
values that terms and factors take.

```bash
surefoot manifest show Surefoot-Velocity-Flat-Unitree-Go1-v0     # every key with its value
surefoot train --task Surefoot-Velocity-Flat-Unitree-Go1-v0 ppo.gamma=0.98
```

`<name>` is a name of your choice, `[]` an entry of a list.
"""
    lines = [head]
    section = ""
    explained = explained_keys()
    for key, kind, default, meaning in field_rows(Manifest):
        top = key.split(".")[0].removesuffix("[]") if "." in key else "Top"
        if top != section:
            section = top
            lines.append(f"\n## {top}\n\n| key | takes | default | meaning |\n|---|---|---|---|")
        meaning = meaning or explained[re.sub(r"^(ppo|task\.observations)\.(actor|critic)\.", r"\1.<group>.", key)]
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in (f"`{key}`", kind, default, meaning))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def explained_keys() -> dict[str, str]:
    """What manifests/README.md, which a test compares with the code, says of each key."""
    text = (ROOT / "manifests/README.md").read_text().split("## Factors")[0]
    rows = re.findall(r"^\| `([^`]+)` \|.*\|([^|]+)\|$", text, flags=re.MULTILINE)
    return {key: meaning.strip() for key, meaning in rows}


def field_rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, what it takes, default and meaning of each field; those of sections within come in place of the section."""
    meanings = attribute_docs(model)
    for name, info in model.model_fields.items():
        inner, suffix = section_of(info.annotation)
        if inner is not None:
            yield from field_rows(inner, f"{prefix}{name}{suffix}.")
            continue
        default = "" if info.is_required() else f"`{shown(info.get_default(call_default_factory=True))}`"  # pyright: ignore[reportCallIssue]
        yield f"{prefix}{name}", takes(info), default, meanings.get(name, "")


def shown(value: Any) -> str:
    """A default as YAML would have it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "[]" if value == () else str(value)


def section_of(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The section that a field holds, alone, in a list (`[]`) or under names (`.<name>`)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, inner = get_origin(annotation), get_args(annotation)
    for part in reversed(inner):
        found, suffix = section_of(part)
        if found is not None:
            return found, ("[]" if origin is tuple else ".<name>" if origin is dict else "") + suffix
    return None, ""


def takes(info: FieldInfo) -> str:
    """Type and bounds of a field in words."""
    return words(info.annotation) + bounds(info.metadata)


def words(annotation: Any) -> str:
    """A type in words: `number`, `list of text`, `one of log, pause`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return words(inner[0]) + bounds([part for item in inner[1:] for part in getattr(item, "metadata", [item])])
    if origin is Literal:
        return ", ".join(str(value) for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(part) for part in inner))
    if origin is tuple:
        return f"list of {words(inner[0])}" if inner[-1] is Ellipsis else f"[{', '.join(map(words, inner))}]"
    if origin in (dict, frozenset, list):
        return f"mapping to {words(inner[-1])}" if origin is dict else f"list of {words(inner[0])}"
    plain = {float: "number", int: "whole number", str: "text", bool: "true, false", types.NoneType: "null", Any: "any"}
    return plain.get(annotation, str(getattr(annotation, "__name__", annotation)))


def bounds(metadata: list[Any]) -> str:
    """` > 0, <= 1` of what pydantic keeps about a field."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [
        f"{sign} {getattr(item, key):.10g}"
        for item in metadata
        for key, sign in signs.items()
        if getattr(item, key, None) is not None
    ]
    return " " + ", ".join(found) if found else ""


def attribute_docs(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below the attributes of a class and of the classes that it comes from."""
    docs: dict[str, str] = {}
    for cls in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                docs[field.target.id] = inspect.cleandoc(str(text.value.value))
    return docs
