"""Texts of many kinds, to see what the inputs of a model's products are like, and to check them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models.packing import Tokens
from models.tasks.embedder import Embedder

if TYPE_CHECKING:
    from models.tasks.classifier import Classifier

TEXTS = (
    "The central bank left interest rates unchanged on Tuesday, saying inflation had slowed.",
    "Terrible service. We waited an hour for cold soup and nobody apologised!",
    "How do I reset my password if I no longer have the old phone?",
    "def area(radius): return 3.14159 * radius ** 2",
    "The striker scored twice in the last ten minutes to send the visitors through to the final.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "ok thanks",
    "Le train de nuit pour Marseille partira avec vingt minutes de retard.",
    "I have read this book three times, and each time I find something new in its quiet ending.",
    "Shares of the chip maker fell 4.2% after it cut its forecast for the fourth quarter.",
    "ERROR 2024-03-07 11:02:45 worker-3: connection to 10.0.0.12:5432 refused, retrying in 5 s",
    "A tenant must give notice in writing at least thirty days before the end of the lease.",
    "Die Ausstellung ist bis zum 12. Mai täglich außer montags geöffnet.",
    "Best headphones I ever bought: light, clear, and the battery lasts for days.",
    "What is the difference between a virus and a bacterium?",
    "Mix the flour with two eggs and a pinch of salt, then let the dough rest for half an hour.",
    "The senator denied any knowledge of the payments and promised to publish her accounts.",
    "lol that was the WORST movie ever, don't waste your money :(",
    "Patients who received the drug had a lower risk of stroke (hazard ratio 0.71, p < 0.01).",
    "El equipo perdió por primera vez en casa desde septiembre.",
    "The probe sent back its first pictures of the moon's far side late on Friday.",
    "Ships to: 48 Harbour Street, Unit 7 - order #55810, 3 x blue cotton shirt, size M",
    "Is it normal for a puppy to sleep sixteen hours a day?",
    "The film is beautifully shot but far too long, and its hero never becomes a person.",
    "Новый мост через реку откроют для движения в конце года.",
    "He stood at the window for a long time, and then, without a word, he left the room.",
    "Oil prices rose above $80 a barrel as storms closed platforms in the gulf.",
    "Great value for the price, although the colour is not quite what the picture shows.",
    "SELECT name, COUNT(*) FROM orders WHERE total > 100 GROUP BY name ORDER BY 2 DESC;",
    "今天的会议改到下午三点，地点不变。",
    "Scientists found traces of an ancient river beneath the ice of the southern continent.",
    "The hotel was clean and the staff were kind; breakfast, however, was a disappointment.",
    "Please find attached the minutes of our last meeting and the budget for next year.",
    "Which of these two phones takes better photos at night?",
    "The company plans to hire 1,200 engineers in the region over the next three years.",
    "My flight was cancelled, and the airline will not answer my emails about a refund.",
    "النسخة الجديدة من البرنامج متاحة الآن للتنزيل.",
    "In 1969 more than half a billion people watched the landing on their televisions.",
    "The recipe is easy to follow and the cake came out perfect.",
    "Police are looking for witnesses to an accident on the coast road early this morning.",
    "A matrix is invertible if and only if its determinant is not zero.",
    "この店のラーメンは安くておいしいので、よく行きます。",
    "The update broke everything: the app crashes as soon as I open the settings.",
    "Heavy rain flooded parts of the old town, and schools will stay closed until Thursday.",
    "not bad at all, actually",
    "The court ruled that the contract had been void from the beginning.",
    "She plays the violin as if nobody had ever played it before.",
    "Your parcel could not be delivered because nobody was at home.",
    "The new stadium, which seats 40,000, will be paid for by a tax on hotel rooms.",
    "Os preços dos alimentos subiram pelo terceiro mês seguido.",
    "Why does my bread not rise, although the yeast is fresh?",
    "Cheap, flimsy and gone after a week. I want my money back.",
    "The treaty was signed by eleven countries and has been in force since 2003.",
    "@maria see you at 8? bring the tickets",
    "A star of this size burns its fuel within a few million years and ends in an explosion.",
    "We regret to inform you that the position has already been filled.",
    "회의는 내일 오전 열 시에 시작합니다.",
    "The guitar arrived quickly, well packed, and in tune!",
    "Two minutes from the end, the champions were still a goal behind.",
    "To install the package, run the command below and restart your shell.",
    "There was nothing to be done, the doctor said, except to wait.",
    "The bank will close sixty branches, and customers will be sent to its app.",
    "I would not recommend this place to my worst enemy.",
    "Rainfall in the valley has halved since the first measurements were made.",
)
"""Short texts in several languages; one that a tokenizer cannot spell has unknown tokens."""


def encoded(model: "Classifier | Embedder", texts: Sequence[str]) -> Tokens:
    """Returns the packed tokens of texts, which have the prefix of an embedder's."""
    assert model.preprocessor is not None
    segments: list[Any] = [list(texts)]
    if isinstance(model, Embedder):
        segments = model.settings.prepare(segments)
    tokens, _ = model.preprocessor.encode(*segments)
    return tokens
