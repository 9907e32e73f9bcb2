"""The public surface of `syncd.sdk`, entry by entry: `python -m tests.guards.sdk_surface` brings the kept one up to date.

Public: surface, read, problems, unnoted, KEPT, NOTES.

Kept in tests/compat/sdk-1.json by revision (1.0, 1.1, …), each with what it added. It is read from the source text, so
that it says the same under every Python. What is kept may not change or go while API_VERSION is 1: the command refuses.
"""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import syncd.sdk

ROOT = Path(__file__).parents[2]
SDK = Path(syncd.sdk.__file__).parent
KEPT = ROOT / "tests/compat/sdk-1.json"
NOTES = ROOT / "docs/sdk-changes.md"
WRITTEN_BY_AUTHORS = {"Connector", "Stream", "Writable", "Pushable", "BearerAuth"}  # what others implement

Function = ast.FunctionDef | ast.AsyncFunctionDef
Surface = dict[str, str]


def definitions() -> Iterator[tuple[str, ast.stmt]]:
    """Each public name of the SDK with the statement that makes it, in the order of `__all__`."""
    made: dict[str, ast.stmt] = {}
    for path in sorted(SDK.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            made.update(dict.fromkeys(_names(node), node))
    for name in syncd.sdk.__all__:
        yield name, made[name]


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=[ast.Tuple(elts=parts)]):
            return [part.id for part in parts if isinstance(part, ast.Name)]
        case ast.Assign(targets=[ast.Name(id=name)]):
            return [name]
    return []


def _value(name: str, node: ast.stmt) -> ast.expr:
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    assert node.value is not None
    return node.value.elts[_names(node).index(name)] if isinstance(node.value, ast.Tuple) else node.value


def surface() -> Surface:
    """What may be relied on: names, bases, members, parameters, fields and their defaults, and what errors lead to."""
    found: Surface = {}
    for name, node in definitions():
        if isinstance(node, ast.ClassDef):
            found |= _class(node)
        elif isinstance(node, Function):
            found |= _function(name, node)
        else:
            found[name] = ast.unparse(_value(name, node))
    return found


def _class(node: ast.ClassDef) -> Surface:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    made = ", ".join(ast.unparse(one) for one in node.decorator_list)
    found = {node.name: f"class({bases})" + (f" by {made}" if made else "")}
    fields = 0
    for part in node.body:
        if isinstance(part, Function) and (part.name == "__init__" or not part.name.startswith("_")):
            found |= _function(f"{node.name}.{part.name}", part)
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            default = f" = {ast.unparse(part.value)}" if part.value else ""
            found[f"{node.name}.{part.target.id}"] = f"{fields}: {ast.unparse(part.annotation)}{default}"
            fields += 1
        elif isinstance(part, ast.Assign) and not _names(part)[0].startswith("_"):
            found[f"{node.name}.{_names(part)[0]}"] = ast.unparse(part.value)
    return found


def _function(name: str, node: Function) -> Surface:
    kind = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    marks = "".join(f"@{ast.unparse(one)} " for one in node.decorator_list)
    found = {name: f"{marks}{kind}-> {ast.unparse(node.returns) if node.returns else ''}"}
    return found | {f"{name}({one})": what for one, what in _parameters(node.args)}


def _parameters(args: ast.arguments) -> Iterator[tuple[str, str]]:
    placed = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(placed) - len(args.defaults)) + list(args.defaults)
    rows = [(str(place), arg, default) for place, (arg, default) in enumerate(zip(placed, defaults, strict=True))]
    rows += [("keyword", arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    rows += [(star, arg, None) for star, arg in (("*", args.vararg), ("**", args.kwarg)) if arg is not None]
    for place, arg, default in rows:
        if arg.arg != "self":
            known = f" = {ast.unparse(default)}" if default is not None else ""
            yield arg.arg, f"{place}: {ast.unparse(arg.annotation) if arg.annotation else ''}{known}"


def read() -> dict[str, Surface]:
    """What is kept, by revision; nothing before the first."""
    found: dict[str, Surface] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def whole(kept: Mapping[str, Surface]) -> Surface:
    return {name: what for part in kept.values() for name, what in part.items()}


def problems(before: Surface, now: Surface) -> list[str]:
    """What would break a connector written for `before`."""
    gone = [f"{name} is gone" for name in before if name not in now]
    other = [
        f"{name} was {before[name]!r}, is {now[name]!r}"
        for name in before
        if now.get(name, before[name]) != before[name]
    ]
    return (
        gone
        + other
        + [f"{name} is new: {why}" for name in now if name not in before and (why := _demands(name, before, now))]
    )


def _demands(name: str, before: Surface, now: Surface) -> str | None:
    """Why something new asks for more than connectors give."""
    owner, _, parameter = name.partition("(")
    kind = owner.partition(".")[0]
    if kind not in before or (parameter and owner not in before):  # it came along with something new
        return None
    if parameter:
        if kind in WRITTEN_BY_AUTHORS and not owner.endswith(".__init__"):
            return "what authors write would be called with it"
        return None if " = " in now[name] or now[name].startswith("*") else "a parameter without a default"
    if "@abstractmethod" in now[name] or "Protocol" in before[kind]:
        return "every author would have to write it"
    is_field = now[name][:1].isdigit()
    return "a field without a default" if is_field and " = " not in now[name] else None


def unnoted(kept: Mapping[str, Surface], notes: str) -> list[str]:
    """Revisions without a heading in the notes, and additions that the notes under it do not name."""
    sections = {part.partition("\n")[0].split(" ")[0]: part for part in notes.split("\n## ")[1:]}
    missing = [f"there is no heading ## {revision}" for revision in kept if revision not in sections]
    for revision, part in list(kept.items())[1:]:
        text = sections.get(revision, "")
        names = dict.fromkeys(name.partition("(")[0] for name in part)
        missing += [f"{revision} does not name `{name}`" for name in names if f"`{name}" not in text]
    return missing


def main() -> int:
    kept, now = read(), surface()
    broken = problems(whole(kept), now) if kept else []
    if broken:
        print("refused: connectors for version 1 would break", *broken, sep="\n  ", file=sys.stderr)
        return 1
    new = {name: now[name] for name in sorted(now.keys() - whole(kept).keys())}
    if new:
        kept[f"1.{len(kept)}"] = new
        KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    print(*unnoted(kept, NOTES.read_text()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
