"""docs/sdk.md, made from the SDK's docstrings: `python -m tests.guards.sdk_page > docs/sdk.md`."""

import ast
import inspect

from tests.guards.sdk_surface import Function, definitions

HEAD = """# The connector API, version 1

Everything that a connector may import from `syncd.sdk`, with what its docstrings say; [Writing a connector](connectors.md) is the
way in, [changes](sdk-changes.md) tells what came when. httpx comes from `syncd.sdk.http`.
This page is made from the source (`tests/guards/sdk_page.py`); a test fails when it is out of date.
"""
PARTS = {  # the order of the page; what is in no part comes last
    "What you write": ["Connector", "ConnectorInfo", "Limits", "Lane", "Stream", "StreamInfo", "Writable", "Pushable"],
    "What you give": ["Account", "Departed", "Bookmark", "Partition", "Page", "Record", "Tombstone", "Reject", "Blob", "Item", "JSON"],
    "What you get": ["Context", "Clock", "SystemClock", "Secret"],
    "What a stream does": [
        "Scan", "FULL", "DELTA", "Deletes", "REPORTED", "SWEEP", "NEVER", "Identity", "ACCOUNT", "PARTITION"
    ],
    "Signing in": ["BearerAuth", "Token", "Vault"],
    "Errors": [
        "SyncdError", "RateLimited", "Transient", "CursorExpired", "AuthFailed", "Forbidden", "AccountGone", "PartitionGone",
        "ContentUnavailable", "ProtocolError", "VersionConflict", "Explanation",
    ],
}  # fmt: skip
REST = "Helpers"
WIDTH = 110


def page() -> str:
    nodes = dict(definitions())
    parts = {**PARTS, REST: [name for name in nodes if not any(name in names for names in PARTS.values())]}
    lines = [HEAD]
    for title, names in parts.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _entry(name, nodes[name])
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return _class(node)
    if isinstance(node, Function):
        return [f"### {name}", "", *_code(_signature(node)), *_text(node)]
    return [f"### {name}", "", *_code(ast.unparse(node))]


def _class(node: ast.ClassDef) -> list[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    members = [
        part
        for part in node.body
        if isinstance(part, ast.AnnAssign | ast.Assign) and not ast.unparse(part).startswith("_")
    ]
    body = [ast.unparse(part) for part in members]
    methods = [part for part in node.body if isinstance(part, Function) and not part.name.startswith("_")]
    start = next((part for part in node.body if isinstance(part, Function) and part.name == "__init__"), None)
    head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    opening = [head + (":" if body or start else ""), *(f"    {line}" for line in body if "__slots__" not in line)]
    if start is not None:
        opening += [f"    {line}" for line in _signature(start).splitlines()]
    lines = [f"### {node.name}", "", *_code("\n".join(opening)), *_text(node)]
    for method in methods:
        lines += [*_code(_signature(method)), *_text(method)]
    return lines


def _signature(node: Function) -> str:
    marks = "".join(f"@{ast.unparse(one)}\n" for one in node.decorator_list if ast.unparse(one) == "property")
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{kind} {node.name}({ast.unparse(node.args)}){returns}".replace("'Connector'", "Connector")
    return marks + (line if len(line) <= WIDTH else _folded(line, node))


def _folded(line: str, node: Function) -> str:
    """One parameter per line."""
    args = ast.unparse(node.args)
    return line.replace(args, "\n    " + ",\n    ".join(_split(args)) + ",\n")


def _split(args: str) -> list[str]:
    found, depth, start = [], 0, 0
    for place, char in enumerate(args):
        depth += (char in "[(") - (char in "])")
        if char == "," and not depth:
            found.append(args[start:place].strip())
            start = place + 1
    return [*found, args[start:].strip()]


def _code(text: str) -> list[str]:
    return ["```python", text, "```", ""]


def _text(node: ast.ClassDef | Function) -> list[str]:
    """The docstring; what is set in columns stays so."""
    text = inspect.cleandoc(ast.get_docstring(node) or "")
    if not text:
        return []
    blocks = [
        f"```text\n{block}\n```" if "\n    " in f"\n{block}" or ":   " in block else block
        for block in text.split("\n\n")
    ]
    return ["\n\n".join(blocks), ""]


if __name__ == "__main__":
    print(page(), end="")
