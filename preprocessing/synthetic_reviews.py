"""Invented reviews in the format of Kaggle's Yelp training set, for a run without the real data.

A seeded probabilistic grammar writes them. A line of `RULES` is `name: alternative | alternative`, each as
likely as the next. In an alternative, `[name]` is expanded afresh; `{name}` once a review and then recalled,
`{name1}` and `{name2}` being two different ones; `{name:they}` is a word that agrees with it, by the mark
`^p` (plural), `^f`, `^m`, `^i` (I) or `^w` (we) on its alternative; `<...>` appears half the time. A rule's
name may end in a mood, a kind or a family of business (`price.hotel`, `a.bad.food`); the narrowest wins.
"""

import base64
import datetime
import functools
import hashlib
import random
import re
import string
from collections.abc import Iterator

# Kaggle's file has 20 reviews a business and 5 a user. The pools are fixed, not scaled to `count`, so that a
# longer run extends a shorter one.
BUSINESSES, USERS = 2_000, 20_000

RULES = r"""
person: Dana^f | Priya^f | Maria^f | Ruth^f | Naomi^f | Elena^f | June^f | Tess^f | Keiko^f | Hannah^f
 | Rosa^f | Marco^m | Theo^m | Victor^m | Omar^m | Walt^m | Kenji^m | Pete^m | Diego^m | Leon^m | Frank^m
 | Samir^m
friend: wife^f | husband^m | sister^f | brother^m | mother^f | father^m | aunt^f | roommate^m | cousin^f
 | boss^m | neighbor^m | girlfriend^f | boyfriend^m | best friend^f | grandmother^f | son^m | daughter^f
us: I^i | I^i | my {friend} and I^w | we^w | my {friend} and I^w
day: Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday
count: two | three | four | five | six
few: 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9
tens: 10 | 15 | 20 | 25
minutes: 10 | 15 | 20 | 25 | 30 | 35 | 40 | 45 | 50
clock: noon | [few] | [few]:15 | [few]:30 | [few]:45
price.food: $[few].[cents] | $[few] | $1[few]
price.bad.food: $1[few].[cents] | $1[few] | $2[few]
price.shop: $[few].[cents] | $1[few].[cents]
price.bad.shop: $2[few] | $3[few].[cents]
price.service: $[few]5 | $[few]0
price.bad.service: $1[few]0 | $2[few]5
price.hotel: $1[few]9 | $2[few]9 | $[few]9
cents: 25 | 49 | 50 | 75 | 95 | 99
street: Oak Street | Maple Avenue | Third Street | Fifth Avenue | Mill Road | Harbor Drive | Park Avenue
 | Canal Street | Cherry Lane | Central Avenue | Pine Street | Seventh Street | River Road | Station Road
town: town | the city | the valley | the neighborhood | the whole state | this part of town
thing: Kettle | Lantern | Fig | Anchor | Sparrow | Clover | Barrel | Fox | Thistle | Lemon | Pepper | Swan
color: Copper | Blue | Golden | Red | Silver | Green | Velvet | Rusty | Crooked | Little | Lucky | Hungry
owner: [person]
place: the [color] [thing] | [color] [thing] [genre] | {owner}'s [genre] | {owner}'s | {thing1} & {thing2}
 | [color] [thing] | [thing] [genre] | {street} [genre]

genre.pizza: pizza place | pizzeria | slice shop | pizza parlor
dish.pizza: margherita pizza | pepperoni slice | calzone | mushroom pizza | white pizza | meatballs^p
 | house salad | garlic knots^p | stuffed shells^p | sausage pizza | eggplant sandwich
detail.good.pizza: the crust was thin and crisp | the sauce tasted like summer | the cheese went on for miles
detail.bad.pizza: the crust was pale in the middle | the sauce came from a can | the cheese slid right off
genre.tacos: taco shop | taqueria | Mexican restaurant | cantina
dish.tacos: carne asada burrito | fish tacos^p | chicken enchiladas^p | tamales^p | shrimp quesadilla
 | tortilla soup | carnitas plate | bean burrito | churros^p | taco salad | chile relleno
detail.good.tacos: the salsa had real heat | the tortillas were made by hand | there was lime on every plate
detail.bad.tacos: the salsa tasted like ketchup | the tortillas fell apart
 | the beans were straight from a can
genre.sushi: sushi bar | Japanese restaurant | sushi house
dish.sushi: spicy tuna roll | rainbow roll | eel roll | bento box | seaweed salad | salmon platter
 | avocado roll | pork dumplings^p | shrimp skewers^p | bowl of udon
a.bad.sushi: bland | warm | mushy | dull | rubbery
detail.good.sushi: the fish was cut to order | the rice was just right | the wasabi cleared my head
detail.bad.sushi: the rice was hard | the fish smelled old | the ginger was the best thing on the plate
genre.coffee: coffee shop | cafe | espresso bar | coffee house
dish.coffee: iced latte | cappuccino | mocha | cold brew | chai latte | pot of green tea | flat white
 | hot chocolate | double espresso | iced coffee
a.bad.coffee: bitter | burnt | lukewarm | watery | weak
detail.good.coffee: the beans are roasted in back | the wifi was fast | there was an outlet at every table
detail.bad.coffee: the wifi kept dropping | the milk had turned | every table was sticky
genre.burgers: burger joint | tavern | sports bar | grill
dish.burgers: bacon cheeseburger | turkey burger | onion rings^p | sweet potato fries^p | chicken wings^p
 | chili dog | pulled pork sandwich | veggie burger | patty melt | fried pickles^p
detail.good.burgers: the bun was toasted | the beer was ice cold | there were [count] games on at once
detail.bad.burgers: the bun was stale | the beer was flat | the fryer oil needed changing
genre.bakery: bakery | bake shop | pastry shop
dish.bakery: cinnamon roll | sourdough loaf | lemon tart | carrot cake | oatmeal cookies^p | apple turnover
 | cupcakes^p | raspberry muffin | cherry pie | almond croissant
detail.good.bakery: the whole block smelled like butter | the bread was still warm | nothing was too sweet
detail.bad.bakery: the frosting was all sugar | the case was half empty by [clock] | the bread was a day old
genre.books: bookstore | used book store | bookshop
dish.books: mystery novel | cookbook | poetry collection | leather journal | atlas | picture book
 | comics^p | travel guide | postcards^p | first edition
detail.good.books: a gray cat slept in the window | the shelves were in perfect order
 | there was a chair in every corner
detail.bad.books: the shelves were a mess | half of the covers were torn | the whole place smelled of mildew
genre.salon: hair salon | salon | day spa
dish.salon: haircut | blowout | manicure | highlights^p | trim | gel nails^p | beard trim | facial | pedicure
detail.good.salon: they offered {us:them} tea | the chairs were so comfortable | my hair has never felt softer
detail.bad.salon: the water was freezing | my color faded in a week | one side was longer than the other
genre.garage: garage | repair shop | tire shop
dish.garage: oil change | brake job | tire rotation | tune-up | smog test | wheel alignment | battery swap
 | new tires^p
detail.good.garage: they showed me the old parts | my car runs like new | they even vacuumed the seats
detail.bad.garage: the noise was back by {day} | they left grease on the seats
 | the check engine light is still on
genre.hotel: hotel | inn | lodge
dish.hotel: corner suite | king room | balcony room | courtyard room | garden suite | spa package
 | weekend special
a.good.hotel: spotless | quiet | comfortable | lovely | relaxing
a.bad.hotel: dirty | noisy | cramped | musty | depressing
detail.good.hotel: the bed was like a cloud | the pool was heated | there were fresh flowers in the lobby
detail.bad.hotel: the walls were paper thin | the air conditioner rattled all night
 | there was hair in the tub

staff.food: server | waiter | cashier | host | cook
staff.coffee: barista | cashier
staff.bakery: baker | cashier | counter clerk
staff.shop: clerk | cashier | bookseller
staff.salon: stylist | receptionist
staff.garage: mechanic | service writer
staff.hotel: desk clerk | concierge | manager
got.food: ordered | tried | had | got
got.shop: bought | picked up | found | took home
got.service: booked | paid for | got
a.good.food: fresh | delicious | tasty | wonderful | perfect | fantastic
a.bad.food: bland | cold | stale | soggy | dull | tasteless
b.good.food: full of flavor | made with care | big enough to share | worth every penny | better than ever
b.bad.food: overpriced | short on flavor | not what I ordered | a total letdown | smaller than my fist
a.good.shop: beautiful | lovely | charming | well made | gorgeous
a.bad.shop: damaged | dusty | faded | flimsy | falling apart
b.good.shop: priced to sell | just what I wanted | in great shape | a perfect gift
b.bad.shop: overpriced | not worth a dime | nothing like the photo | missing a few pages
a.good.service: quick | flawless | painless | terrific | excellent
a.bad.service: sloppy | rushed | uneven | careless | disappointing
b.good.service: fairly priced | exactly what I asked for | better than I had hoped | worth the drive
b.bad.service: overpriced | not what I asked for | a waste of an afternoon | far from finished
adj: [a] | [a] | [very] [a] | [a] and [b] | [very] [a] and [b] | [b] | so [a] that [result] | both [a] and [b]
very.good: really | truly
very.bad: really | painfully | so | shockingly
result.good: I told everyone at work | {us:they} went back on {day} | I almost forgot to take a picture
 | I called my {friend}
result.bad: I almost walked out | {us:they} asked for the manager | I had to laugh | even my {friend} noticed

went: went to | stopped by | tried | visited | ended up at | finally made it to
when: last {day} | on {day} | on a rainy {day} | a few weeks ago | around [clock] on {day} | over the weekend
why.food: for a quick bite | for a birthday | after a long week at work | before a movie | on a whim
 | because of the good reviews | because the place next door was full
why.shop: for a gift | on the way home | to kill an hour | before a movie | with $[few]0 to spend
why.service: before a wedding | with a coupon for [tens]% off | on the advice of a coworker
 | for the first time
size: busy | small | new | quiet | hidden | family
visit: {us} [went] {place} [when] and [got] {dish1:a} {dish1} | [when], {us} [went] {place} [why]
 | {us} [went] {place} [why] [when] | [when] {us} [got] {dish1:a} {dish1} at {place} on {street}
 | {place} is a <[size] >[genre] on {street} | {place} is a [genre] at {street} and {street2}
open.good: [visit] | [visit] | [visit] | {place} is <easily >my favorite [genre] in [town] | I love {place}
 | I have been coming to {place} for [count] years, and the {dish1} {dish1:was} as good as ever
 | if you are looking for a <good >[genre] in [town], {place} is the one
open.bad: [visit] | [visit] | [visit] | I really wanted to like {place} | do not waste your time at {place}
 | {place} used to be my favorite [genre] in [town], but not any more
 | I do not understand why people like {place} | how does a [genre] get the {dish1} so wrong?
open.mixed: [visit] | [visit] | I have mixed feelings about {place}
 | {place} is an average [genre], no more and no less
main: the {dish1} {dish1:was} [adj]<[tail]> | {us} [got] the {dish1}, and {dish1:they} {dish1:was} [adj]
 | [rave]<[tail]> | I [got] the {dish1} ({price}), which {dish1:was} [adj]<[tail]>
 | let me start with the {dish1}: [adj]
tail.good: , even on a busy {day} | , which made my {day} | , and I do not say that often
 | , and it was worth the drive from {street3} | , and I have been to every [genre] in [town]
tail.bad: , which is sad for a [genre] | , and I am not hard to please | , even on a slow {day}
 | , which ruined my {day} | , and I was not the only one who thought so
rave.good: the {dish1} {dish1:was} the best I have had in [count] years | I still think about the {dish1}
 | nobody in [town] can match the {dish1} | I cannot say enough about the {dish1}
rave.bad: the {dish1} {dish1:was} the worst I have had in [count] years
 | I wanted to cry when I saw the {dish1} | I would not wish the {dish1} on anyone
 | I am still mad about the {dish1}
second: my {friend} [got] the {dish2} and [loved] {dish2:them}<[tail]>
 | the {dish2} {dish2:was} [adj], and the {dish3} {dish3:was} [adj]
 | {us:they} also [got] the {dish2}, which {dish2:was} [adj]<[tail]>
 | the {dish3} {dish3:was} [a], but the {dish2} [beat]<[tail]>
loved.good: loved | could not stop talking about | raved about | was so happy with
loved.bad: hated | was not happy with | complained about | did not care for
beat.good: {dish2:was} even better | stole the show
beat.bad: {dish2:was} even worse | {dish2:was} a disaster
guest: my {friend}, who [trait], [verdict]<[tail]> | even my {friend}, who [trait], [verdict]
 | my {friend} took one look at the {dish2} and [verdict]
trait: is hard to please | knows a good [genre] | never likes anything | has been to every [genre] in [town]
verdict.good: asked to go back on {day} | could not stop smiling | gave the place a 9 out of 10
 | was <very >impressed
verdict.bad: said never again | gave the place a [few] out of 100 | just shook {friend:their} head
 | wanted to leave
service.good: the [staff], {person}, was [nice] and [deed]<[tail]> | the owner, {owner}, [deed]<[tail]>
 | {person} was [nice], [deed], and [deed2]
 | {person}, the [staff], [deed], and {person:they} never stopped smiling
 | the staff was [nice], and the owner, {owner}, [deed]
service.bad: the [staff] was [nice] and [deed]<[tail]> | the [staff] [deed] and then [deed2]
 | {person}, the [staff], [deed]<[tail]> | I asked for help with the {dish1}, and the [staff] just [shrug]
 | the staff was [nice] from start to finish<[tail]>
nice.good: friendly | warm | patient | kind | so sweet | attentive | funny
nice.bad: rude | slow | cold | bored | careless | distracted
deed.good: made {us:them} feel at home | answered all of my questions | took great care of {us:them}
 | went the extra mile
deed2.good: remembered my name | gave {us:them} a [tens]% discount | checked on {us:them} [count] times
 | had a joke for everyone
deed.bad: forgot about {us:them} | never smiled | argued with my {friend} | sighed at every question
deed2.bad: charged {us:them} twice | got my name wrong [count] times | spent [minutes] minutes on the phone
 | blamed it on {us:them}
shrug: walked away | laughed | pointed at a sign | looked at the clock | said, "Not my job."
wait.good: {us:they} {us:was} helped within [few] minutes<[tail]>
 | there was no wait, even on a {day}, and parking was easy | it took [few] minutes, tops, to [served]
 | {us:they} got there at {few}:15 and {us:was} on {us:their} way by {few}:45
wait.bad: {us:they} waited [minutes] minutes to [served], and nobody said sorry
 | it took [minutes] minutes just to get someone's attention<[tail]>
 | {us:they} got there at {few}:15, and at {few}:45 {us:they} {us:was} still waiting to [served]
 | the wait was [minutes] minutes<[tail]>
served.food: get a table | get the {dish1} | order
served.shop: find what I wanted | pay for the {dish1} | check out
served.service: check in | see someone | get a straight answer
cost.good: {price} for {dish1:a} {dish1} is a [steal]<[tail]> | for {price}, you cannot do better in [town]
 | the prices are <more than >fair for a [genre] on {street}
 | the total was {price}, even with [extra]<[tail]>
cost.bad: {price} for {dish1:a} {dish1} is a [steal]<[tail]>
 | for {price}, I expected more from the {dish1} | the prices are <way >too high for a [genre] on {street}
 | they added a 1[few]% fee to the bill, which brought the total to [price]
extra: a [tens]% tip
extra.shop: [few]% sales tax
steal.good: steal | bargain | great deal | small miracle
steal.bad: joke | rip-off | crime | bit much
room.good: the place is [look] and [look2] | I love the [style], and the [part] is [look]
 | there is plenty of parking< on {street}>, and the place is [look] | the [part] is [look]
room.bad: the place is [look] and [look2] | the [part] is [look] | parking <on {street} >is a nightmare
 | I hated the [style], and the [part] is [look]
part: patio | front room | waiting area | old building | back room | entrance
style: music | decor | lighting | patio | sign out front
look.good: cozy | bright | clean | inviting | lovely
look.bad: dark | cramped | dirty | tired | dingy
look2.good: full of plants | easy to find | never too loud | great for kids
look2.bad: hard to find | much too loud | in need of paint | always crowded
quote.good: when I asked about the {dish2}, {person} said, "[say]."
 | "[say]," {person} told {us:them}, and {person:they} was right
quote.bad: when I asked about the {dish2}, the [staff] said, "[say]."
 | "[say]," the [staff] told {us:them}, with no apology
say.good: You will love {dish2:them} | Trust me, get the {dish3} | The {dish2} {dish2:is} on the house
say.bad: We are out of that | That is not my problem | Come back on {day} | You should have called first
details: {detail1} | {detail1}, and {detail2} | {detail1}; {detail2}
tip: tip: [advice] | [advice] (trust me) | (They close at [few] on {day2}s.)
advice: park behind the building | go before [clock] | call ahead on {day2}s | bring cash | ask for {owner}
close.good: I will <definitely >be back< for the {dish1}> | {stars} from me | highly recommended
 | thank you, {person} | great {dish1} + fair prices = one happy customer | see you next {day}
 | {stars} ({asterisks}) | go, get the {dish1}, and thank me later
 | do yourself a favor and try the {dish2} | 10/10
close.bad: I will not be back< for the {dish1} or anything else> | {stars}, and that is generous
 | never again | {stars} ({asterisks}) | save your money | next time I will go to the [genre] on {street3}
 | what a shame | I want my money back | go anywhere else for {dish1:a} {dish1}
close.mixed: {stars} for now | {stars} ({asterisks}) | I might give it another try | not bad, not great
 | it is fine if you are already on {street} | maybe I will try something else next time
turn: but | however, | then again, | on the other hand, | that said, | still,
more: also, | plus, | and | I have to say, | what is more, | honestly,
"""
STARS = ("one star", "two stars", "three stars", "four stars", "five stars")
STARS_WEIGHTS = (8, 9, 15, 34, 34)
GOOD_SENTENCE = (0.02, 0.2, 0.5, 0.85, 0.99)  # the share of good sentences in the body, by stars
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


@functools.cache
def _rules() -> dict[str, list[str]]:
    lines = RULES.replace("\n |", " |").strip().splitlines()
    named = (line.split(": ", 1) for line in lines if line)
    return {name: alternatives.split(" | ") for name, alternatives in named}


class _Writer:
    """Expands rules; `bound` is what the review has said so far, each with its mark."""

    def __init__(self, rng: random.Random, bound: dict[str, tuple[str, str]], kind: str) -> None:
        self.rng, self.bound, self.kind = rng, bound, kind
        self.family = next(family for family, kinds in FAMILIES.items() if kind in kinds)

    def expand(self, name: str, mood: str = "") -> str:
        """One alternative of the narrowest rule `name`, its mark still on it."""
        tails = (f".{mood}.{self.kind}", f".{self.kind}", f".{mood}.{self.family}", f".{self.family}")
        rules = _rules()
        alternatives = next(rules[name + tail] for tail in (*tails, f".{mood}", "") if name + tail in rules)
        text = _OPTIONAL.sub(lambda m: m[1] if self.rng.random() < 0.5 else "", self.rng.choice(alternatives))
        return _SLOT.sub(lambda m: self._fill(m, mood), text)

    def recall(self, name: str, number: str = "", mood: str = "") -> tuple[str, str]:
        """What rule `name` stands for in this review, and its mark; two numbers share no alternative."""
        key = name + number
        while key not in self.bound:
            text, _, mark = self.expand(name, mood).partition("^")
            if (text, mark) not in self.bound.values():
                self.bound[key] = (text, mark)
        return self.bound[key]

    def _fill(self, slot: re.Match[str], mood: str) -> str:
        fresh, name, number, form = slot.groups()
        if fresh:
            return self.expand(fresh, mood)
        text, mark = self.recall(name, number, mood)
        return AGREEMENT[mark][form] if form else text

    def sentence(self, name: str, mood: str, link: str = "") -> str:
        """Rule `name` as a sentence: linked to the one before, capitalised, `a` or `an`, a full stop."""
        text = self.expand(name, mood)
        if link and text[0].isalpha():
            text = f"{self.expand(link)} {text}"
        text = _VOWEL_AFTER_A.sub(r"\1n ", text)
        text = re.sub(r'^(["(]?)([a-z])', lambda m: m[1] + m[2].upper(), text)
        if re.search(r'[.!?][")]?$', text):
            return text
        return text + ("!" if self.rng.random() < {"good": 0.3, "bad": 0.15}.get(mood, 0) else ".")


def _identifier(*of: object) -> str:
    """22 URL-safe characters, as Kaggle's ids have: 128 bits of a hash."""
    digest = hashlib.sha256("/".join(map(str, of)).encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def _business(seed: int, number: int) -> tuple[str, dict[str, tuple[str, str]]]:
    """The kind of a business and what every review of it agrees on: its name, street and owner."""
    rng = random.Random(f"{seed}/business/{number}")
    kind = rng.choice([kind for kinds in FAMILIES.values() for kind in kinds])
    writer = _Writer(rng, {}, kind)
    for name in ("street", "owner"):
        writer.recall(name)
    writer.bound["place"] = (string.capwords(writer.expand("place")), "")
    return kind, writer.bound


def _body(rng: random.Random, writer: _Writer, stars: int) -> str:
    """An opening, some topics in any order, an ending; short reviews do without an opening or an ending."""
    overall = "good" if stars > 3 else "bad" if stars < 3 else "mixed"
    length = rng.choices(range(1, 10), SENTENCES_WEIGHTS)[0]
    opens = rng.random() < 0.8
    closes = length > 1 and rng.random() < 0.7
    sentences = [writer.sentence("open", overall)] if opens else []
    last = ""
    for topic in rng.sample(TOPICS, max(length - opens - closes, 0)):
        mood = "good" if rng.random() < GOOD_SENTENCE[stars - 1] else "bad"
        if topic in ("main", "second") and overall != "mixed":
            mood = overall  # the ending speaks of these dishes again
        link = "turn" if {mood, last} == {"good", "bad"} else "more" if last and rng.random() < 0.15 else ""
        sentences.append(writer.sentence(topic, mood, link))
        last = mood
    if closes:
        if length > 4 and rng.random() < 0.3:
            sentences[-1] = writer.sentence("tip", "")
        sentences.append(writer.sentence("close", overall))
    paragraphs = length > 3 and rng.random() < 0.3
    joints = ["\n\n" if paragraphs and rng.random() < 0.35 else " " for _ in sentences[1:]]
    return "".join(sentence + joint for sentence, joint in zip(sentences, [*joints, ""], strict=True))


def _review(seed: int, number: int) -> dict[str, object]:
    rng = random.Random(f"{seed}/review/{number}")
    business = rng.randrange(BUSINESSES)
    kind, bound = _business(seed, business)
    stars = rng.choices(range(1, 6), STARS_WEIGHTS)[0]
    bound |= {"stars": (STARS[stars - 1], ""), "asterisks": ("*" * stars, "")}
    date = datetime.date(2005, 3, 1) + datetime.timedelta(days=rng.randrange(2_860))  # to the end of 2012
    return {
        "votes": {vote: int(rng.expovariate(1)) for vote in ("funny", "useful", "cool")},
        "user_id": _identifier(seed, "user", rng.randrange(USERS)),
        "review_id": _identifier(seed, "review", number),
        "stars": stars,
        "date": date.isoformat(),
        "text": _body(rng, _Writer(rng, bound, kind), stars),
        "type": "review",
        "business_id": _identifier(seed, "business", business),
    }


def reviews(count: int, *, seed: int) -> Iterator[dict[str, object]]:
    """Reviews 0 to `count` - 1; review k depends on `seed` and k alone, so a longer run extends a shorter.

    Keys and types are those of a line of Kaggle's file; `text` has about 315 characters on average, all ASCII.
    """
    for number in range(count):
        yield _review(seed, number)
