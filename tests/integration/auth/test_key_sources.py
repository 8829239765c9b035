"""Keys stay fresh, a bad set never replaces a good one, and a source that is away too long closes the door."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.auth import keys
from shared.auth.failures import InvalidToken, Misconfigured
from shared.auth.keys import KeySource
from shared.auth.tokens import TrustedIssuer, Verifier
from tests.integration.auth import forged, mint
from tests.integration.auth.mint import bearer, key_set

ONE, TWO = mint.ec_signer("one"), mint.ec_signer("two")
ADDRESS = "https://id.example/jwks.json"
ALGORITHMS = {"ES256"}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Provider(httpx2.AsyncBaseTransport):
    """An identity provider far away: answers what it is told to, and counts."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.status = 200
        self.headers: dict[str, str] = {}
        self.away = False
        self.asked: list[httpx2.Request] = []
        self.delay = asyncio.Event()
        self.delay.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        await self.delay.wait()
        if self.away:
            raise httpx2.ConnectError("away")

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(self.answer), 1000):
                yield self.answer[start : start + 1000]

        return httpx2.Response(self.status, headers=self.headers, content=pieces())


def replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(ONE))
    return path


@pytest.fixture
async def provider() -> Provider:
    return Provider(key_set(ONE))


@pytest.fixture
async def source(provider: Provider, clock: Clock) -> AsyncIterator[KeySource]:
    source = KeySource(ADDRESS, ALGORITHMS, clock, transport=provider)
    yield source
    await source.close()


async def settled(source: KeySource) -> None:
    if source._look:
        await source._look


async def test_a_new_key_in_the_file_is_found_at_once_and_an_old_one_is_gone(file: Path, clock: Clock):
    source = KeySource(str(file), ALGORITHMS, clock)
    replace(file, key_set(TWO))
    assert await source.find("one")
    assert await source.find("two")
    assert await source.find("one") is None


async def test_a_removed_key_serves_at_most_a_minute(file: Path, clock: Clock):
    source = KeySource(str(file), ALGORITHMS, clock)
    replace(file, key_set(TWO))
    clock.now += 59
    assert await source.find("one")
    clock.now += 1
    assert await source.find("one") is None


async def test_an_unknown_key_causes_one_look_a_minute(file: Path, clock: Clock):
    source = KeySource(str(file), ALGORITHMS, clock)
    assert await source.find("two") is None
    replace(file, key_set(ONE, TWO))
    clock.now += 30
    assert await source.find("two") is None
    clock.now += 30
    assert await source.find("two")


@pytest.mark.parametrize("bad", [b"", b"{", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AAAA"}]}', b"\xff" * 300_000])
async def test_a_bad_file_never_replaces_a_good_one(file: Path, clock: Clock, bad: bytes):
    source = KeySource(str(file), ALGORITHMS, clock)
    replace(file, bad)
    clock.now += 61
    assert await source.find("one")
    clock.now += 24 * 3600 - 62
    assert await source.find("one")
    clock.now += 2
    assert await source.find("one") is None
    replace(file, key_set(ONE))
    clock.now += 61
    assert await source.find("one")


async def test_keys_of_a_file_that_vanished_serve_a_day(file: Path, clock: Clock):
    source = KeySource(str(file), ALGORITHMS, clock)
    os.unlink(file)
    clock.now += 24 * 3600
    assert await source.find("one")
    clock.now += 1
    assert await source.find("one") is None


async def test_an_unchanged_file_serves_for_ever(file: Path, clock: Clock):
    source = KeySource(str(file), ALGORITHMS, clock)
    for _ in range(10):
        clock.now += 23 * 3600
        assert await source.find("one")


async def test_a_clock_that_is_set_back_does_not_stop_the_looking(file: Path, clock: Clock):
    source = KeySource(str(file), ALGORITHMS, clock)
    clock.now -= 7200
    replace(file, key_set(ONE, TWO))
    assert await source.find("two")


@pytest.mark.parametrize("content", [None, b"no json", json.dumps({"keys": [ONE.jwk(d="AAAA")]}).encode(), b'{"keys": []}'])
def test_a_process_does_not_start_without_good_keys(tmp_path: Path, clock: Clock, content: bytes | None):
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match="BATON_ISSUERS"):
        KeySource(str(path), ALGORITHMS, clock)


async def test_a_process_does_not_start_when_the_provider_is_away(source: KeySource, provider: Provider):
    provider.away = True
    with pytest.raises(Misconfigured, match="BATON_ISSUERS"):
        await source.open()


async def test_a_known_key_needs_no_further_question(source: KeySource, provider: Provider, clock: Clock):
    await source.open()
    for _ in range(100):
        clock.now += 5
        assert await source.find("one")
    assert len(provider.asked) == 1


async def test_an_unknown_key_asks_the_provider_once(source: KeySource, provider: Provider):
    await source.open()
    found = await asyncio.gather(*(source.find(f"unknown-{number}") for number in range(50)))
    assert found == [None] * 50
    assert await source.find("unknown") is None
    assert len(provider.asked) == 2


async def test_a_rotated_key_is_found_at_once(source: KeySource, provider: Provider):
    await source.open()
    provider.answer = key_set(ONE, TWO)
    assert await source.find("two")


async def test_requests_with_known_keys_do_not_wait_for_the_provider(source: KeySource, provider: Provider, clock: Clock):
    await source.open()
    provider.delay.clear()
    provider.answer = key_set(TWO)
    clock.now += 600
    async with asyncio.timeout(1):
        assert await source.find("one")
    provider.delay.set()
    await settled(source)
    assert await source.find("one") is None


async def test_a_provider_that_is_away_does_not_stop_good_tokens_for_a_day(source: KeySource, provider: Provider, clock: Clock):
    await source.open()
    provider.away = True
    for _ in range(144):
        clock.now += 600
        assert await source.find("one")
        await settled(source)
    clock.now += 600
    assert await source.find("one") is None
    await settled(source)
    provider.away = False
    clock.now += 600
    assert await source.find("one") is None
    await settled(source)
    assert await source.find("one")


@pytest.mark.parametrize(
    ("status", "headers", "answer"),
    [
        (302, {"location": "https://elsewhere.example/jwks.json"}, key_set(TWO)),
        (500, {}, key_set(TWO)),
        (204, {}, key_set(TWO)),
        (200, {}, b'{"keys": [' + b" " * 300_000 + b"]}"),
        (200, {"content-encoding": "gzip"}, gzip.compress(key_set(TWO))),
        (200, {}, json.dumps({"keys": [TWO.jwk(d="AAAA")]}).encode()),
        (200, {}, b"<html>"),
    ],
)
async def test_a_bad_answer_never_replaces_good_keys(
    source: KeySource, provider: Provider, status: int, headers: dict[str, str], answer: bytes
):
    await source.open()
    provider.status, provider.headers, provider.answer = status, headers, answer
    assert await source.find("two") is None
    assert await source.find("one")
    assert {str(request.url) for request in provider.asked} == {ADDRESS}


async def test_a_provider_that_does_not_answer_is_left_alone(source: KeySource, provider: Provider, monkeypatch: pytest.MonkeyPatch):
    await source.open()
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.02)
    provider.delay.clear()
    async with asyncio.timeout(2):
        assert await source.find("two") is None


async def test_a_provider_without_a_trusted_certificate_is_not_believed(tmp_path: Path, clock: Clock):
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=private.public_key(), serial_number=1)
    builder = builder.not_valid_before(datetime.now(UTC) - timedelta(days=1)).not_valid_after(datetime.now(UTC) + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
    pem = tmp_path / "server.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private.private_bytes(*plain) + builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(pem)
    reached: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Misconfigured):
            await KeySource(f"https://127.0.0.1:{port}/jwks.json", ALGORITHMS, clock).open()
    assert reached == []


async def test_a_token_seen_before_ends_with_its_key(tmp_path: Path, clock: Clock):
    clock.now = forged.NOW
    sales = forged.site(tmp_path, clock=clock)
    good = bearer(forged.token())
    await sales.verify(good)
    replace(tmp_path / "a.json", key_set(forged.RSA))
    clock.now += 60
    with pytest.raises(InvalidToken):
        await sales.verify(good)


async def test_a_token_seen_before_ends_when_another_key_takes_its_id(tmp_path: Path, clock: Clock):
    clock.now = forged.NOW
    sales = forged.site(tmp_path, clock=clock)
    good = bearer(forged.token())
    await sales.verify(good)
    replace(tmp_path / "a.json", key_set(forged.ATTACKER))
    clock.now += 60
    with pytest.raises(InvalidToken):
        await sales.verify(good)


async def test_a_removed_key_opens_nothing_before_its_address_has_answered(clock: Clock):
    issuer = TrustedIssuer(issuer=forged.ISSUER, jwks="https://127.0.0.1:9/jwks.json", algorithms=frozenset(("ES256",)))
    sales = Verifier([issuer], audience=forged.US, clock=clock)
    with pytest.raises(InvalidToken):
        await sales.verify(bearer(forged.token()))
    await sales.close()


def test_a_verifier_is_not_built_on_sand(file: Path):
    issuer = TrustedIssuer(issuer=forged.ISSUER, jwks=str(file), algorithms=frozenset(("ES256",)))
    with pytest.raises(Misconfigured, match="BATON_ISSUERS"):
        Verifier([], audience="sales")
    with pytest.raises(Misconfigured, match="BATON_ISSUERS"):
        Verifier([issuer, issuer], audience="sales")
    with pytest.raises(Misconfigured, match="audience"):
        Verifier([issuer], audience="")
    os.truncate(file, 0)
    with pytest.raises(Misconfigured, match="jwks"):
        Verifier([issuer], audience="sales")
