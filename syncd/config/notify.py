"""The Apprise URLs of `daemon.notify`, checked without sending anything.

Public: check_url, check_scheme, load_apprise. Apprise is optional and takes a second to load: only a folder with
`notify:` in it pays for that, and without the package nothing is checked here.
"""

import logging
import re
import threading
import warnings
from typing import Any

from .formats import Invalid
from .problem import shown

__all__ = ["check_scheme", "check_url", "load_apprise"]

_SCHEME = re.compile(r"([a-z][a-z0-9+]{1,30})://", re.IGNORECASE)
_HINT = "https://appriseit.com lists the URLs, such as mailtos://…, slack://… and json://…; `syncd notify --test` tries them"
_loading = threading.Lock()


def load_apprise() -> Any:
    """The package, with all its plugins. Raises ModuleNotFoundError if it is not installed.

    What it logs goes nowhere by itself: at lower levels that would be URLs and payloads.
    """
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # plugins that use what this Python deprecates
        import apprise

        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        apprise.Apprise.instantiate("json://localhost")  # loads the plugins
    return apprise


def check_url(url: str) -> None:
    """A whole URL, secrets in it. Raises Invalid, which quotes nothing of it but its scheme."""
    apprise = _installed()
    if apprise is not None and apprise.Apprise.instantiate(url.strip()) is None:
        raise Invalid(f"is no URL that Apprise can use: {_why(apprise, url)}", _HINT)


def check_scheme(literal: str) -> None:
    """The beginning of a URL that is written out up to its first reference. Raises Invalid for an unknown scheme."""
    found = _SCHEME.match(literal.strip())
    apprise = _installed() if found else None
    if found and apprise is not None and not _known(apprise, found[1]):
        raise Invalid(f"is no URL that Apprise can use: it has no service {shown(found[1] + '://')}", _HINT)


def _installed() -> Any:
    try:
        return load_apprise()
    except ModuleNotFoundError:
        return None


def _why(apprise: Any, url: str) -> str:
    found = _SCHEME.match(url.strip())
    if not found:
        return "it does not begin with a service, as in 'mailtos://'"
    if not _known(apprise, found[1]):
        return f"it has no service {shown(found[1] + '://')}"
    return f"what follows {shown(found[1] + '://')} is not what that service needs"


def _known(apprise: Any, scheme: str) -> bool:
    """https:// stands for the services whose own web addresses Apprise understands."""
    scheme = scheme.lower()
    return scheme in ("http", "https") or scheme in apprise.plugins.N_MGR.schemas()
