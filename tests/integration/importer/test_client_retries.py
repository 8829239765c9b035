"""The client against a scripted outside world: what it repeats, with which key, for how long, and what it says in the end."""

import asyncio
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from baton import CommandError
from baton import client as api

SITE = api.Site(addresses={"sales": "http://sales.test"}, tokens={"sales": "T"})
Answer = httpx2.Response | Exception


class Script:
    """Answers in turn, the last one for ever; remembers requests and waits. Time passes only by waiting."""

    def __init__(self, *answers: Callable[[], Answer]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.waits: list[float] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        made = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()
        if isinstance(made, Exception):
            raise made
        return made

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def client(self, site: api.Site = SITE, patience: float = 30) -> api.Client:
        return api.Client(
            site,
            roles={"sales": ["importer"]},
            subject="test",
            patience=patience,
            transport=httpx2.MockTransport(self.answer),
            sleep=self.sleep,
            clock=lambda: sum(self.waits),
            chance=lambda: 1.0,
        )

    def keys(self) -> Sequence[str]:
        return [request.headers["Idempotency-Key"] for request in self.requests]


def ok(content: str = '{"done": true}') -> Callable[[], Answer]:
    return lambda: httpx2.Response(200, text=content)


def refused(status: int, code: str, headers: dict[str, str] | None = None, **more: object) -> Callable[[], Answer]:
    problem = {"type": f"/problems/{code.lower()}", "code": code, "detail": "It is so.", "errors": [], **more}
    return lambda: httpx2.Response(status, text=json.dumps(problem), headers=headers)


def broken() -> Answer:
    return httpx2.ConnectError("refused")


def post(script: Script, patience: float = 30) -> dict[str, object]:
    async def run() -> dict[str, object]:
        async with script.client(patience=patience) as client:
            return await client.post("sales", "/v1/deals", {"a": 1})

    return asyncio.run(run())


@pytest.mark.parametrize(
    "failure",
    [
        lambda: broken,
        lambda: lambda: httpx2.ReadTimeout("slow"),
        lambda: lambda: httpx2.RemoteProtocolError("cut"),
        lambda: refused(503, "UNAVAILABLE", {"Retry-After": "1"}),
        lambda: refused(429, "TOO_MANY", {"Retry-After": "1"}),
        lambda: refused(409, "NOT_KNOWN_YET", {"Retry-After": "1"}),
    ],
)
def test_a_command_keeps_its_key_over_retries(failure: Callable[[], Callable[[], Answer]]):
    script = Script(failure(), failure(), ok())
    assert post(script) == {"done": True}
    assert len(script.requests) == 3
    assert len(set(script.keys())) == 1


def test_two_commands_have_two_keys():
    script = Script(ok())
    post(script)
    post(script)
    assert len(set(script.keys())) == 2


@pytest.mark.parametrize(
    ("status", "code"), [(409, "OFFER_ALREADY_ANSWERED"), (422, "INVALID_CONTENT"), (403, "FORBIDDEN"), (500, "INTERNAL")]
)
def test_a_refusal_that_cannot_pass_is_not_repeated(status: int, code: str):
    script = Script(refused(status, code))
    with pytest.raises(api.ApiError) as caught:
        post(script)
    assert (caught.value.status, caught.value.code, len(script.requests)) == (status, code, 1)


def test_waits_grow_and_end_with_the_patience():
    script = Script(broken)
    with pytest.raises(api.UnreachableError, match="sales does not answer"):
        post(script, patience=20)
    assert script.waits == sorted(script.waits)
    assert 15 <= sum(script.waits) <= 20


def test_retry_after_is_waited_for():
    script = Script(refused(503, "UNAVAILABLE", {"Retry-After": "7"}), ok())
    post(script)
    assert script.waits == [pytest.approx(7.1)]


def test_an_error_names_the_fields_and_never_the_values():
    fields = [{"code": "TOO_LONG", "field": "/labels/origin", "message": "At most 32.", "input": "secret"}]
    script = Script(refused(422, "INVALID_CONTENT", errors=fields))
    with pytest.raises(api.ApiError, match=r"sales refused POST /v1/deals with 422: At most 32\. \(TOO_LONG at /labels/origin\)") as caught:
        post(script)
    assert "secret" not in str(caught.value)


def test_an_error_without_a_problem_document_still_says_what_it_was():
    script = Script(lambda: httpx2.Response(404, text="<html>"))
    with pytest.raises(api.ApiError, match="404") as caught:
        post(script)
    assert caught.value.code == "HTTP_404"


def test_fractions_come_back_exact():
    assert post(Script(ok('{"conversion": 0.098971}'))) == {"conversion": Decimal("0.098971")}


def test_pages_are_followed_to_the_end():
    script = Script(ok('{"items": [1], "next": "c1"}'), ok('{"items": [2], "next": "c2"}'), ok('{"items": [3], "next": null}'))

    async def run() -> list[int]:
        async with script.client() as client:
            return [item async for page in client.pages("sales", "/v1/deals", {"source": "x", "by": None}) for item in page["items"]]

    assert asyncio.run(run()) == [1, 2, 3]
    assert [dict(request.url.params) for request in script.requests] == [
        {"source": "x"},
        {"source": "x", "cursor": "c1"},
        {"source": "x", "cursor": "c2"},
    ]


def test_a_version_becomes_an_if_match():
    script = Script(ok())

    async def run() -> None:
        async with script.client() as client:
            await client.post("sales", "/v1/leads/1/accept", {}, if_match=3)

    asyncio.run(run())
    assert script.requests[0].headers["If-Match"] == '"v3"'


def test_a_missing_token_is_said_plainly():
    with pytest.raises(CommandError, match="BATON_TOKEN_SALES"):
        asyncio.run(_get(Script(ok()).client(api.Site(addresses={"sales": "http://sales.test"}))))


def test_an_unknown_service_is_said_plainly():
    with pytest.raises(CommandError, match="BATON_URL_SALES"):
        asyncio.run(_get(Script(ok()).client(api.Site(addresses={"marketing": "http://m.test"}))))


def test_the_environment_names_another_deployment():
    environ = {"BATON_URL_SALES": "https://sales.example", "BATON_TOKEN_SALES": "abc", "OTHER": "x"}
    site = api.find_site(Path("/nonexistent/state"), environ)
    assert (site.addresses, site.tokens) == ({"sales": "https://sales.example"}, {"sales": "abc"})


def test_without_profile_and_environment_the_error_says_what_to_do():
    with pytest.raises(CommandError, match="make run"):
        api.find_site(Path("/nonexistent/state"), {})


async def _get(client: api.Client) -> None:
    async with client:
        await client.get("sales", "/v1/deals")
