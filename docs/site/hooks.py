"""What MkDocs does beyond its settings: pages made of the code, and links out of docs/.

The pages of docs/ are read in the repository too, so their links are those of files. Of the files
outside of docs/ those in `_OUTSIDE` are pages of the site; of any other the name is shown.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from mkdocs.structure.files import File, Files  # noqa: E402 - its path is set above

from docs.site import classes, commands  # noqa: E402 - its path is set above

_OUTSIDE = {
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "deploy/README.md": "deploy.md",
    "deploy/terraform/README.md": "terraform.md",
    "models/bundled/embedding_tiny_en/README.md": "embedding_tiny_en.md",
    "models/bundled/sentiment_tiny_en/README.md": "sentiment_tiny_en.md",
}
_LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:|#|<)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Puts the pages that are made of code, and those of other folders, into the navigation."""
    names = [f"reference/commands/{name}.md" for name in commands.commands()]
    of_python = [{page.title: f"reference/python/{page.name}.md"} for page in classes.pages()]
    config.nav += [
        {
            "Reference": [
                "reference/index.md",
                {"Commands": [{Path(name).stem: name} for name in names]},
                {"Python": of_python},
            ]
        },
        {
            "Project": [
                {"Changes": "changes.md"},
                {"Working on it": "contributing.md"},
                {"Benchmarks": "benchmarks.md"},
                {"The files in deploy/": "deploy.md"},
                {"Terraform": "terraform.md"},
                {"The bundled preset of labels": "sentiment_tiny_en.md"},
                {"The bundled preset of vectors": "embedding_tiny_en.md"},
            ]
        },
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds those pages."""
    made = {
        f"reference/commands/{name}.md": commands.command_page(name) for name in commands.commands()
    }
    made |= {f"reference/python/{page.name}.md": page.markdown for page in classes.pages()}
    made["reference/index.md"] = _index()
    for source, page in _OUTSIDE.items():
        if page != "index.md":
            made[page] = _moved((ROOT / source).read_text("utf-8"), source, page)
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links of the repository into those of the site."""
    path = page.file.src_uri
    if (path in _OUTSIDE.values() and path != "index.md") or path.startswith("reference/"):
        return markdown
    return _moved(markdown, f"docs/{path}", path)


def on_page_content(html: str, **_: Any) -> str:
    """Keeps short flags in one line, and shows the bars in tables as GitHub does."""
    html = re.sub(r"<code>(--[^<]{1,30})</code>", r'<code class="flag">\1</code>', html)
    barred = r"<code[^>]*>[^<]*\\\|[^<]*</code>"
    return re.sub(barred, lambda found: found[0].replace("\\|", "|"), html)


def _index() -> str:
    lines = ["# Reference", "", "## Commands", ""]
    for name in commands.commands():
        lines.append(
            f"- [`python -m pipelines.{name}`](commands/{name}.md): {commands.summary(name)}"
        )
    lines += ["", "`--help` of a command says the same, in a terminal.", "", "## Python", ""]
    for page in classes.pages():
        names = [each.rpartition(".")[2] for each in page.identifiers]
        shown = ", ".join(f"`{name}`" for name in names)
        lines.append(f"- [{page.title}](python/{page.name}.md): {shown}")
    return "\n".join(lines) + "\n"


def _title(page: Path) -> str:
    """Returns what stands in the first heading of a page."""
    heading = re.search(r"^# (.+)", page.read_text("utf-8"), re.MULTILINE)
    return heading[1] if heading else page.name


def _moved(markdown: str, source: str, page: str) -> str:
    """Returns a file's text with its links as they are from a page of the site.

    Args:
        markdown: The text.
        source: Path of the file in the repository.
        page: Path of the page in the site.
    """

    def link(found: re.Match[str]) -> str:
        text, path, part = found[1], found[2], found[3] or ""
        target = os.path.normpath(os.path.join(os.path.dirname(source), path))
        if text == path and path.endswith(".md"):
            text = _title(ROOT / target)
        if target in _OUTSIDE:
            target = _OUTSIDE[target]
        elif target.startswith("docs/"):
            target = target.removeprefix("docs/")
        elif (ROOT / target).exists():
            return text if "`" in text else f"{text} (`{target}`)"
        return f"[{text}]({os.path.relpath(target, os.path.dirname(page) or '.')}{part})"

    return _LINK.sub(link, markdown)
