"""Tells a receiver of bans in JSON. f2b-actions(7) documents every field."""

import json
from collections.abc import Mapping
from typing import Any

from f2b.actions.http import Receiver, Request
from f2b.actions.parameters import Parameters, host, lasts

_SAID = {
    "ban": "banned",
    "reban": "banned",
    "unban": "let in again",
    "prolong": "banned for longer",
}


class Webhook:
    """One POST for every step that is in `events`."""

    def __init__(self, jail: str, parameters: Mapping[str, str]) -> None:
        self._jail = jail
        self._parameters = Parameters("webhook", parameters)
        self._events = self._parameters.words("events", "ban unban prolong")
        self._lines = self._parameters.switch("lines")
        self._receiver = Receiver(self._parameters.text("cafile"))

    def start(self) -> None:
        pass

    def carry_out(self, step: str, values: Mapping[str, str]) -> None:
        told = "ban" if step == "reban" else step
        if told not in self._events:
            return
        url, token = self._parameters.needed("url"), self._parameters.secret("token")
        headers = {"Content-Type": "application/json", "Idempotency-Key": values["id"]}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps(self._message(told, values)).encode()
        self._receiver.ask(Request("POST", url, headers, body, (token,)))

    def stop(self) -> None:
        pass

    def _message(self, event: str, values: Mapping[str, str]) -> dict[str, Any]:
        bantime = int(values["bantime"])
        message = {
            "id": values["id"],
            "event": event,
            "host": host(values),
            "jail": self._jail,
            "ip": values["ip"],
            "family": values["family"],
            "time": float(values["time"]),
            "bantime": None if bantime == -1 else bantime,
            "failures": int(values["failures"]),
            "bancount": int(values["bancount"]),
            "restored": values["restored"] == "1",
            "text": f"{host(values)}: {values['ip']} is {_SAID[event]} in jail {self._jail}"
            + ("" if event == "unban" else f", {lasts(values)}"),
        }
        if self._lines:
            message["lines"] = values.get("matches", "").splitlines()
        return message


def make(jail: str, parameters: Mapping[str, str]) -> Webhook:
    return Webhook(jail, parameters)
