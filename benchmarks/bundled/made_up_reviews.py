"""Makes up customer reviews whose verdict is known, to train a sentiment classifier.

A classifier that has only read film reviews stumbles over hotels, kettles and lost parcels. This
module writes short reviews of other things from a grammar: each domain has nouns, aspects and
facts that imply a verdict (often without any word of feeling), and patterns state them plainly or
turn them round by negation, contrast, irony, question or comparison, so that the construction
decides and not the single word. Every word is invented; nothing is taken from real reviews.

In the grammar `{slot}` is a phrase that agrees with the verdict, `{slot!}` one that opposes it,
`[a|b]` a free choice, `<a|b>` the singular or plural form that suits the thing under review, and a
leading `+` marks a plural noun.

Usage: python made_up_reviews.py --rows=40000 --seed=0 > made_up.tsv
"""

import argparse
import random
import re
import sys

LABELS = ("negative", "positive")

# One `noun:` to the next is a domain. `merit`, `flaw`: noun phrases; `pros`, `cons`: full clauses.
DOMAINS = """
noun: hotel; guest house; inn; hostel aspect: bed; breakfast; shower; lobby; +rooms; +staff do: stay
here; book here; spend a night here good: comfortable; spotless; quiet; welcoming; cosy bad: dirty;
noisy; shabby; cramped; damp merit: a sea view; soft pillows; a warm welcome; a generous breakfast;
thick curtains flaw: thin walls; a sagging mattress; a steep room rate; stained carpets; a cold
shower pros: the [sheets|rooms|towels] smelled of fresh air; fresh [fruit|flowers] stood in the
room; the shower was hot [at any hour|within seconds]; not a sound came from [the street|next door];
the owner drew us a map of the town; the towels were changed every day; we stretched two nights into
five; the room was ready before noon; signing in took two minutes; the children asked to live there;
every [lamp|socket|tap] worked; the windows opened on to a garden; reception remembered our names
cons: there were [hairs|beetles|crumbs] in the [bath|bed]; I woke up covered in bites; our booking
had vanished; the window looked on to a brick wall; the hot water was gone by seven; the heating
clanked all night; breakfast was a stale roll in a bag; they charged my card twice; mould grew
[along the bath|up the wall]; a cockroach ran over the pillow; the walls let every cough through;
the pool was green and closed; we moved out after one night; the toilet leaked on to the floor
noun: restaurant; café; bistro; pizzeria; diner aspect: food; menu; soup; coffee; pudding; service
do: eat here; book a table here; come here for lunch good: welcoming; cheerful; cosy; generous;
lively bad: overpriced; stuffy; grubby; understaffed; slow merit: fresh bread; strong coffee; a
sunny terrace; generous portions; friendly waiters flaw: wobbly tables; lukewarm soup; a long wait;
steep prices; tiny portions pros: I wiped the [plate|bowl|pan] clean with bread; the [fish|oysters]
tasted of the sea; the rolls came warm from the oven; the waiter knew every dish by heart; our
[plates|glasses] went back empty; my fussy son asked for [more|seconds|thirds]; the soup warmed us
to the toes; they remembered my [usual order|name|allergy]; the vegetables still had bite; I am
already dreaming of the pudding; there is a queue of locals every noon; the kitchen stayed open late
cons: the [soup|tea|stew] arrived cold; the steak was grey and chewy; a [hair|plaster] was baked
into the [pizza|pie]; the waiter rolled his eyes at us; half the menu was sold out; the fish smelled
of old bins; my glass had lipstick on it; they brought the wrong order twice; I was ill all night
afterwards; the lettuce was brown; the coffee tasted of dishwater; the table was sticky; we went
home hungry and had toast; the cake was dry as sand; a fly was floating in the milk
noun: phone; tablet; laptop; smart watch; music player aspect: battery; screen; sound; casing;
+buttons; charger do: buy it; order one; buy from this brand good: fast; sturdy; reliable;
responsive; handy bad: slow; flimsy; unreliable; clumsy; fragile merit: a bright screen; long
battery life; clear sound; a solid case; a quick charger flaw: a dim screen; a short cable; tinny
sound; a thick manual; sticky buttons pros: it [paired|worked|fitted] at the first try; it
[starts|charges] before I can blink; it has not [crashed|frozen] once in a year; it looks new after
two years; the sound fills the whole kitchen; voices come through clear; it did everything the box
said; I sold my old one the same day; updates arrive every month; it slips into any bag; it runs
like it did on day one; the buttons click just right; it shrugged off the [rain|dust|fall]; a spare
cable was in the box cons: it died after [a week|nine days]; the battery is flat by lunch; the
screen cracked; it gets [too hot to hold|hot as an iron]; the [charger|plug|case] melted; the sound
crackles at any volume; it wiped all my [files|settings]; the buttons [stick|fell out]; it never
finds the network; it froze on the first day; support never answered; the second one failed too; the
back came unglued; it takes minutes to start; it lies dead in a drawer now
noun: blender; mixer; food processor; juicer; hand blender aspect: motor; lid; bowl; cord;
+controls; +blades do: buy it; buy one; order from this maker good: quiet; powerful; sturdy; simple;
compact bad: loud; leaky; weak; flimsy; awkward merit: a strong motor; a firm lid; sharp blades; a
long guarantee; clear buttons flaw: a short cord; a noisy motor; a heavy bowl; fiddly buttons; a
faint smell of plastic pros: everything goes in the dishwasher; I use it every [morning|day]; it
[wipes|rinses] clean in a minute; not a drop leaks from the [lid|base]; it has outlived two
[kitchens|cheaper models|cats]; the cord tucks away neatly; it stands firm at full power; spare
parts cost next to nothing; it saves me half an hour a day; [nuts|beans|seeds] turn to powder in no
time; it has never tripped the fuse; the bowl still has no scratch; ten years on it hums along cons:
it leaks from the [base|lid|spout]; smoke came out on the third use; it tripped the fuse; it smells
of burning [rubber|dust]; the bowl split in the dishwasher; lumps stay lumps; it jumps across the
worktop; the [switch|dial] fell inside; the noise wakes the whole house; it rusted within a month;
the blades went blunt at once; it takes an hour to clean; the handle came off in my hand; spare
parts do not exist; water pools under it; it went back in its box for good
noun: jacket; coat; dress; skirt; +trousers aspect: fabric; fit; zip; lining; cut; +seams do: buy
<it|them>; order <one|a pair>; shop with this label good: warm; soft; comfortable; flattering; well
cut bad: scratchy; shapeless; stiff; thin; baggy merit: deep pockets; a rich colour; a soft lining;
neat seams; a flattering cut flaw: a stiff zip; loose threads; shallow pockets; a dull colour; a
scratchy label pros: <it fits|they fit> as if made for me; the seams are dead straight; I have lived
in <it|them> all winter; the pockets hold [everything|a whole lunch]; <it needs|they need> no
ironing; the size chart was right to the inch; I ordered [a second colour|another for my sister];
the [wind|rain|cold] stays out; my daughter keeps borrowing <it|them>; the [zip|lining] glides; the
wool does not itch; a spare button came sewn in; <it dries|they dry> overnight; the hem sits exactly
where it should; <it looks|they look> twice the price cons: the [zip|clasp|button] broke on day
[two|three]; the colour ran in the first wash; <it|they> shrank two sizes; a seam split when I sat
down; the dye came off on my [sofa|skin|shirt]; the buttons fell off one by one; the [lining|pocket]
tore at once; one side is longer than the other; I sent <it|them> straight back; the pockets are
fake; the hem came down; the size was off by a mile; <it itches|they itch> like nettles
noun: app; program; photo app; notes app; calendar app aspect: design; search; +menus; sync;
support; layout do: install it; use it; pay for it good: fast; stable; intuitive; reliable; clear
bad: slow; buggy; confusing; intrusive; bloated merit: a clean layout; quick support; a fair price;
handy shortcuts; a dark mode flaw: a dated look; pushy adverts; small icons; a long sign-up; a steep
subscription pros: it opens in a blink; it works without a connection; I use it every [day|hour]; my
data moved over in one tap; it syncs across all my devices; there is not one advert; it replaced
[three other tools|my paper diary|a whole desk]; it has never lost an entry; my gran uses it without
help; it barely touches the [battery|data plan]; I found every setting at once; it asks for no
permissions; each update makes it quicker; it saved me [hours|a fortune] this month; I paid for a
year after one day; the search finds anything cons: it crashes on [start|every save|opening]; it
lost a year of my entries; an advert covers the save button; it drains the [battery|data plan] by
noon; it logs me out every [day|hour|call]; the last update broke everything; it charged me after I
cancelled; sync fails every time; it wants my contacts for no reason; every second tap is ignored; I
cannot delete my account; the search finds nothing; half of it is still untranslated; the price
doubled overnight; I removed it after ten minutes
noun: courier; delivery service; parcel service; delivery firm; courier company aspect: packaging;
tracking; +drivers; hotline; time slot; handling do: use them; order through them; send a parcel
with them good: punctual; careful; quick; polite; reliable bad: late; careless; slow; rude;
unreliable merit: a narrow time slot; friendly drivers; honest tracking; low fees; sturdy boxes
flaw: a clumsy website; a high fee; thick tape; a vague time slot; an early knock pros: the
[parcel|mattress|letter] came a day early; nothing was broken or dented; the tracking was right to
the minute; the [eggs|plates|tulips] arrived whole; they rang before they came; he waited while I
found my shoes; the ice cream was still hard; they took the [empty boxes|old fridge] away; a text
told me the exact time; the box was dry in pouring rain; the driver hid it from the thieves; they
refunded a bruised apple unasked; the [piano|harp] arrived in tune; I changed the slot with one
click cons: the parcel went to another town; the box was [crushed|soaked]; they left it [in the
rain|by the road|in a hedge]; nobody rang the bell; the [milk|fish] arrived warm; half the order was
missing; I took a day off for nothing; they signed my name themselves; the vase was in a hundred
pieces; the hotline cut me off; the ice cream was soup; the eggs came as an omelette; the parcel is
still lost; they delivered an empty box; the driver swore at my mother; the frozen peas had thawed
noun: repair shop; workshop; service centre; repair service; repair firm aspect: quote; advice;
workmanship; +mechanics; front desk; warranty do: go there; use them; call them good: honest; quick;
thorough; skilled; tidy bad: dishonest; slow; careless; clueless; messy merit: a fixed quote; honest
advice; tidy work; a fair bill; a free loan bike flaw: a long queue; a shabby waiting room; gruff
staff; odd opening hours; a brisk tone pros: they fixed it while I waited; the bill came in under
the quote; they showed me the worn part; the [leak|rattle|smell] has not come back; he checked it
and charged nothing; the job took an hour instead of a day; they swept up after themselves; the
noise is gone for good; they came out [on a Sunday|at midnight|in the snow]; it was ready a day
early; the old parts came back in a bag; they explained every line of the bill; my gran's
[radio|organ|clock] plays again; they brought it back free of charge cons: it broke again on the way
home; the bill was double the quote; the same fault was back by evening; they lost the screws; it
came back with a new [dent|scratch|fault]; they fixed the wrong part; nobody ever rang me back;
[oil|paint|mud] was all over the seat; they blamed me for the damage; the leak is now a flood; the
fitter never turned up; a second shop had to undo the work; they wanted cash and gave no receipt;
the repair was a strip of tape; a [spanner|rag] was left inside
noun: course; evening class; workshop; seminar; training course aspect: teacher; material; pace;
+exercises; +slides; structure do: sign up; take it; enrol good: clear; practical; lively;
inspiring; thorough bad: dull; confusing; outdated; shallow; chaotic merit: a patient teacher; small
groups; clear handouts; real examples; quick feedback flaw: hard chairs; a full timetable; a small
room; weak coffee; long sessions pros: I [passed|got the job] with ease; every question got an
answer; the teacher stayed on to help; I used it [at work|with a client] the next morning; two hours
felt like ten minutes; I understand [fractions|tax|commas|jazz] at last; the examples came from
[real life|our own jobs]; I went in scared and came out keen; the teacher knew us all by name; there
was time to practise; the [slides|notes|recordings] were sent out beforehand; my shy son now raises
his hand cons: the teacher read from the slides; half the group had left by noon; the
[links|microphones] were dead; nobody marked the homework; the teacher came late every time;
questions were brushed aside; the [videos|recordings] had no [sound|picture]; the certificate is
worth nothing; I fell asleep twice; the exam asked about things never taught; they would not refund
a day; the [answer sheet|timetable] was wrong; forty people sat in a room for ten; the talk wandered
off to his holidays; I quit after the second week
noun: train; airline; night train; coach; ferry aspect: +seats; crew; food; booking; +toilets;
legroom do: travel with them; book with them; buy a ticket good: punctual; clean; comfortable;
smooth; spacious bad: late; filthy; crowded; cramped; bumpy merit: wide seats; a cheerful crew; free
tea; a calm cabin; ample legroom flaw: hard seats; a dear ticket; a narrow aisle; dry sandwiches; an
early start pros: we arrived on the minute; my [bag|bike|cello] got there with me; there was room
for my long legs; the crew found us [seats together|a window seat]; I slept through to the last
stop; they held the [connection|door] for us; the refund came before I got home; [tea|cake] came
round twice; boarding took five minutes; a steward mended my broken case; I finished my work on the
way; every [socket|light] worked; there was not a jolt the whole way; they rebooked us in a minute
cons: we left [four|five] hours late; the toilets were [locked|flooded]; the seat was [wet|broken];
they sold my seat twice; nobody told us why we stood still; the heating was stuck on full; the crew
shouted at an old man; my knees were in my chest; the window was taped up; they cancelled by text at
midnight; rubbish lay between the seats; it smelled of [sick|wet dog]; the meal was still frozen; I
am still waiting for the refund; the fee for the bag beat the fare; we stood all the way
noun: book; novel; thriller; crime novel; paperback aspect: plot; ending; dialogue; +characters;
prose; pace do: read it; buy it; lend it to a friend good: gripping; witty; touching; clever; vivid
bad: dull; predictable; clumsy; tedious; confusing merit: sharp dialogue; a clever twist; vivid
places; warm humour; a strong opening flaw: a slow start; long chapters; small print; an ugly cover;
endless names pros: I read it in one sitting; I missed my [stop|train] because of it; I laughed out
loud [on the bus|in the bath]; I [cried|cheered] at the last page; I turned back to page one at
once; the twist had me gasping; the characters moved in with me; I have [given away|bought] four
copies; I stayed up until [two|three]; I rationed the last chapters; there is not a word too many; I
never saw the end coming; I think of it weeks later; each chapter ends with a hook; I underlined
half of it cons: I gave up on page [forty|fifty|nine]; I guessed the end early on; everyone talks in
the same voice; pages are missing; the [ending|killer] comes out of nowhere; the hero changes eye
colour twice; there is a misprint on every page; I left it on the [train|beach] on purpose; the plot
falls apart halfway; it reads like a [manual|phone book]; I could not name one character; the back
half repeats the front; my book club gave up; it [props up a table leg|lights the stove] now
"""
GENERAL = {
    "positive": """
adj: excellent; superb; wonderful; brilliant; lovely; first-rate; outstanding; great; good;
impressive; terrific; fantastic; marvellous; splendid; delightful; exceptional; faultless; amazing;
top-notch; perfect; fabulous; admirable; remarkable verdict: I would {do} again [tomorrow|without a
second thought|any time]; I am [more than|completely|thoroughly] happy; it was money well spent;
five stars from me; I got more than I paid for; I could not ask for more; I have told all my friends
to {do}; we could not be happier; I recommend <it|them> to [anyone|everyone]; I would not swap
<it|them> for any other; I will {do} again; I would gladly pay that price again; it made my
[week|month]; I am a convert answer: in a heartbeat; yes, gladly; any day; of course; gladly
""",
    "negative": """
adj: dreadful; awful; terrible; poor; bad; hopeless; miserable; lousy; disappointing; appalling;
abysmal; woeful; mediocre; second-rate; dismal; horrible; substandard; laughable; unacceptable;
atrocious; dire; shocking; pathetic verdict: I will never {do} again; I want my money back; it was
money down the drain; I am [bitterly|deeply|thoroughly] disappointed; one star is one too many; I
would not {do} again[ if you paid me|]; I regret every penny; I should have read the reviews first;
I have warned all my friends; I would not wish <it|them> on my worst enemy; nobody should pay for
this; I have had enough; I cannot recommend <it|them> to anyone; I feel cheated answer: never; not
even for free; not in a hundred years; certainly not; no, thank you
""",
}
EMOJI = {"positive": "😀👍😍🙂🎉", "negative": "😡👎😞🙄😤"}

# Sentence patterns, divided by slashes: those for either verdict, then those for one only.
BOTH = """
{thing} <was|were> [simply |truly |really |just |]{adj} / {view}, and {view} / {fact}, and {fact} /
{fact}. {fact} / {adj}! {fact} / what <a |>{adj} {noun}! {verdict} / <a |>{adj} {noun}[, from start
to finish|, all in all|]: {fact} / {fact}, so {verdict} / {view}; {verdict} / {trait} and {trait}:
{fact} / I [found|would call] {thing} {trait} and {adj} / {thing} <is|are> anything but {trait!}:
{fact} / {thing} <was|were> far from {trait!}, and {fact} / hardly what I [call|would call]
{trait!}: {fact} / nobody could call {thing} {trait!}: {fact} / {trait!}? [not in the least|not one
bit|not at all]. {fact} / <is it|are they> {trait}? [yes|and how|very much so]: {fact} /
[others|friends|earlier reviews] say that {claim!}. [not in my case|I saw none of that]: {fact} / I
was told {thing} would be {trait!}, but {fact} / I expected <a |>{trait!} {noun} and got <a
|>{trait} <one|pair> / there [was|is] nothing {trait!} about {thing}, and {view} / the last
<one|ones> I tried <was|were> {trait!}; {thing} <is|are> {trait} / compared with the [last|old]
<one|ones>, {thing} <is|are> {adj}: {fact} / although {view!}, {verdict} / {view!}, but {verdict} /
{view!}, {view!}, and still {verdict} / despite {that!}, {verdict} / even though {view!}, {fact} and
{verdict} / {that!} did not change my mind: {verdict} / [yes|granted|true], {view!}, [but|yet]
{fact} and {verdict} / for all {that!}, {fact}[, and that is what counts|, and that decides it|] /
{np} and {np}: {verdict} / I expected {np!} and got {np} / {np!}? [not here|far from it|wrong]:
{fact} / would I {do} again? {answer}[: {fact}|] / it was {that} that [decided it|settled it] for
me: {verdict}
"""
ONLY = {
    "positive": """
not bad at all: {fact} / I have no complaints[ whatsoever| at all|]. {fact} / {thing} never once let
me down: {fact} / I could not find a [single |]fault with {thing}, and {fact} / there was nothing I
would change about {aspect} or {aspect} / never a [problem|hitch] with {aspect}, and {fact} / I was
ready for {np!}, but {fact} / {that!} took some getting used to, but {fact} / {np!} and {np!}? [I do
not mind|all forgiven|who cares]: {fact} / some grumble about {that!}, but {verdict} / the only
thing to moan about is {that!}, and {fact} / do yourself a favour and {do}: {fact} / if you are in
two minds, {do}: {fact} / go on, {do}[ while you can| before everyone finds out|]: {fact} / I
recommend {thing}, not least for {that} and {that} / what more could [I|you|anyone] want? {fact} /
<is it|are they> worth the money? every penny: {fact} / I had low hopes, yet {fact} / I was wrong to
doubt <it|them>: {fact} / you could do a lot worse than {thing}: {fact} / not the worst {noun} I
have known, not by a long way: {fact} / let us just say I have stopped looking for another
<one|pair>: {fact} / far better than the [last|old] <one|ones>: {fact} / had I known how {trait}
{thing} <is|are>, I would not have waited so long / my only regret is that I did not {do} sooner:
{fact} / no [fuss|drama|nasty surprises], [just|only] {np} and {np} / I came to complain and stayed
to praise: {fact} / [bravo|hats off|well done|what a find]! {fact} / I do not praise lightly, but
{view}
""",
    "negative": """
not worth the money[, not even at half price|]: {fact} / hardly <a |>{adj!} {noun}: {fact} / {thing}
did not live up to [the hype|the promise|the pictures]: {fact} / I cannot say one good word about
{aspect} or {aspect} / nothing but trouble with {aspect}, and {fact} / I [would love to
praise|wanted to like] {thing}, but {fact} / {np!} and {np!} are nice to have, but {fact} / {np!},
{np!}, even {np!}: none of it helps when {fact} / {that!} cannot make up for {that} /
[great|lovely|perfect], if you enjoy {np} / [ideal|just the thing] for anyone who [loves|dreams
of|collects] {np} and {np} / [oh, wonderful|how nice|lovely]: {fact}. [just what I needed|exactly
what I paid for] / [congratulations|well done|bravo]: {fact} / I am [thrilled|delighted] to report
that {fact} / the best thing about {thing} was saying goodbye: {fact} / who [thought|decided] this
was good enough? {fact} / is it too much to ask for {np!}? [apparently|it seems so]: {fact} / what
is the point of {np!} if {fact}? / and that is supposed to be {trait!}? {fact} / [avoid|avoid at all
costs|keep away|steer clear]: {fact} / do not {do}[, whatever the advert says|]: {fact} / spend your
money elsewhere, because {fact} / I had high hopes, yet {fact} / had I known about {that}, I would
have [gone elsewhere|saved my money|looked further] / if I could [start over|have my time back], I
would not {do}: {fact} / I should have [known better|listened to the warnings|walked away]: {fact} /
far worse than the [last|old] <one|ones>: {fact} / [never again|no thanks|what a waste|hopeless]!
{fact} / no [apology|explanation], no [refund|help], just {np} and {np}
""",
}

MARKUP = re.compile(r"\{(\w+)(!?)\}|<([^<>|]*)\|([^<>|]*)>|\[([^\[\]]*)\]")
ARTICLE = re.compile(r"\b([Aa]) (?=(?!one|use|uni)[aeiou]|hour|honest)")
FIRST_PERSON = re.compile(r"\b(I|me|my|we|us|our)\b")
NOT = re.compile(r"\b(do|does|did|is|was|are|were|has|have|could|would|should) not\b")


def read_lists(text: str) -> dict[str, list[str]]:
    """Reads `key: item; item` lists, wherever their lines break."""
    parts = re.split(r" ?\b(\w+): ", " ".join(text.split()))
    return {key: items.split("; ") for key, items in zip(parts[1::2], parts[2::2], strict=True)}


def read_domain(text: str) -> dict[str, dict[str, list[str]]]:
    """Returns what each verdict can say about one domain."""
    data, words = read_lists(text), {}
    for label, *keys in (
        ["negative", "bad", "flaw", "cons"],
        ["positive", "good", "merit", "pros"],
    ):
        trait, np, fact = (data[key] for key in keys)
        claim = [clause for clause in fact if not FIRST_PERSON.search(clause)]
        own = {"trait": trait, "np": np, "fact": fact, "claim": claim}
        words[label] = data | read_lists(GENERAL[label]) | own
    return words


class Review:
    """One review in the making: its subject, its verdict and the phrases used so far."""

    def __init__(self, rng: random.Random, words: dict[str, dict[str, list[str]]], label: str):
        """Picks the thing to review."""
        self.rng, self.words, self.label = rng, words, label
        self.used: list[str] = []
        noun = self.pick("noun", label)
        self.noun, self.plural = noun.lstrip("+"), noun.startswith("+")

    def pick(self, name: str, label: str) -> str:
        """Takes a phrase this review has not used yet and notes it."""
        pool = self.words[label][name]
        self.used.append(self.rng.choice([text for text in pool if text not in self.used] or pool))
        return self.used[-1]

    def fill(self, match: re.Match[str]) -> str:
        """Returns the text for one piece of markup."""
        name, flip, singular, plural, options = match.groups()
        label = LABELS[(self.label == "positive") != bool(flip)]
        if options is not None:
            return self.rng.choice(options.split("|"))
        if singular is not None:
            return plural if self.plural else singular
        if name == "noun":
            return self.noun
        if name == "thing":
            return self.rng.choice(["the ", "<this|these> "]) + self.noun
        if name == "that":
            return "the " + re.sub("^an? ", "", self.pick("np", label))
        if name == "view":
            return f"{{aspect}} was {{adj{flip}}}"
        return ("the " if name == "aspect" else "") + self.pick(name, label)

    def sentence(self, pattern: str) -> str:
        """Expands a pattern into finished text."""
        text = pattern
        while match := MARKUP.search(text):
            text = text[: match.start()] + self.fill(match) + text[match.end() :]
        text = re.sub(r"\+(\w+) was\b", r"\1 were", text).replace("+", "")
        text = ARTICLE.sub(r"\1n ", text)
        text = re.sub(r"(^|[.!?] )(\w)", lambda found: found[1] + found[2].upper(), text)
        return text if text[-1] in ".!?" else text + "."


def roughen(rng: random.Random, text: str, label: str) -> str:
    """Adds the small untidiness of real typing."""
    if rng.random() < 0.5:
        mark = rng.choice("''''-").strip("-")
        text = NOT.sub(rf"\1n{mark}t", text).replace("annot ", f"an{mark}t ")
        text = re.sub(r"\bI am (?=\w)", f"I{mark}m ", text)
        text = re.sub(r"\b([Ii])t is (?=\w)", rf"\1t{mark}s ", text)
    if rng.random() < 0.06:
        spot = rng.choice([found.start() for found in re.finditer(r"(?<=\w)\w\w(?=\w)", text)])
        text = text[:spot] + text[spot + 1] + text[spot] + text[spot + 2 :]
    if rng.random() < 0.12:
        text = text.lower()
    if text.endswith("."):
        text = text[:-1] + rng.choices([".", "", "!"], [80, 12, 8])[0]
    return text + (" " + rng.choice(EMOJI[label]) if rng.random() < 0.04 else "")


def generate(rows: int, seed: int) -> list[tuple[str, str]]:
    """Writes reviews, half of them negative, in random order.

    Args:
        rows: How many reviews to write.
        seed: Equal seeds give equal reviews.

    Returns:
        Pairs of text and label. No two share a text, nor the same patterns with the same phrases.
    """
    rng = random.Random(seed)
    domains = [read_domain(text) for text in re.split(r"\n(?=noun:)", DOMAINS.strip())]
    patterns = {label: " ".join(f"{BOTH} / {ONLY[label]}".split()).split(" / ") for label in LABELS}
    seen: set[object] = set()
    reviews: list[tuple[str, str]] = []
    while len(reviews) < rows:
        label = LABELS[len(reviews) % 2]
        review = Review(rng, rng.choice(domains), label)
        chosen = rng.sample(patterns[label], rng.choices([1, 2, 3], [50, 36, 14])[0])
        text = roughen(rng, " ".join(map(review.sentence, chosen)), label)
        key = (*chosen, *review.used)
        if text not in seen and key not in seen:
            seen.update((text, key))
            reviews.append((text, label))
    rng.shuffle(reviews)
    return reviews


def main() -> None:
    """Prints the reviews as tab-separated values."""
    parser = argparse.ArgumentParser(description="Make up customer reviews with a known verdict.")
    parser.add_argument("--rows", type=int, default=40000, help="how many reviews to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random choices")
    args = parser.parse_args()
    sys.stdout.reconfigure(encoding="utf-8")
    print("text\tlabel")
    for text, label in generate(args.rows, args.seed):
        print(f"{text}\t{label}")


if __name__ == "__main__":
    main()
