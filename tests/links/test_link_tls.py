"""TLS links: the contract of links, who is let in, and what is said to those who are not."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from functools import partial

import pytest
from tests.links.authority import Authority

from kwhub.domain.errors import ConfigError, LinkDown
from kwhub.links.address import open_link, parse
from kwhub.links.tcp_listen import serve
from kwhub.links.tls_context import client_context, plain_words, server_context
from kwhub.runtime.clock import SystemClock
from kwhub.testing.check_link import check_link

CLOCK = SystemClock()
LOUD = "insecure-do-not-verify-the-server=yes"


async def echo(link):
    while True:
        await link.write(await link.read())


async def drain(link):
    while True:
        await link.read()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("theirs"), "somebody else")


def options(**given):
    return "&".join(f"{name}={value}" for name, value in given.items() if value)


def own(pair):
    return {"cert": pair[0], "key": pair[1]}


@asynccontextmanager
async def server(handler=echo, **given):
    """A server; the address at which it is called, without options."""
    found = await serve(f"tls-listen:127.0.0.1:0?{options(**given)}", handler, CLOCK)
    try:
        yield found.call_address
    finally:
        await found.aclose()


async def call(address, **given):
    link = await open_link(f"{address}?{options(**given)}", clock=CLOCK)
    try:
        await link.write(b"hello")
        return await link.read()
    finally:
        await link.aclose()


@asynccontextmanager
async def ends(ours, least):
    accepted = asyncio.get_running_loop().create_future()
    gone = asyncio.Event()

    async def handler(link):
        accepted.set_result(link)
        await gone.wait()

    mutual = {**own(ours.issue("server")), "ca": ours.ca, "least": least}
    async with server(handler, **mutual) as address:
        text = f"{address}?{options(ca=ours.ca, **own(ours.issue('terminal')))}"
        link = await open_link(text, clock=CLOCK)
        try:
            yield link, await accepted
        finally:
            gone.set()
            await link.aclose()


@pytest.mark.parametrize("least", ["1.2", "1.3"])
async def test_the_contract_of_links(ours, least):
    await check_link(partial(ends, ours, least))


async def test_a_listening_link_serves_who_called_last(ours):
    cert = own(ours.issue("server"))
    listening = await open_link(f"tls-listen:127.0.0.1:0?{options(**cert)}", clock=CLOCK)
    address = listening.facts.address.replace("-listen", "")
    link = await open_link(f"{address}?{options(ca=ours.ca)}", clock=CLOCK)
    await link.write(b"hello")
    assert await listening.read() == b"hello"
    await link.aclose()
    await listening.aclose()


async def test_both_show_a_certificate(ours):
    async with server(**own(ours.issue("server")), ca=ours.ca) as address:
        terminal = own(ours.issue("terminal"))
        assert await call(address, ca=ours.ca, **terminal) == b"hello"
        assert address.startswith("tls:127.0.0.1:")


async def test_a_server_that_has_another_name_is_called_by_it(ours):
    async with server(**own(ours.issue("named", host="head-end.example"))) as address:
        assert await call(address, ca=ours.ca, name="head-end.example") == b"hello"
        with pytest.raises(LinkDown, match=r"certificate is for another IP address .*127\.0\.0\.1"):
            await call(address, ca=ours.ca)
        with pytest.raises(LinkDown, match="certificate is for another name"):
            await call(address, ca=ours.ca, name="head-end.elsewhere")


async def test_servers_that_cannot_be_trusted(ours, theirs):
    for name, days, since, told in (
        ("expired", -2, -1, "has expired"),
        ("early", 9, 3, "not valid yet: is the clock of this machine right"),
    ):
        async with server(**own(ours.issue(name, days=days, since=since))) as address:
            with pytest.raises(LinkDown, match=told):
                await call(address, ca=ours.ca)
    async with server(**own(theirs.issue("server"))) as address:
        with pytest.raises(LinkDown, match="a CA that is not in the ca file"):
            await call(address, ca=ours.ca)
        with pytest.raises(LinkDown, match="cannot be trusted"):
            await call(address)  # those that the system trusts do not know it either


async def test_verification_ends_only_at_a_loud_word(theirs):
    async with server(**own(theirs.issue("server"))) as address:
        link = await open_link(f"{address}?{LOUD}", clock=CLOCK)
        await link.aclose()
        with pytest.raises(ConfigError, match="must be one of yes, not 'no'"):
            await open_link(f"{address}?{LOUD.replace('yes', 'no')}", clock=CLOCK)


async def test_terminals_that_are_not_let_in(ours, theirs):
    attended = []

    async def handler(link):
        attended.append(link)

    strangers = [{}, own(theirs.issue("terminal")), own(ours.issue("old", days=-2))]
    async with server(handler, **own(ours.issue("server")), ca=ours.ca) as address:
        for stranger in strangers:
            with pytest.raises(LinkDown, match="does not accept our certificate"):
                await call(address, ca=ours.ca, **stranger)
    assert attended == []


def refused(server_options, client_options):
    """What a client says when a server lets it know by an alert why it is refused."""
    one, two = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    listening = parse(f"tls-listen:127.0.0.1:1?{options(**server_options)}")
    calling = parse(f"tls:127.0.0.1:1?{options(**client_options)}")
    server = server_context(listening).wrap_bio(*one, server_side=True)
    client = client_context(calling).wrap_bio(*two, server_hostname="127.0.0.1")
    for _ in range(4):
        for party, own_out, other_in in ((client, two[1], one[0]), (server, one[1], two[0])):
            try:
                party.do_handshake()
                if party is client:
                    client.read()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                if party is client:
                    return plain_words(error)
            other_in.write(own_out.read())
    return pytest.fail("nobody complained")


def test_alerts_in_plain_words(ours, theirs):
    mutual = {**own(ours.issue("server")), "ca": ours.ca}
    assert refused(mutual, {"ca": ours.ca}) == (
        "the other side wants a certificate: give cert and key"
    )
    stranger = {"ca": ours.ca, **own(theirs.issue("terminal"))}
    assert refused(mutual, stranger) == "the other side does not know the CA of our certificate"
    old = {"ca": ours.ca, **own(ours.issue("old", days=-2))}
    assert refused(mutual, old) == "the other side says that our certificate has expired"


async def test_who_does_not_speak_tls(ours):
    plain = await serve("tcp-listen:127.0.0.1:0", echo, CLOCK)
    with pytest.raises(LinkDown, match="does not speak TLS"):
        await call(plain.call_address.replace("tcp:", "tls:"), ca=ours.ca)
    await plain.aclose()
    async with server(**own(ours.issue("server"))) as address:
        link = await open_link(address.replace("tls:", "tcp:"), clock=CLOCK)
        await link.write(bytes.fromhex("683200320068C971010100000270000001003F16"))
        with pytest.raises(LinkDown):
            await drain(link)  # at most an alert comes
        await link.aclose()


async def test_files_that_will_not_do(ours, tmp_path):
    cert, key = ours.issue("server")
    _, other_key = ours.issue("other")
    (tmp_path / "empty.pem").touch()
    for given, told in (
        ({"ca": tmp_path / "none.pem"}, r"option ca: .*none.pem does not exist"),
        ({"ca": tmp_path / "empty.pem"}, r"option ca: .*no certificate or key in PEM form"),
        ({"ca": ours.ca, "cert": cert, "key": other_key}, "key does not belong to the certificate"),
        ({"ca": ours.ca, "cert": cert, "key": tmp_path / "none"}, "none does not exist"),
        ({"ca": ours.ca, "key": key}, "option key needs option cert"),
        ({"ca": ours.ca, "least": "1.1"}, "least must be one of 1.2, 1.3"),
        ({"baud": "2400"}, "unknown option 'baud'"),
    ):
        with pytest.raises(ConfigError, match=told):
            await open_link(f"tls:127.0.0.1:1?{options(**given)}", clock=CLOCK)
    with pytest.raises(ConfigError, match="needs option cert"):
        await serve("tls-listen:127.0.0.1:0", echo, CLOCK)


async def test_a_way_through_one_address_and_one_interface(ours):
    async with server(**own(ours.issue("server"))) as address:
        assert await call(address, ca=ours.ca, bind="127.0.0.1") == b"hello"
        assert await call(address, ca=ours.ca, interface="lo", bind="127.0.0.1") == b"hello"
        with pytest.raises(LinkDown):
            await call(address, ca=ours.ca, interface="ppp-none")
