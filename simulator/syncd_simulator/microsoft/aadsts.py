"""The refusals of the token host by number (microsoft.md §2.2). Public: AADSTS."""

AADSTS: dict[int, tuple[int, str, str]] = {  # number: (HTTP status, error, text)
    7000215: (401, "invalid_client", "Invalid client secret is provided."),
    7000222: (401, "invalid_client", "The provided client secret keys for app are expired."),
    7000216: (401, "invalid_client", "'client_assertion', 'client_secret' or 'request' is required for the "
                                     "'client_credentials' grant type."),
    7000218: (401, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or "
                                     "'client_secret'."),
    700027: (401, "invalid_client", "Client assertion contains an invalid signature. The key was not found."),
    700023: (401, "invalid_client", "Client assertion audience claim does not match Realm issuer."),
    700024: (401, "invalid_client", "Client assertion is not within its valid time range."),
    700025: (401, "invalid_client", "Client assertion was already used."),
    700016: (400, "unauthorized_client", "Application was not found in the directory."),
    7000112: (400, "unauthorized_client", "Application is disabled."),
    90002: (400, "invalid_request", "Tenant not found."),
    65001: (400, "invalid_grant", "The user or administrator has not consented to use the application."),
    70011: (400, "invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    700022: (400, "invalid_scope", "The provided value for the input parameter scope is not valid because it contains "
                                   "more than one resource."),
    70003: (400, "unsupported_grant_type", "The app requested an unsupported grant type."),
    70008: (400, "invalid_grant", "The refresh token has expired or is invalid."),
    700082: (400, "invalid_grant", "The refresh token has expired due to inactivity."),
    50173: (400, "invalid_grant", "The provided grant has expired due to it being revoked."),
    70043: (400, "invalid_grant", "The refresh token has expired or is invalid due to sign-in frequency checks."),
    50076: (400, "interaction_required", "You must use multi-factor authentication to access the resource."),
    50079: (400, "invalid_grant", "You must enroll in multi-factor authentication to access the resource."),
    53003: (400, "invalid_grant", "Access has been blocked by Conditional Access policies."),
    90033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    90006: (500, "temporarily_unavailable", "The service is temporarily unavailable. Please retry later."),
    90024: (400, "temporarily_unavailable", "The request was throttled by a transient budget. Please try again."),
    50196: (400, "invalid_grant", "The server terminated an operation because it encountered a client request loop."),
}  # fmt: skip
