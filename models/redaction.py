"""Passwords, tokens and signatures, left out of what is about to be shown or kept."""

import os
import re

HIDDEN = "***"
"""Stands where a secret was."""

# Environment variables whose values are secrets; those of Kaggle look like any other digest.
_VARIABLES = (
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN"),
    *("KAGGLE_KEY", "KAGGLE_API_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY"),
)
# A shorter value would be found in innocent words.
_SHORTEST_VALUE = 8

# Names of query parameters, of flags and of keys in JSON whose values are secrets.
_FIELDS = (
    r"(?i:x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid"
    r"|(?:(?:access|api|auth|id|refresh|security|session)[_-]?)?token|(?:client[_-]?)?secret"
    r"|password|passwd|api[_-]?key|secret[_-]?access[_-]?key|signature)"
)
# The same for variables, by how their names end.
_VARIABLE = r"[A-Z][A-Z0-9_]*_(?:TOKEN|KEY|SECRET|PASSWORD)"

_SECRETS = [
    # user:password@ in a URL, up to the last @ before the path; hf://owner/name@revision has none.
    (r"(?<=://)[^/\s:@]*:[^/\s]*@", f"{HIDDEN}@"),
    # A password with a slash in it, as those of Amazon have; what ends in one may be a port.
    (r"(?<=://)[^/\s:@]+:(?!\d+/)[^\s@]*@", f"{HIDDEN}@"),
    (r"((?i:https?|ftps?|ssh|git)://)[^/\s:@]+@", rf"\1{HIDDEN}@"),
    (
        r"((?i:authorization)[\"']?\s*[:=]\s*[\"']?(?i:(?:bearer|basic|token|digest)\s+)?)"
        r"[^\s\"',}]+",
        rf"\1{HIDDEN}",
    ),
    (r"(\b(?i:bearer)\s+)(?=\S*\d)[\w.~+/=-]{6,}", rf"\1{HIDDEN}"),
    # Not the folders of a partitioned data set, /token=3/.
    (
        rf"((?:(?<![\w/]){_FIELDS}|\b{_VARIABLE}|(?<=[?&;])(?i:key|sig))=)[^\s&'\",;)\]}}]+",
        rf"\1{HIDDEN}",
    ),
    (
        rf"([\"'](?:{_FIELDS}|{_VARIABLE})[\"']\s*:\s*)([\"'])[^\"']+\2",
        rf"\1\2{HIDDEN}\2",
    ),
    (r"([\"']key[\"']\s*:\s*[\"'])[0-9a-f]{32}\b", rf"\1{HIDDEN}"),  # of kaggle.json
    # Tokens that tell themselves by how they begin.
    (
        r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
        r"|KGAT_\w{16,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{16,}|ya29\.[\w-]{16,}|AIza[\w-]{30,}"
        r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*)",
        HIDDEN,
    ),
]
# A text without any of these, in any case, holds no secret and needs no closer look.
_SIGNS = (
    *("://", "token", "key", "secret", "passw", "signature", "credential", "accessid", "sig="),
    *("bearer", "authorization", "hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat"),
    *("kgat", "glpat", "xox", "ya29", "aiza", "eyj"),
)
_PATTERNS = [(re.compile(pattern), instead) for pattern, instead in _SECRETS]

# Of a longer text the middle is left out, which nobody reads.
_MAX_CHARACTERS = 20_000


def redacted(text: str) -> str:
    """Returns a text without the passwords, tokens and signatures that are in it.

    What is found: `user:password@` in URLs, tokens of hubs, `Authorization` headers, the parameters
    that sign a URL, and the values of environment variables that hold such things. Of a text of
    more than 20,000 characters the middle is left out as well.

    >>> redacted("GET https://ann:pw@example.com/a?X-Amz-Signature=1f0 failed")
    'GET https://***@example.com/a?X-Amz-Signature=*** failed'

    Args:
        text: A message, or anything else that is about to be shown or kept.
    """
    if len(text) > _MAX_CHARACTERS:
        half = _MAX_CHARACTERS // 2
        text = f"{text[:half]} … {text[-half:]}"
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= _SHORTEST_VALUE:
            text = text.replace(value, HIDDEN)
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def has_secret(text: str) -> bool:
    """Returns whether a text holds what `redacted` would leave out."""
    return redacted(text) != text
