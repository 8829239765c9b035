"""What a service's process is given is what its settings accept."""

from pathlib import Path

import pytest

from baton import ISSUER
from baton.local import services, state
from shared.runtime.settings import Settings


@pytest.mark.parametrize("name", state.SERVICES)
def test_a_service_accepts_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    ports = {part: 21_000 + number for number, part in enumerate(state.PORTS)}
    kept = state.save(state.new(tmp_path), ports=ports)
    services.make_keys(kept)
    for key, value in services.environment(kept, name, {}).items():
        monkeypatch.setenv(key, value)
    settings = Settings()  # pyright: ignore[reportCallIssue]
    assert (settings.env, settings.host, settings.port, settings.internal_port) == (
        "local",
        "127.0.0.1",
        ports[name],
        ports[f"{name}-internal"],
    )
    assert settings.dsn.endswith(f"@127.0.0.1:{ports['postgres']}/{name}")
    assert [issuer.issuer for issuer in settings.issuers] == [ISSUER]


def test_the_signing_key_is_made_once(tmp_path: Path):
    kept = state.save(state.new(tmp_path))
    services.make_keys(kept)
    first = (kept.keys / "key.pem").read_bytes()
    services.make_keys(kept)
    assert (kept.keys / "key.pem").read_bytes() == first
    assert (kept.keys / "key.pem").stat().st_mode & 0o777 == 0o600


def test_keys_of_an_earlier_version_are_put_where_services_look(tmp_path: Path):
    kept = state.save(state.new(tmp_path))
    services.make_keys(kept)
    public = kept.keys / "public" / "jwks.json"
    before = public.read_bytes()
    public.replace(kept.keys / "jwks.json")
    public.parent.rmdir()
    services.make_keys(kept)
    assert public.read_bytes() == before
