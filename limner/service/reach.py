"""From where the service is reached: the address that it listens on, proxies before it, pages of other sites, TLS."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInput

_ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Reach:
    """The service listens on `host`.

    Requests from the addresses or networks `proxies` may say for whom and over what they come (`X-Forwarded-For`,
    `X-Forwarded-Proto`). Pages of the `origins`, such as https://shop.example, may use the service with a key.
    `certificate` and `private_key` are PEM files: with them it speaks TLS. InvalidInput names what cannot be.
    """

    host: str = "127.0.0.1"
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    certificate: Path | None = None
    private_key: Path | None = None

    def __post_init__(self) -> None:
        for origin in self.origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise InvalidInput(
                    f"origin '{origin[:80]}' cannot be let in: name one site, such as https://shop.example",
                    "allow_origin",
                )
        for proxy in self.proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise InvalidInput(
                    f"proxy '{proxy[:80]}' is no address: name one, such as 10.0.0.2 or 10.0.0.0/24",
                    "trust_proxy",
                ) from None
        if (self.certificate is None) != (self.private_key is None):
            raise InvalidInput(
                "TLS needs both a certificate and its key: --tls-cert and --tls-key", "tls_cert"
            )

    @property
    def beyond(self) -> bool:
        """Whether requests of other machines come: the service has names of any kind then, and never does without
        keys."""
        return bool(self.proxies) or not self.on_loopback

    @property
    def trusted(self) -> list[str]:
        """The proxies, those of IPv4 also as a socket of IPv6 (`--host ::`) shows them."""
        networks = (ipaddress.ip_network(proxy) for proxy in self.proxies)
        old = (network for network in networks if network.version == 4)
        return [*self.proxies, *(f"::ffff:{net.network_address}/{96 + net.prefixlen}" for net in old)]

    @property
    def on_loopback(self) -> bool:
        """Whether the address is reached from this machine alone."""
        return self.host in {"localhost", "127.0.0.1", "::1"}

    def require_keys(self, some: bool) -> None:
        """InvalidInput where requests of other machines come and there is not `some` key."""
        if self.beyond and not some:
            who = f"host '{self.host}'" if not self.on_loopback else "a proxy's clients"
            raise InvalidInput(
                f"{who} can be reached from other machines, and there is no key yet: "
                "make one with `limner keys create NAME`, or use 127.0.0.1 alone",
                field="host",
            )

    def check_certificate(self) -> None:
        """InvalidInput where the files for TLS cannot be used."""
        if self.certificate is None or self.private_key is None:
            return
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.private_key, password="")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            raise InvalidInput(
                f"certificate {self.certificate} with key {self.private_key} cannot be used ({reason}): "
                "both must be PEM files that belong together, the key without a password",
                "tls_cert",
            ) from None


THIS_MACHINE = Reach()
