"""Writes made-up mails to a shop's support, each with the queue that it belongs to, as CSV.

python examples/mails.py > mails.csv
python examples/mails.py --rows=5000 --seed=1 > more.csv
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator

GREETINGS = ["Hello,", "Hi there,", "Good morning,", "Dear team,", "Dear Sir or Madam,", "", ""]
CLOSINGS = [
    "Thank you.",
    "Kind regards, {name}",
    "Best wishes, {name}",
    "Please let me know.",
    "I look forward to your answer.",
    "",
]
NAMES = ["Ada", "Bruno", "Chiara", "Deniz", "Emeka", "Freya", "Goran", "Hana", "Ivo", "Jun"]
THINGS = ["kettle", "lamp", "rucksack", "tent", "bookshelf", "blender", "desk", "bicycle", "jacket"]
DAYS = ["Monday", "Tuesday", "last week", "yesterday", "the 3rd", "the 14th", "two weeks ago"]

PROBLEMS = {
    "account": [
        "I cannot log in to my account since {day}.",
        "The link to set a new password never arrives in my inbox.",
        "Please change the e-mail address of my account.",
        "My user name is locked after too many attempts.",
        "How do I delete my profile and all my data?",
        "I registered twice and would like the two logins joined.",
        "The code for signing in expires before I can type it.",
    ],
    "billing": [
        "I was charged twice for the {thing} on my credit card.",
        "The invoice for order {number} shows the wrong amount.",
        "Could you send me the receipt of {day} with our VAT number?",
        "The discount was not taken off my bill for the {thing}.",
        "My bank says the payment of {amount} euros was declined.",
        "Why is there a fee of {amount} euros on my statement?",
        "We would like to pay order {number} by bank transfer.",
    ],
    "delivery": [
        "The parcel with my {thing} should have been here on {day}.",
        "Tracking says order {number} was handed over, but nobody rang.",
        "The courier left the {thing} in the rain at a neighbour's.",
        "Can order {number} be sent to another address?",
        "My shipment has been stuck at the depot since {day}.",
        "When will the {thing} be dispatched?",
        "The driver could not find our street and took the box away again.",
    ],
    "returns": [
        "I want to send the {thing} back, it is too small for us.",
        "Which label do I put on the box to return order {number}?",
        "I returned the {thing} on {day} and have no refund yet.",
        "Can I exchange the {thing} for another colour?",
        "The {thing} is not what I expected, and I would like my money back.",
        "How many days do I have to bring the {thing} back to a shop?",
        "Is a refund possible without the original packaging?",
    ],
    "technical": [
        "The {thing} does not switch on any more.",
        "A screw is missing and the manual does not show how to fit the parts.",
        "Your app crashes as soon as I open the page of the {thing}.",
        "The battery of the {thing} is empty after an hour.",
        "There is a strange noise when I use the {thing}.",
        "The update of {day} broke the connection with my phone.",
        "How do I reset the {thing} to the settings of the factory?",
    ],
}
DETAILS = [
    "I bought it on {day}.",
    "My order number is {number}.",
    "It was a present for my sister.",
    "This is the second time that I write.",
    "I have been a customer for years.",
    "We need it by the weekend.",
    "",
    "",
]


def mails(rows: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yields mails with their queues, the same number for each queue as far as possible.

    Args:
        rows: How many.
        seed: Seed for the texts.
    """
    generator = random.Random(seed)
    queues = [sorted(PROBLEMS)[number % len(PROBLEMS)] for number in range(rows)]
    generator.shuffle(queues)
    for queue in queues:
        problems = generator.sample(PROBLEMS[queue], generator.choice([1, 1, 2]))
        parts = [
            generator.choice(GREETINGS),
            *problems,
            generator.choice(DETAILS),
            generator.choice(CLOSINGS),
        ]
        text = " ".join(part for part in parts if part).format(
            thing=generator.choice(THINGS),
            day=generator.choice(DAYS),
            name=generator.choice(NAMES),
            number=generator.randrange(10_000, 100_000),
            amount=generator.randrange(5, 300),
        )
        yield text, queue


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=600, help="how many; default: 600")
    parser.add_argument("--seed", type=int, default=0, help="seed for the texts; default: 0")
    args = parser.parse_args()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["text", "queue"])
    writer.writerows(mails(args.rows, args.seed))


if __name__ == "__main__":
    main()
