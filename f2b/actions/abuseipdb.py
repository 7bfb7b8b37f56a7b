"""Reports every ban to AbuseIPDB (API v2)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from f2b.actions.facts import address
from f2b.actions.http import Receiver, Request
from f2b.actions.parameters import Parameters, filled

API = "https://api.abuseipdb.com/api/v2"
_LONGEST = 1000
"""Characters of a comment."""


class AbuseIpDb:
    """It takes addresses and no networks: of a banned network the address whose failure tipped it is reported."""

    def __init__(self, jail: str, parameters: Mapping[str, str]) -> None:
        self._jail = jail
        self._parameters = Parameters("abuseipdb", parameters)
        self._lines = self._parameters.switch("lines")
        self._receiver = Receiver(self._parameters.text("cafile"))

    def start(self) -> None:
        pass

    def carry_out(self, step: str, values: Mapping[str, str]) -> None:
        if step != "ban":
            return
        key = self._parameters.needed("abuseipdb_apikey")
        comment = filled(self._parameters.text("comment", f"f2b: {self._jail}"), values)
        if self._lines:
            comment += "\n" + values.get("matches", "")
        report = {
            "ip": address(values),
            "categories": self._parameters.text("abuseipdb_category", "18"),
            "comment": comment[:_LONGEST],
            "timestamp": datetime.fromtimestamp(int(float(values["time"])), UTC).isoformat(),
        }
        headers = {
            "Key": key,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": values["id"],
        }
        body = urlencode(report, errors="replace").encode()
        url = self._parameters.text("api", API).rstrip("/") + "/report"
        self._receiver.ask(Request("POST", url, headers, body, (key,)))

    def stop(self) -> None:
        pass


def make(jail: str, parameters: Mapping[str, str]) -> AbuseIpDb:
    return AbuseIpDb(jail, parameters)
