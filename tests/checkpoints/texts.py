"""The texts that every checkpoint reads: 52 of all sorts, and pairs of them.

None of them spells a special token: what does is text here, and special in transformers
(docs/tokenizers.md).
"""

import unicodedata

_PROSE = (
    "The quick brown fox jumps over the lazy dog, again and again, until the evening comes. "
    "Nobody had expected that the unaffable visitors would stay for more than three days!"
)
_ACCENTS = "Café déjà vu, naïve résumé, Ærøskøbing, Łódź, Škoda, jalapeño, Ångström"
_KOREAN = "한국어 문장을 하나 적어 봅니다."
_VIETNAMESE = "Câu này được viết bằng tiếng Việt."


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


TEXTS: tuple[str, ...] = (
    # Lengths
    "",
    "x",
    "Hello World",
    _PROSE,
    _PROSE * 40,
    "a b c " * 400,
    "first words differ " + "and so on " * 300 + "from the last",
    "Donaudampfschifffahrtsgesellschaftskapitän" * 3,
    "e" * 100 + " " + "e" * 101,
    "日本語の長い文章です。" * 80,
    # White space
    " ",
    "  leading and trailing  ",
    "two  spaces   and three",
    "tabs\tand\nlines\r\nand\x0bmore\x0c.",
    "\n\nparagraphs\n\nand more\n",
    "no\u00a0break\u2003em\u3000wide\u202fnarrow\u2028line",
    # Letters
    _ACCENTS,
    _decomposed(_ACCENTS),
    "straße STRASSE Straße ẞ",
    "İstanbul ISPARTA ılık Iğdır",
    "ﬁne ﬂow eﬀort ﬃ ﬆ",
    "Ｆｕｌｌ－ｗｉｄｔｈ ＡＢＣ １２３ ｶﾀｶﾅ",
    "ΑΛΦΑ βήτα Ελληνικά",
    "ALL CAPITALS And Title Case mIxEd",
    # Scripts
    _KOREAN,
    _decomposed(_KOREAN),
    "東京タワーは日本の首都にあります。",
    "これはひらがな、カタカナ、ガギグ、漢字。",
    "这句话是用中文写的，没有空格。",
    "繁體中文與𠀀罕見字",
    "ประโยคนี้เป็นภาษาไทย",
    "هذه جملة باللغة العربية، مع تشكيلٍ قليلٍ.",
    "यह वाक्य हिन्दी में लिखा है।",
    "זה משפט בעברית עם נִיקּוּד.",
    "Это предложение, ёлки, написано по-русски: Йод.",
    _VIETNAMESE,
    _decomposed(_VIETNAMESE),
    "Zażółć gęślą jaźń",
    # Symbols
    "Nice work 👍 😀 ❤️ ☃ → ∑ ½ ™ €",
    "👩‍💻 and 👨‍👩‍👧 🏳️‍🌈",
    "so sweet 🥰🥺 and 🤣",
    "control \x00\x01\x07\x1f\x7f characters",
    "zero\u200bwidth\u200d\u200c\u2060 joined",
    "soft\u00adhyphen and \u200emarks",
    "\ufeffbyte order mark",
    "replaced \ufffd twice \ufffd\ufffd",
    # What people write
    "https://example.com/a/b?c=d&e=f#g mail@example.org @user #hashtag",
    "def f(x):\n    return x ** 2  # 'squared' \"twice\"",
    "1,234.56 USD 3.14e-10 50% (2024-01-31) 007",
    "Don't! They're... we'll; it's -- \u201cquoted\u201d \u2014 isn\u2019t it?!",
    "!!! ??? ... --- *** ### $$$ ((())) [x] {y} <z>",
    "Tom & Jerry's C++ and C# in .NET: a/b \\ c_d ~e ^f |g `h`",
)

_SHORT = "Which of them came first?"
_SIXTY = "e f g h " * 60
_HUNDREDS = "a b c d " * 200

PAIRS: tuple[tuple[str, str], ...] = (
    ("Hello World", "It is a fine day."),
    (_SHORT, _PROSE),
    (_PROSE, _SHORT),
    ("", "The first one is empty."),
    ("The second one is empty.", ""),
    ("", ""),
    (_KOREAN, "東京タワーは日本の首都にあります。"),
    (" leading ", "\ttrailing\n"),
    # Longer together than any model reads: by the second, by the first, by both alike.
    (_SHORT, _HUNDREDS),
    (_HUNDREDS, _SHORT),
    (_HUNDREDS, _HUNDREDS),
    # Half of the room is taken by one of them.
    (_SIXTY, _HUNDREDS),
    (_HUNDREDS, _SIXTY),
    # An odd and an even number of tokens too many.
    ("a b c d " * 150, "e f g h " * 100),
    ("a b c d " * 150 + "a", "e f g h " * 100),
    ("a b c d " * 100, "e f g h " * 150 + "e"),
)
