"""A term that the glossary does not explain does not enter an API or an event."""

from __future__ import annotations

from tests.contract import words


def test_every_published_name_is_made_of_words_that_the_glossary_explains() -> None:
    names = words.published()
    assert len(names) > 300
    assert words.unexplained(names, words.GLOSSARY.read_text(encoding="utf-8")) == {}


def test_a_new_word_would_be_noticed() -> None:
    names = {"loyalty_tier": "an event", "lead_id": "an event"}
    assert words.unexplained(names, words.GLOSSARY.read_text(encoding="utf-8")) == {"loyalty_tier": ["loyalty", "tier"]}
