"""JupyterHub in front of the workbench: its address and path from what the hub sets, its people by its own OAuth."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from derm_kit.proxy import Front, FrontError

PREFIX, SERVICE_URL, TOKEN = "JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_API_TOKEN"


@dataclass(frozen=True)
class Hub:
    """Where the hub wants the workbench to listen, and what it puts in front of it."""

    address: str
    port: int
    front: Front


def is_hub_here() -> bool:
    """Whether a JupyterHub started this process."""
    return PREFIX in os.environ


def hub_here() -> Hub:
    """What the hub that started this process asks for. Raises FrontError."""
    url = urlsplit(os.environ.get(SERVICE_URL, ""))
    if url.scheme != "http" or not url.hostname or not url.port or not os.environ.get(TOKEN):
        raise FrontError(
            "a JupyterHub gives the workbench an address without TLS on this machine, and a token",
            case=SERVICE_URL,
            value=os.environ.get(SERVICE_URL, ""),
            next_step="Give the service a url such as http://127.0.0.1:8866, and leave internal_ssl off.",
        )
    _require_jupyterhub()
    return Hub(url.hostname, url.port, Front(os.environ[PREFIX], identity=_identity))


def _require_jupyterhub() -> None:
    try:
        import jupyterhub.singleuser.extension  # noqa: F401 - whether it is there
    except ImportError as error:
        raise FrontError(
            "behind a JupyterHub the workbench needs the hub's tools in its own environment",
            value=error,
            next_step="pip install 'derm-kit[hub]' there, in the hub's version.",
        ) from None


def _identity() -> Any:  # noqa: ANN401 - Jupyter Server's class
    from jupyter_server.utils import url_path_join
    from jupyterhub.singleuser.extension import JupyterHubIdentityProvider

    class HubIdentity(JupyterHubIdentityProvider):  # type: ignore[misc]
        """The hub's own, its addresses below the path that the hub gave."""

        def get_handlers(self) -> list[Any]:
            """The way back from the hub's log-in, and out."""
            return [(url_path_join(os.environ[PREFIX], path), *others) for path, *others in super().get_handlers()]

    return HubIdentity
