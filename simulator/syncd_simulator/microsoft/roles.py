"""Directory roles and who holds them (microsoft.md §9). Public: API, READ, WRITE, ROUTES.

Only activated roles are listed; neither list is paged; members are of mixed kinds.
"""

from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft import delta
from syncd_simulator.microsoft.directory import DEFAULT, properties
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply, project, select_of

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["API", "READ", "ROUTES", "WRITE"]

API = "directory"
READ = {"RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "Directory.Read.All"}
WRITE = {"RoleManagement.ReadWrite.Directory"}
ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"


def _role(world: "MicrosoftWorld", template: str) -> JSON:
    return {
        "id": world.roles[template], "deletedDateTime": None, "roleTemplateId": template,
        "description": "Can manage all aspects of Microsoft Entra ID and its services.",
        "displayName": "Global Administrator" if template == ADMINISTRATOR else "Directory Readers",
    }  # fmt: skip


def list_roles(world: "MicrosoftWorld", call: Call) -> JSON:
    """Activated roles."""
    found = [_role(world, template) for template in world.roles]
    text = (call.get("$filter") or "").strip()
    if text:
        name, _, wanted = text.partition(" eq ")
        if name not in ("roleTemplateId", "displayName", "id"):
            raise ApiError(400, "Request_UnsupportedQuery", "Unsupported query.")
        found = [role for role in found if role[name] == wanted.strip("'")]
    select = select_of(call)
    return {"@odata.context": f"{call.root}/v1.0/$metadata#directoryRoles",
            "value": [project(role, select) for role in found]}  # fmt: skip


def _template(world: "MicrosoftWorld", call: Call) -> str:
    key = call.args.get("t") or next((t for t, role in world.roles.items() if role == call.args.get("r")), "")
    if key not in world.roles:
        wanted = call.args.get("t") or call.args.get("r")
        raise ApiError(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist or one of its queried "
                       "reference-property objects are not present.")  # fmt: skip
    return key


def get_role(world: "MicrosoftWorld", call: Call) -> JSON:
    """One role."""
    return _role(world, _template(world, call))


def members(world: "MicrosoftWorld", call: Call) -> JSON:
    """Users, and the service principals and groups that hold a role too."""
    template, select = _template(world, call), select_of(call)
    found: list[JSON] = []
    if template == ADMINISTRATOR:
        for user in world.users.values():
            if user.is_admin:
                known = properties(world, user)
                shown = {name: known[name] for name in DEFAULT} if select is None else project(known, select)
                found.append({"@odata.type": "#microsoft.graph.user"} | shown)
        found += world.role_members
    return {"@odata.context": f"{call.root}/v1.0/$metadata#directoryObjects", "value": found}


def roles_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """Changes of activated roles."""
    return delta.answer(world, call, lambda first: delta.Feed(
        (API, "roles"), API, "directory", "/directoryRoles/delta", "directoryRoles",
        lambda: {role: template for template, role in world.roles.items()},
        lambda now, key: next((_role(world, t) for t, role in world.roles.items() if role == key), None),
        lambda now, key, version: {"id": key, "@removed": {"reason": "deleted"}},
    ))  # fmt: skip


ROUTES: list[Any] = [
    ("GET", "/directoryRoles", list_roles),
    ("GET", "/directoryRoles/delta", roles_delta),
    ("GET", "/directoryRoles/{r}", get_role),
    ("GET", "/directoryRoles/{r}/members", members),
    ("GET", "/directoryRoles/roleTemplateId={t}", get_role),
    ("GET", "/directoryRoles/roleTemplateId={t}/members", members),
    ("GET", "/directoryRoles(roleTemplateId='{t}')", get_role),
    ("GET", "/directoryRoles(roleTemplateId='{t}')/members", members),
]
