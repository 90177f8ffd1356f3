"""Texts that tokenizers stumble over, for hypothesis."""

import unicodedata

from hypothesis import strategies as st

# Spelled-out special tokens, contractions, joined emoji, decomposed and full-width letters, several
# scripts, private use, control characters, every kind of white space, and words of great length.
FRAGMENTS = (
    *("<s>", "</s>", "<pad>", "<unk>", "<mask>", "[SEP]", "[CLS]", "[MASK]", "<|endoftext|>"),
    *("the", "The", " the", "fox's", "they're", "I'LL", "don't", " 's", "''s", "3rd", "$1,000.50"),
    *("👩‍💻", "👨‍👩‍👧", "🏳️‍🌈", "❤️", "é", "e\u0301", "ﬁ", "Ａ１！", "½", "™", "ß", "İ", "ς", "Σ"),
    *("中国", "龍", "㐀", "𠀀", "アガ", "ガ", "한국", "ᄒ\u1161ᆫ", "कि", "กำ", "Việt", "Viê\u0323t"),
    *("\u0000", "\u0001", "\u0007", "\u001c", "\u001f", "\u007f", "\u0085", "\u00ad", "\u200b"),
    *("\u200d", "\u200e", "\u2060", "\ufeff", "\ufffd", "\ufffe", "\ue000", "\U000f0000"),
    *(" ", "  ", "   ", "\t", "\n", "\r\n", "\x0b", "\x0c", "\xa0", "\u1680", "\u2003", "\u2028"),
    *("\u202f", "\u3000", "▁", "Ġ", "Ċ", "##", "##s", "a" * 101, "é" * 120, "." * 101, "中" * 130),
)
NORMAL_FORMS = (str, *(lambda t, f=f: unicodedata.normalize(f, t) for f in ("NFC", "NFD", "NFKC")))

texts = st.builds(
    lambda parts, form: form("".join(parts)),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=20),
    st.sampled_from(NORMAL_FORMS),
)
batches = st.lists(texts, max_size=6)
