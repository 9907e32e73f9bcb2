"""The Google Workspace simulator: state in `world`, one module per API, `app` joins them."""
