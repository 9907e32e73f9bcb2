"""The modules of the CRM and their fields, as `settings/fields` describes them (zoho.md §8.4, §8.5).

Public: Field, MODULES, NOT_FOR_API, standard_fields, describe, module_entry. Every organisation may add fields.
"""

from dataclasses import dataclass
from typing import NamedTuple

from syncd_simulator.zoho.wire import JSON

__all__ = ["MODULES", "NOT_FOR_API", "Field", "Module", "describe", "module_entry", "standard_fields"]

JSON_TYPES = {
    "boolean": "boolean", "integer": "integer", "bigint": "string", "double": "double", "currency": "double",
    "lookup": "jsonobject", "ownerlookup": "jsonobject", "RRULE": "jsonobject", "multiselectpicklist": "jsonarray",
}  # fmt: skip
LISTS = ("Tag", "Participants")


@dataclass(slots=True)
class Field:
    """One field. `lookup` is the module that a lookup points to; `unique` forbids a second record with the value."""

    name: str
    data_type: str = "text"
    length: int = 255
    mandatory: bool = False
    read_only: bool = False
    unique: bool = False
    custom: bool = False
    lookup: str = ""
    picks: tuple[str, ...] = ()
    id: str = ""

    @property
    def label(self) -> str:
        """How the page calls it."""
        return self.name.replace("_", " ")

    @property
    def json_type(self) -> str:
        """The type of its values in JSON."""
        return "jsonarray" if self.name in LISTS else JSON_TYPES.get(self.data_type, "string")


class Module(NamedTuple):
    """A module: which field names a record, and the words for one and for many."""

    name: str
    display: str
    singular: str
    plural: str
    checks: tuple[str, ...] = ()  # §8.3: system-defined duplicate check fields of upsert


MODULES = {
    module.name: module
    for module in (
        Module("Leads", "Full_Name", "Lead", "Leads", ("Email",)),
        Module("Contacts", "Full_Name", "Contact", "Contacts", ("Email",)),
        Module("Accounts", "Account_Name", "Account", "Accounts", ("Account_Name",)),
        Module("Events", "Event_Title", "Meeting", "Meetings"),
    )
}
NOT_FOR_API = ("Home", "Feeds", "SalesInbox", "Documents")  # `api_supported: false`
LEAD_SOURCES = ("-None-", "Advertisement", "Cold Call", "Employee Referral", "Online Store", "Partner", "Web Research")


def _texts(*names: str, length: int = 255) -> list[Field]:
    return [Field(name, length=length) for name in names]


def _common() -> list[Field]:
    return [
        Field("Owner", "ownerlookup"),
        Field("Created_By", "ownerlookup", read_only=True),
        Field("Modified_By", "ownerlookup", read_only=True),
        Field("Created_Time", "datetime", read_only=True),
        Field("Modified_Time", "datetime", read_only=True),
        Field("Last_Activity_Time", "datetime", read_only=True),
        Field("Tag"),
        Field("Description", "textarea", 32000),
        Field("Record_Status__s", "picklist", read_only=True, picks=("Available", "Trash")),
    ]


def _address(prefix: str, code: str) -> list[Field]:
    return _texts(*(prefix + part for part in ("Street", "City", "State", code, "Country")))


def _person() -> list[Field]:
    return [
        Field("Salutation", "picklist", picks=("-None-", "Mr.", "Mrs.", "Ms.", "Dr.", "Prof.")),
        Field("First_Name", length=40),
        Field("Last_Name", length=80, mandatory=True),
        Field("Full_Name", length=120, read_only=True),
        Field("Email", "email", 100),
        Field("Secondary_Email", "email", 100),
        Field("Phone", "phone", 30),
        Field("Mobile", "phone", 30),
        Field("Fax", "phone", 30),
        Field("Email_Opt_Out", "boolean"),
        Field("Lead_Source", "picklist", picks=LEAD_SOURCES),
        Field("Record_Image", "profileimage", read_only=True),
        *_texts("Skype_ID", "Twitter", length=50),
    ]


def _contacts() -> list[Field]:
    return [
        *_person(),
        Field("Home_Phone", "phone", 30),
        Field("Other_Phone", "phone", 30),
        Field("Asst_Phone", "phone", 30),
        *_texts("Title", "Department", "Assistant", length=100),
        Field("Account_Name", "lookup", lookup="Accounts"),
        Field("Date_of_Birth", "date"),
        *_address("Mailing_", "Zip"),
        *_address("Other_", "Zip"),
    ]


def _leads() -> list[Field]:
    return [
        *_person(),
        Field("Company", length=200, mandatory=True),
        Field("Designation", length=100),
        Field("Lead_Status", "picklist", picks=("-None-", "Attempted to Contact", "Contacted", "Lost Lead")),
        Field("Industry", "picklist", picks=("-None-", "Large Enterprise", "ASP", "Education")),
        Field("Annual_Revenue", "currency"),
        Field("No_of_Employees", "integer"),
        Field("Website", "website", 450),
        Field("Converted__s", "boolean", read_only=True),
        Field("Converted_Date_Time", "datetime", read_only=True),
        *_address("", "Zip_Code"),
    ]


def _accounts() -> list[Field]:
    return [
        Field("Account_Name", length=200, mandatory=True),
        Field("Phone", "phone", 30),
        Field("Website", "website", 450),
        Field("Industry", "picklist", picks=("-None-", "Large Enterprise", "ASP", "Education")),
        Field("Employees", "integer"),
        *_address("Billing_", "Code"),
    ]


def _events() -> list[Field]:
    return [
        Field("Event_Title", mandatory=True),
        Field("Start_DateTime", "datetime", mandatory=True),
        Field("End_DateTime", "datetime", mandatory=True),
        Field("All_day", "boolean"),
        Field("Venue"),
        Field("Who_Id", "lookup", lookup="Contacts"),
        Field("What_Id", "lookup", lookup="se_module"),
        Field("Participants", "bigint"),
        Field("Recurring_Activity", "RRULE"),
        Field("Remind_At", "event_reminder"),
        Field("Remind_Participants", "picklist", picks=("None", "15 mins", "1 hour")),
        Field("Check_In_Time", "datetime"),
        Field("Check_In_Address", "textarea", 2000),
        Field("Check_In_City"),
        Field("Check_In_Status", "picklist", picks=("PLANNED", "VISITED")),
    ]


def standard_fields(module: str) -> dict[str, Field]:
    """The fields that a new organisation has, in their order."""
    own = {"Contacts": _contacts, "Leads": _leads, "Accounts": _accounts, "Events": _events}[module]()
    return {field.name: field for field in own + _common()}


def describe(field: Field) -> JSON:
    """One entry of `settings/fields`."""
    entry: JSON = {
        "id": field.id, "api_name": field.name, "field_label": field.label, "display_label": field.label,
        "data_type": field.data_type, "json_type": field.json_type, "length": field.length,
        "system_mandatory": field.mandatory, "read_only": field.read_only, "field_read_only": field.read_only,
        "custom_field": field.custom, "visible": True, "searchable": True, "sortable": True, "webhook": True,
        "unique": {"casesensitive": "false"} if field.unique else {}, "lookup": {}, "multiselectlookup": {},
        "operation_type": {"web_update": not field.read_only, "api_create": not field.read_only,
                           "web_create": not field.read_only, "api_update": not field.read_only},
        "view_type": {"view": True, "edit": not field.read_only, "quick_create": False, "create": not field.read_only},
        "pick_list_values": [
            {"display_value": pick, "actual_value": pick, "sequence_number": number, "type": "used"}
            for number, pick in enumerate(field.picks, 1)
        ],
    }  # fmt: skip
    if field.lookup:
        entry["lookup"] = {"display_label": field.label, "api_name": field.name,
                           "module": {"api_name": field.lookup, "id": field.id}, "id": field.id}  # fmt: skip
    return entry


def module_entry(name: str, key: str, number: int) -> JSON:
    """One entry of `settings/modules`."""
    module = MODULES.get(name)
    return {
        "id": key, "api_name": name, "module_name": name, "sequence_number": number, "generated_type": "default",
        "singular_label": module.singular if module else name, "plural_label": module.plural if module else name,
        "api_supported": module is not None, "creatable": module is not None, "editable": module is not None,
        "deletable": module is not None, "viewable": True, "visible": True, "show_as_tab": True, "status": "visible",
        "convertable": name == "Leads", "modified_time": None,
    }  # fmt: skip
