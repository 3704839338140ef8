"""Synthetic reviews in the format of Kaggle's Yelp training set, for a run without the real reviews.

A seeded probabilistic grammar writes them. synthetic_reviews.txt holds its rules and describes their notation.
"""

import base64
import datetime
import functools
import hashlib
import random
import re
import string
from collections.abc import Iterator
from importlib import resources

# Kaggle's file has 20 reviews a business and 5 a user. The pools do not grow with `count`, so that more reviews
# begin with the reviews of a smaller `count`.
BUSINESSES, USERS = 2_000, 20_000

STARS = ("one star", "two stars", "three stars", "four stars", "five stars")
STARS_WEIGHTS = (8, 9, 15, 34, 34)
GOOD_SENTENCE = (0.02, 0.2, 0.5, 0.85, 0.99)  # share of good sentences between opening and ending, by stars
SENTENCES_WEIGHTS = (3, 6, 10, 16, 19, 18, 14, 9, 5)  # of 1 to 9 sentences; the mean is 5.3
FAMILIES = {
    "food": ("pizza", "tacos", "sushi", "coffee", "burgers", "bakery"),
    "shop": ("books",),
    "service": ("salon", "garage", "hotel"),
}
TOPICS = ("main", "second", "guest", "service", "wait", "cost", "room", "quote", "details")
AGREEMENT = {
    "": {"was": "was", "is": "is", "they": "it", "them": "it", "their": "its", "a": "a"},
    "p": {"was": "were", "is": "are", "they": "they", "them": "them", "their": "their", "a": "some"},
    "f": {"was": "was", "is": "is", "they": "she", "them": "her", "their": "her"},
    "m": {"was": "was", "is": "is", "they": "he", "them": "him", "their": "his"},
    "i": {"was": "was", "is": "am", "they": "I", "them": "me", "their": "my"},
    "w": {"was": "were", "is": "are", "they": "we", "them": "us", "their": "our"},
}
_OPTIONAL = re.compile(r"<([^<>]*)>")
_SLOT = re.compile(r"\[([\w.]+)\]|\{([a-z]+)(\d*)(?::(\w+))?\}")
_VOWEL_AFTER_A = re.compile(r"\b([Aa]) (?=[aeiouAEIOU8]|11\b|18\b)(?!uni|use)")

_MarkedText = tuple[str, str]  # a text, and the mark that says which words agree with it


def generate_reviews(count: int, *, seed: int) -> Iterator[dict[str, object]]:
    """Yield reviews 0 to `count` - 1. Review k depends on `seed` and k alone.

    Keys and types are Kaggle's. A text has 315 characters on average, all ASCII.
    """
    for number in range(count):
        yield _generate_review(seed, number)


def _generate_review(seed: int, number: int) -> dict[str, object]:
    rng = random.Random(f"{seed}/review/{number}")
    business = rng.randrange(BUSINESSES)
    kind, memory = _generate_business(seed, business)
    stars = rng.choices(range(1, 6), STARS_WEIGHTS)[0]
    memory |= {"stars": (STARS[stars - 1], ""), "asterisks": ("*" * stars, "")}
    date = datetime.date(2005, 3, 1) + datetime.timedelta(days=rng.randrange(2_860))  # to the end of 2012
    return {
        "votes": {vote: int(rng.expovariate(1)) for vote in ("funny", "useful", "cool")},
        "user_id": _identifier(seed, "user", rng.randrange(USERS)),
        "review_id": _identifier(seed, "review", number),
        "stars": stars,
        "date": date.isoformat(),
        "text": _write_text(rng, _Writer(rng, memory, kind), stars),
        "type": "review",
        "business_id": _identifier(seed, "business", business),
    }


def _generate_business(seed: int, number: int) -> tuple[str, dict[str, _MarkedText]]:
    """Return a business's kind, and the name, street and owner that all its reviews share."""
    rng = random.Random(f"{seed}/business/{number}")
    kind = rng.choice([kind for kinds in FAMILIES.values() for kind in kinds])
    writer = _Writer(rng, {}, kind)
    for name in ("street", "owner"):
        writer.recall(name)
    writer.memory["place"] = (string.capwords(writer.expand("place")), "")
    return kind, writer.memory


def _write_text(rng: random.Random, writer: "_Writer", stars: int) -> str:
    """Write an opening, some topics in random order, and an ending. A short review may lack the first or the last."""
    overall = "good" if stars > 3 else "bad" if stars < 3 else "mixed"
    length = rng.choices(range(1, 10), SENTENCES_WEIGHTS)[0]
    opens = rng.random() < 0.8
    closes = length > 1 and rng.random() < 0.7
    sentences = [writer.write_sentence("open", overall)] if opens else []
    last_mood = ""
    for topic in rng.sample(TOPICS, max(length - opens - closes, 0)):
        mood = "good" if rng.random() < GOOD_SENTENCE[stars - 1] else "bad"
        if topic in ("main", "second") and overall != "mixed":
            mood = overall  # the ending mentions the dishes of these topics again
        turns = {mood, last_mood} == {"good", "bad"}
        link = "turn" if turns else "more" if last_mood and rng.random() < 0.15 else ""
        sentences.append(writer.write_sentence(topic, mood, link))
        last_mood = mood
    if closes:
        if length > 4 and rng.random() < 0.3:
            sentences[-1] = writer.write_sentence("tip", "")
        sentences.append(writer.write_sentence("close", overall))
    paragraphs = length > 3 and rng.random() < 0.3
    joints = ["\n\n" if paragraphs and rng.random() < 0.35 else " " for _ in sentences[1:]]
    return "".join(sentence + joint for sentence, joint in zip(sentences, [*joints, ""], strict=True))


class _Writer:
    """Expands the rules for one review. `memory` holds the text of each {name} of the review so far."""

    def __init__(self, rng: random.Random, memory: dict[str, _MarkedText], kind: str) -> None:
        self.memory = memory
        self._rng, self._kind = rng, kind
        self._family = next(family for family, kinds in FAMILIES.items() if kind in kinds)

    def expand(self, name: str, mood: str = "") -> str:
        """Expand an alternative of the narrowest rule `name`. Its mark stays at its end."""
        tails = (f".{mood}.{self._kind}", f".{self._kind}", f".{mood}.{self._family}", f".{self._family}")
        rules = _read_rules()
        alternatives = next(rules[name + tail] for tail in (*tails, f".{mood}", "") if name + tail in rules)
        text = _OPTIONAL.sub(lambda m: m[1] if self._rng.random() < 0.5 else "", self._rng.choice(alternatives))
        return _SLOT.sub(lambda slot: self._fill(slot, mood), text)

    def recall(self, name: str, number: str = "", mood: str = "") -> _MarkedText:
        """Return the review's text for {name}. Expand rule `name` if the review has none yet."""
        key = name + number
        while key not in self.memory:
            text, _, mark = self.expand(name, mood).partition("^")
            if (text, mark) not in self.memory.values():
                self.memory[key] = (text, mark)
        return self.memory[key]

    def write_sentence(self, name: str, mood: str, link: str = "") -> str:
        """Expand rule `name` to a sentence: link to the sentence before, capital, `a` or `an`, full stop."""
        text = self.expand(name, mood)
        if link and text[0].isalpha():
            text = f"{self.expand(link)} {text}"
        text = _VOWEL_AFTER_A.sub(r"\1n ", text)
        text = re.sub(r'^(["(]?)([a-z])', lambda m: m[1] + m[2].upper(), text)
        if re.search(r'[.!?][")]?$', text):
            return text
        return text + ("!" if self._rng.random() < {"good": 0.3, "bad": 0.15}.get(mood, 0) else ".")

    def _fill(self, slot: re.Match[str], mood: str) -> str:
        anew, name, number, form = slot.groups()
        if anew:
            return self.expand(anew, mood)
        text, mark = self.recall(name, number, mood)
        return AGREEMENT[mark][form] if form else text


@functools.cache
def _read_rules() -> dict[str, list[str]]:
    """Return each rule's alternatives by the rule's name."""
    text = resources.files("preprocessing").joinpath("synthetic_reviews.txt").read_text(encoding="utf-8")
    lines = text.replace("\n |", " |").splitlines()
    rules = (line.split(": ", 1) for line in lines if line and not line.startswith("#"))
    return {name: alternatives.split(" | ") for name, alternatives in rules}


def _identifier(*parts: object) -> str:
    """Return 22 URL-safe characters, as Kaggle's ids have: 128 bits of a hash of the parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
