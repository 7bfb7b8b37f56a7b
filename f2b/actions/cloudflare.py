"""Bans at Cloudflare's edge, by an IP access rule (API v4) for a zone, an account, or all of a user's zones."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from f2b.actions.http import Answer, Receiver, Request
from f2b.actions.parameters import Parameters
from f2b.errors import ActionError, HopelessError

API = "https://api.cloudflare.com/client/v4"
_RULES = "firewall/access_rules/rules"
_DUPLICATE = 10009
_RANGES = {"inet4": {"16", "24"}, "inet6": {"32", "48", "64"}}


class Cloudflare:
    """A rule is known by its address, mode and note; what has another note is not touched."""

    def __init__(self, jail: str, parameters: Mapping[str, str]) -> None:
        self._parameters = Parameters("cloudflare", parameters)
        self._mode = self._parameters.text("cfmode", "block")
        self._notes = self._parameters.text("notes", f"f2b {jail}")
        self._receiver = Receiver(self._parameters.text("cafile"))

    def start(self) -> None:
        pass

    def carry_out(self, step: str, values: Mapping[str, str]) -> None:
        if step in {"ban", "reban"}:
            self._ban(values)
        elif step == "unban":
            self._unban(values)

    def stop(self) -> None:
        pass

    def _ban(self, values: Mapping[str, str]) -> None:
        rule = {"mode": self._mode, "configuration": _target(values), "notes": self._notes}
        self._ask("POST", "", values, rule, known=_stands_already)

    def _unban(self, values: Mapping[str, str]) -> None:
        try:
            target = _target(values)
        except HopelessError:
            return  # there was no ban either
        asked = {
            "mode": self._mode,
            "configuration.target": target["target"],
            "configuration.value": target["value"],
            "per_page": "100",
        }
        found = self._ask("GET", f"?{urlencode(asked)}", values).json()
        rules = found.get("result") if isinstance(found, dict) else None
        if not isinstance(rules, list):
            raise ActionError("Cloudflare's answer is no list of rules", retry=True)
        for rule in rules:
            if isinstance(rule, dict) and self._is_ours(rule, target):
                name = quote(str(rule.get("id", "")), safe="")
                self._ask("DELETE", f"/{name}", values, known=lambda answer: answer.status == 404)

    def _is_ours(self, rule: Mapping[str, Any], target: Mapping[str, str]) -> bool:
        return (
            rule.get("configuration") == target
            and rule.get("mode") == self._mode
            and rule.get("notes") == self._notes
        )

    def _ask(
        self,
        method: str,
        more: str,
        values: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        known: Any = lambda _: False,
    ) -> Answer:
        token, user = self._parameters.needed("cftoken"), self._parameters.text("cfuser")
        headers = {"Content-Type": "application/json", "Idempotency-Key": values["id"]}
        if user:
            headers |= {"X-Auth-Email": user, "X-Auth-Key": token}
        else:
            headers["Authorization"] = f"Bearer {token}"
        zone, account = self._parameters.secret("cfzone"), self._parameters.secret("cfaccount")
        whose = f"zones/{zone}" if zone else f"accounts/{account}" if account else "user"
        url = f"{self._parameters.text('api', API).rstrip('/')}/{whose}/{_RULES}{more}"
        packed = None if body is None else json.dumps(body).encode()
        return self._receiver.ask(Request(method, url, headers, packed, (token,)), known)


def _stands_already(answer: Answer) -> bool:
    said = answer.json()
    errors = said.get("errors") if isinstance(said, dict) else None
    return isinstance(errors, list) and any(
        isinstance(each, dict) and each.get("code") == _DUPLICATE for each in errors
    )


def _target(values: Mapping[str, str]) -> dict[str, str]:
    _, slash, prefix = values["ip"].partition("/")
    family = values["family"]
    if not slash:
        return {"target": "ip6" if family == "inet6" else "ip", "value": values["ip"]}
    if prefix not in _RANGES[family]:
        known = ", ".join(f"/{each}" for each in sorted(_RANGES[family]))
        raise HopelessError(
            f"Cloudflare takes no network {values['ip']}", hint=f"it takes {known}"
        )
    return {"target": "ip_range", "value": values["ip"]}


def make(jail: str, parameters: Mapping[str, str]) -> Cloudflare:
    return Cloudflare(jail, parameters)
