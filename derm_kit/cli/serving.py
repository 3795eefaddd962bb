"""`derm-kit serve`: the workbench for this machine, or the page of a teaching session for its readers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from derm_kit.cli.cluster import (
    ClosedNetwork,
    Scheduler,
    TlsCa,
    TlsCert,
    TlsKey,
    address_of,
    scoring_for_pages,
)
from derm_kit.cli.console import console
from derm_kit.errors import DermKitError

SESSION_ONLY = "With --session only."


def serve(
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port; 8866, for readers 8443.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Address to listen on; left out: 127.0.0.1, this machine only.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    run: Annotated[Path | None, typer.Option(help="Scores to open on. Left out: the reference cohort.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy in force. Left out: the default of the model.")] = None,
    feed: Annotated[Path | None, typer.Option(help="Feed of a service, for the page Monitoring.")] = None,
    lean: Annotated[bool, typer.Option("--lean", help="No page waits ready: less memory, slower to open.")] = False,
    base_url: Annotated[
        str | None, typer.Option(help="Path under which a reverse proxy is asked for the workbench, such as /derm/.")
    ] = None,
    proxy_secret: Annotated[
        Path | None, typer.Option(help="File with the secret that the proxy proves itself by; others are refused.")
    ] = None,
    user_header: Annotated[
        str | None, typer.Option(help="Header in which the proxy says who is logged in, such as X-Remote-User.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="Code of a teaching session: serve its readers' page and nothing else.")
    ] = None,
    host: Annotated[str | None, typer.Option(help=f"Address for the readers' phones. {SESSION_ONLY}")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help=f"Certificate (PEM); left out: self-made. {SESSION_ONLY}")
    ] = None,
    key: Annotated[Path | None, typer.Option(help=f"Its key (PEM). {SESSION_ONLY}")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help=f"A proxy on this machine brings TLS. {SESSION_ONLY}")
    ] = False,
    scheduler: Scheduler = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    closed_network: ClosedNetwork = False,
) -> None:
    """Open the workbench in a browser, or a teaching session for its readers; Ctrl-C stops it."""
    of_a_proxy: dict[str, object] = {
        "--base-url": base_url, "--proxy-secret": proxy_secret, "--user-header": user_header,
    }  # fmt: skip
    if session:
        _refuse_beside(
            "--session",
            {"--run": run, "--policy": policy, "--feed": feed, "--address": address, "--lean": lean} | of_a_proxy,
        )
        from derm_kit.readers.opening import PORT, Door, serve_session

        door = Door(host or "127.0.0.1", port or PORT, certificate, key, behind_proxy)
        serve_session(session, door, ready=lambda line: console.print(line, markup=False, emoji=False, soft_wrap=True))
        return
    _refuse_beside(
        "the workbench", {"--host": host, "--certificate": certificate, "--key": key, "--behind-proxy": behind_proxy}
    )
    from derm_kit.hub import hub_here, is_hub_here
    from derm_kit.proxy import proxied
    from derm_kit.serve import PORT as WORKBENCH_PORT
    from derm_kit.serve import serve as serve_pages

    if is_hub_here():
        _refuse_beside("a JupyterHub, which says where to listen", {"--port": port, "--address": address} | of_a_proxy)
        hub = hub_here()
        address, port, front = hub.address, hub.port, hub.front
    else:
        front = proxied(base_url or "/", proxy_secret, user_header or "")
    if run or policy:
        _open_on(run, policy)
    if feed:
        _watch(feed)
    with scoring_for_pages(address_of(scheduler, tls_ca, tls_cert, tls_key, closed_network)):
        serve_pages(
            port or WORKBENCH_PORT, address or "127.0.0.1",
            open_browser=browser, lean=lean, ready=console.print, front=front,
        )  # fmt: skip


def _refuse_beside(what: str, given: dict[str, object]) -> None:
    for option, value in given.items():
        if value:
            raise DermKitError(
                f"{option} does not go with {what}", value=value, next_step="Leave it out; see derm-kit serve --help."
            )


def _watch(feed: Path) -> None:
    """Refuse here a folder that holds no deliveries."""
    from derm_kit.panels.monitoring_setting import FEED_VARIABLE
    from derm_kit.surveillance.delivery_files import CASES

    if not (feed / CASES).is_dir():
        raise DermKitError(
            f"a feed is a folder with its deliveries in {CASES}/ and outcomes/",
            case=str(feed),
            next_step="docs/monitoring.md says how it is laid out.",
        )
    os.environ[FEED_VARIABLE] = str(feed.resolve())


def _open_on(run: Path | None, policy: Path | None) -> None:
    """Refuse here what no page could open on."""
    from derm_kit.triage.counts import CaseCounter
    from derm_kit.triage.opening import Opening, name_opening, policy_for

    opening = Opening.read(run, policy)
    CaseCounter(opening.run, policy_for(opening.run, opening.policy))
    name_opening(run, policy)
