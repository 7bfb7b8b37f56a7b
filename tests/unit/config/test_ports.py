from collections.abc import Iterator
from pathlib import Path

import pytest

from f2b.config.ports import _services, ports, protocols
from f2b.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh", ((22, 22),)),
        ("ssh,2222", ((22, 22), (2222, 2222))),
        ("2222 ssh", ((22, 22), (2222, 2222))),
        ("6000:6010", ((6000, 6010),)),
        ("6000-6010", ((6000, 6010),)),
        ("ftp:ssh", ((21, 22),)),
        ("80,1:1024,1000:2000", ((1, 2000),)),
        ("80,81", ((80, 80), (81, 81))),
        ("0:65535", ()),
        ("1:65535", ()),
        ("smtp,1:65535", ()),
        ("HTTP", ((80, 80),)),
        (
            "smtp,pop3,pop3s,imap,imaps,submission,submissions,sieve",
            tuple((port, port) for port in (25, 110, 143, 465, 587, 993, 995, 4190)),
        ),
    ],
)
def test_port_list(text: str, expected: tuple[tuple[int, int], ...]) -> None:
    assert ports(text) == expected


@pytest.mark.parametrize("text", ["", "0", "65536", "nosuchservice", "1:x", "-1", "1:2:3", "10:1"])
def test_a_wrong_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^needs "):
        ports(text)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "services"
    monkeypatch.setattr("f2b.config.ports._SERVICES", path)
    _services.cache_clear()
    yield path
    _services.cache_clear()


def test_a_name_or_an_alias_may_stand_in_etc_services(services: Path) -> None:
    services.write_text(
        "# names\nsmtp 26/tcp\nours 4711/tcp  theirs Mine # alias\nours 4712/udp\n"
    )
    assert ports("ours,theirs,mine") == ((4711, 4711),)
    assert ports("smtp") == ((25, 25),)


def test_without_etc_services_the_usual_names_hold(services: Path) -> None:
    assert not services.exists()
    assert ports("imaps") == ((993, 993),)
    with pytest.raises(ConfigError):
        ports("ours")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp", ("tcp",)),
        ("UDP, tcp", ("tcp", "udp")),
        ("all", ()),
        ("tcp,all", ()),
    ],
)
def test_protocol_list(text: str, expected: tuple[str, ...]) -> None:
    assert protocols(text) == expected


@pytest.mark.parametrize("text", ["", "icmp", "tcp,ipx"])
def test_a_wrong_protocol_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^needs tcp, udp or all, got"):
        protocols(text)
