"""The OAuth token host: service accounts with domain-wide delegation, and refresh tokens (google.md §2)."""

import base64
import functools
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syncd_simulator.google.wire import JSON, Reply, scopes

if TYPE_CHECKING:
    from syncd_simulator.google.world import GoogleWorld, User

LIFETIME = 3599  # seconds; 3600 is what the assertion asks for, 3599 is what is said (§2.1)
AUDIENCE = "https://oauth2.googleapis.com/token"
SKEW = 300  # seconds by which iat may lie in the future
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

KNOWN_SCOPES = scopes(
    *[
        "contacts",
        "contacts.readonly",
        "contacts.other.readonly",
        "directory.readonly",
        "userinfo.email",
        "userinfo.profile",
        "user.addresses.read",
        "user.birthday.read",
        "user.emails.read",
        "user.gender.read",
        "user.organization.read",
        "user.phonenumbers.read",
        "calendar",
        "calendar.readonly",
        "calendar.events",
        "calendar.events.readonly",
        "calendar.events.owned",
        "calendar.events.owned.readonly",
        "calendar.events.freebusy",
        "calendar.events.public.readonly",
        "calendar.calendarlist",
        "calendar.calendarlist.readonly",
        "calendar.calendars",
        "calendar.calendars.readonly",
        "calendar.acls",
        "calendar.acls.readonly",
        "calendar.settings.readonly",
        "calendar.freebusy",
        "calendar.app.created",
        "drive",
        "drive.readonly",
        "drive.file",
        "drive.metadata",
        "drive.metadata.readonly",
        "drive.appdata",
        "drive.scripts",
        "drive.photos.readonly",
        "drive.activity",
        "drive.activity.readonly",
        "drive.labels",
        "drive.labels.readonly",
        "drive.meet.readonly",
        "gmail.readonly",
        "gmail.metadata",
        "gmail.modify",
        "gmail.compose",
        "gmail.insert",
        "gmail.labels",
        "gmail.send",
        "gmail.settings.basic",
        "gmail.settings.sharing",
        "gmail.addons.current.action.compose",
        "admin.directory.user",
        "admin.directory.user.readonly",
        "admin.directory.user.alias",
        "admin.directory.user.alias.readonly",
        "admin.directory.group",
        "admin.directory.group.readonly",
        "admin.directory.group.member",
        "admin.directory.group.member.readonly",
        "admin.directory.orgunit",
        "admin.directory.orgunit.readonly",
        "admin.directory.rolemanagement",
        "admin.directory.rolemanagement.readonly",
        "admin.directory.domain",
        "admin.directory.domain.readonly",
        "admin.directory.customer",
        "admin.directory.customer.readonly",
        "admin.directory.userschema",
        "admin.directory.userschema.readonly",
        "admin.directory.resource.calendar",
        "admin.directory.resource.calendar.readonly",
        "admin.directory.device.chromeos",
        "admin.directory.device.mobile",
        "admin.reports.audit.readonly",
        "admin.reports.usage.readonly",
        "cloud-platform",
        "pubsub",
        "tasks",
        "tasks.readonly",
        "spreadsheets",
        "spreadsheets.readonly",
        "documents",
        "documents.readonly",
        "presentations",
        "presentations.readonly",
    ],
    "https://mail.google.com/",
) | {"openid", "email", "profile"}


class TokenError(Exception):
    """A refusal of the token host: RFC 6749 shape, never the API envelope."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.error, self.description = status, error, description


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a bearer stands for."""

    user: "User"
    scopes: frozenset[str]
    expires: float
    is_robot: bool = False


@dataclass
class ServiceAccount:
    """The service account. `state`: active, disabled or deleted."""

    email: str
    client_id: str
    key_id: str
    project: str
    state: str = "active"


@dataclass
class Grant:
    """One refresh token. `error`: a refusal to give instead, as (status, error, description)."""

    user: "User"
    scopes: frozenset[str]
    error: tuple[int, str, str] | None = None


@dataclass
class Credentials:
    """Keys, clients, grants and live tokens of one world."""

    world: "GoogleWorld"
    granted_scopes: set[str] | None = None
    client_error: tuple[str, str] | None = None  # e.g. ("deleted_client", "The OAuth client was deleted.")
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    restricted: set[str] = field(default_factory=set)  # user ids with "Account restricted"
    issued: int = 0

    def __post_init__(self) -> None:
        rng = self.world.rng
        number = format(rng.randrange(10**20), "020d")
        project = f"syncd-sim-{self.world.seed}"
        self.account = ServiceAccount(
            f"syncd@{project}.iam.gserviceaccount.com", "1" + number, format(rng.getrandbits(160), "040x"), project
        )
        self.client_id = f"{rng.randrange(10**12)}-sim.apps.googleusercontent.com"
        self.client_secret = "GOCSPX-" + format(rng.getrandbits(112), "028x")

    # -- what tests hand to clients ---------------------------------------------------------------------------

    def key_file(self, token_uri: str) -> JSON:
        """The JSON key file of the service account, pointing at `token_uri`."""
        account = self.account
        return {
            "type": "service_account",
            "project_id": account.project,
            "private_key_id": account.key_id,
            "private_key": private_pem(),
            "client_email": account.email,
            "client_id": account.client_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{account.email}",
            "universe_domain": "googleapis.com",
        }

    def rotate_key(self) -> None:
        """Key files handed out so far stop working."""
        self.account.key_id = format(self.world.rng.getrandbits(160), "040x")

    def grant(self, user: "User", wanted: list[str] | None) -> str:
        """A refresh token for `user` (all known scopes unless told)."""
        token = "1//0" + format(self.world.rng.getrandbits(256), "064x")
        self.grants[token] = Grant(user, frozenset(wanted or KNOWN_SCOPES))
        return token

    def issue(self, user: "User", wanted: frozenset[str], *, is_robot: bool = False) -> str:
        """A bearer for `user`, good for an hour of world time."""
        self.issued += 1
        token = f"ya29.{secrets.token_urlsafe(24)}.{self.issued}"
        self.tokens[token] = AccessToken(user, wanted, self.world.now() + LIFETIME, is_robot)
        return token

    # -- the host ---------------------------------------------------------------------------------------------

    def token(self, body: bytes) -> Reply:
        """`POST /token`."""
        form = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        try:
            if form.get("grant_type") == JWT_GRANT:
                return Reply(200, self._by_assertion(form.get("assertion", "")))
            if form.get("grant_type") == "refresh_token":
                return Reply(200, self._by_refresh_token(form))
            raise TokenError(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        except TokenError as error:
            return Reply(error.status, {"error": error.error, "error_description": error.description})

    def revoke(self, body: bytes, query: dict[str, list[str]]) -> Reply:
        """`POST /revoke`: kills the grant; bearers issued from it go too."""
        token = (parse_qs(body.decode()).get("token") or query.get("token") or [""])[-1]
        grant = self.grants.pop(token, None)
        held = self.tokens.pop(token, None)
        if grant is None and held is None:
            return Reply(400, {"error": "invalid_token", "error_description": "Token expired or revoked"})
        user = grant.user if grant else held.user if held else None
        self.tokens = {text: info for text, info in self.tokens.items() if info.user is not user}
        self.grants = {text: info for text, info in self.grants.items() if info.user is not user}
        return Reply(200, {})

    def _by_assertion(self, assertion: str) -> JSON:
        claims = self._verified(assertion)
        self._check_times(claims)
        wanted = frozenset(str(claims.get("scope") or "").split())
        if not wanted:
            raise TokenError(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        if claims.get("aud") != AUDIENCE:
            raise TokenError(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        if not wanted <= KNOWN_SCOPES:
            return {"id_token": assertion}
        subject = claims.get("sub") or claims.get("prn")
        if not subject or subject == self.account.email:
            return self._answer(self.world.robot, wanted, is_robot=True)
        if self.granted_scopes is not None and not wanted <= self.granted_scopes:
            raise TokenError(
                401, "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for "
                "any of the scopes requested.",
            )  # fmt: skip
        return self._answer(self._subject(str(subject)), wanted)

    def _verified(self, assertion: str) -> dict[str, Any]:
        """Structure, then signature, then account: the order recorded from the real host."""
        header, claims = _decode(assertion)
        bad_signature = TokenError(400, "invalid_grant", "Invalid JWT Signature.")
        account = self.account
        if claims.get("iss") == account.email and account.state != "deleted":
            if header.get("alg") != "RS256" or header.get("kid", account.key_id) != account.key_id:
                raise bad_signature
            try:
                options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False, "verify_nbf": False}
                jwt.decode(assertion, rsa_key().public_key(), algorithms=["RS256"], options=options | {
                    "verify_sub": False, "verify_jti": False, "verify_iss": False})  # fmt: skip
            except jwt.PyJWTError:
                raise bad_signature from None
            if account.state == "disabled":
                raise TokenError(400, "invalid_grant", "Robot is disabled.")
            return claims
        if header.get("alg") != "RS256":
            raise bad_signature
        raise TokenError(400, "invalid_grant", "Invalid grant: account not found")

    def _check_times(self, claims: dict[str, Any]) -> None:
        for name, meaning in (("iat", "issued at"), ("exp", "expiration time")):
            if claims.get(name) in (None, ""):
                raise TokenError(400, "invalid_grant", f"Invalid JWT: {name} ({meaning}) is not set.")
        try:
            issued, expires = int(claims["iat"]), int(claims["exp"])
        except (TypeError, ValueError):
            raise _bad_window() from None
        # A client outside of this process cannot know a simulated time: its own wall clock counts as well.
        clocks = (self.world.now(), time.time())
        if not any(_in_window(issued, expires, now) for now in clocks):
            raise _bad_window()

    def _subject(self, address: str) -> "User":
        world = self.world
        user = world.addresses.get(address.lower())
        if user is None:
            for gone in world.deleted_users.values():
                if address.lower() in (gone.address, *gone.aliases):
                    if gone in world.recently_deleted():
                        raise TokenError(400, "invalid_grant", "The account has been deleted")
                    raise TokenError(400, "invalid_request", 'Invalid impersonation "sub" field')
            raise TokenError(400, "invalid_grant", "Invalid email or User ID")
        self._check_user(user)
        return user

    def _check_user(self, user: "User") -> None:
        if user.suspended or user.id in self.restricted:  # §14.3: the body for a suspended user is a guess
            raise TokenError(403, "access_denied", "Account restricted")

    def _by_refresh_token(self, form: dict[str, str]) -> JSON:
        if self.client_error is not None:
            raise TokenError(401, *self.client_error)
        if form.get("client_id") != self.client_id:
            raise TokenError(401, "invalid_client", "The OAuth client was not found.")
        if form.get("client_secret") != self.client_secret:
            raise TokenError(401, "invalid_client", "Unauthorized")
        token = form.get("refresh_token", "")
        if not token.startswith("1//"):
            raise TokenError(400, "invalid_grant", "Bad Request")
        grant = self.grants.get(token)
        if grant is None or grant.user.deleted_at is not None:
            raise TokenError(400, "invalid_grant", "Token has been expired or revoked.")
        if grant.error is not None:
            raise TokenError(*grant.error)
        self._check_user(grant.user)
        return self._answer(grant.user, grant.scopes) | {"scope": " ".join(sorted(grant.scopes))}

    def _answer(self, user: "User", wanted: frozenset[str], *, is_robot: bool = False) -> JSON:
        token = self.issue(user, wanted, is_robot=is_robot)
        return {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}


def _decode(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = assertion.split(".")
    try:
        header, claims = (orjson.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2])
    except ValueError:
        raise TokenError(400, "invalid_request", "Bad Request") from None
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenError(400, "invalid_request", "Bad Request")
    return header, claims


def _in_window(issued: int, expires: int, now: float) -> bool:
    """Measured: iat 300 s ahead is fine, iat 3600 s old with exp = now too, 7200 s old is not."""
    return now - 3600 - SKEW <= issued <= now + SKEW and now - SKEW <= expires <= issued + 3600


def _bad_window() -> TokenError:
    return TokenError(
        400, "invalid_grant",
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat "
        "and exp values in the JWT claim.",
    )  # fmt: skip


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    """The key of this process: generating one is slow, so all worlds share it."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def private_pem() -> str:
    """The key in the PKCS 8 form of key files."""
    return (
        rsa_key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
