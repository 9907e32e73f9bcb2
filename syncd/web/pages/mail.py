"""A mail made readable: its MIME taken apart by the standard library, its HTML written anew from what is harmless.

Public: Mail, Attachment, read_mail, attachment.

The sender is hostile. Nothing of the HTML is copied: a parser reads it, and only known tags are written again, without
styles, forms, scripts, links and addresses. Pictures that came with the mail are shown as data; remote ones leave their
text. The page shows the result in a frame that may do nothing at all (its own policy and `sandbox`), so that what gets
past this module still reaches nobody.
"""

import base64
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html import escape
from html.parser import HTMLParser
from typing import Any

__all__ = ["Attachment", "Mail", "attachment", "read_mail"]

HEADERS = ("From", "To", "Cc", "Bcc", "Reply-To", "Date")
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
LARGEST_TEXT = 1_000_000  # characters of a body
LARGEST_PICTURES = 8_000_000  # bytes, all of a mail
MOST_PARTS = 200
KEEP = frozenset(
    [
        "p",
        "div",
        "span",
        "br",
        "hr",
        "b",
        "strong",
        "i",
        "em",
        "u",
        "s",
        "small",
        "sub",
        "sup",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "blockquote",
        "pre",
        "code",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
        "caption",
        "a",
        "center",
        "font",
        "address",
        "article",
        "section",
        "header",
        "footer",
        "main",
    ]
)
VOID = frozenset({"br", "hr", "img"})
SILENT = frozenset(
    [
        "script",
        "style",
        "title",
        "template",
        "noscript",
        "iframe",
        "object",
        "embed",
        "applet",
        "svg",
        "math",
        "select",
        "textarea",
        "button",
        "audio",
        "video",
        "canvas",
        "frameset",
        "noframes",
        "xmp",
        "plaintext",
        "option",
        "datalist",
    ]
)
SPANS = frozenset({"colspan", "rowspan"})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that can be downloaded by its place. `name` is the sender's: to be shown, never to be used as a path."""

    place: int
    name: str
    mime_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Mail:
    """`html` is safe markup; None where the mail has no HTML. `blocked`: remote pictures that were left out."""

    subject: str
    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    attachments: list[Attachment]
    blocked: int


def read_mail(raw: bytes) -> Mail:
    """Never raises: what cannot be read is left out."""
    message = _parsed(raw)
    text, html = _body(message, "plain"), _body(message, "html")
    html, blocked = (None, 0) if html is None else _harmless(html, message)
    headers = [(name, value) for name in HEADERS if (value := _header(message, name))]
    return Mail(_header(message, "Subject"), headers, text, html, _attachments(message), blocked)


def attachment(raw: bytes, place: int) -> tuple[str, bytes] | None:
    """A part's file ending and content; None if there is no such attachment."""
    try:
        for number, part in _parts(_parsed(raw)):
            if number == place:
                return mimetypes.guess_extension(part.get_content_type()) or ".bin", _content(part)
    except Exception:  # what cannot be read is not there
        return None
    return None


def _harmless(html: str, message: EmailMessage) -> tuple[str | None, int]:
    """The markup anew, and how many pictures were left out; no markup if nothing can be made of it."""
    try:
        writer = _Writer(_pictures(message))
        writer.feed(html)
        writer.close()
    except Exception:  # the parser gives up on some garbage
        return None, 0
    return writer.result(), writer.blocked


def _parsed(raw: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(raw)
    assert isinstance(message, EmailMessage)
    return message


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())[:2000]
    except Exception:  # the parser of headers fails in its own ways on garbage
        return ""


def _body(message: EmailMessage, kind: str) -> str | None:
    try:
        part = message.get_body((kind,))
        if part is None:
            return None
        return _text(part)[:LARGEST_TEXT]
    except Exception:  # as above
        return None


def _text(part: Any) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # an unknown character set
        return _content(part).decode("utf-8", "replace")


def _content(part: Any) -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    inner = part.get_payload()  # a mail inside the mail
    return inner[0].as_bytes() if isinstance(inner, list) and inner else b""


def _parts(message: EmailMessage) -> Iterator[tuple[int, Any]]:
    """Attachments and inline parts with a name, numbered by their place in the mail; mails inside are not opened."""
    shown = [message.get_body((kind,)) for kind in ("plain", "html")]
    for number, part in enumerate(_leaves(message, 0), 1):
        if number > MOST_PARTS:
            return
        if not any(part is one for one in shown) and not _inside(part, shown[1]):
            yield number, part


def _inside(part: Any, html: Any) -> bool:
    """Whether it is a picture that the text shows."""
    belongs = html is not None and part.get("Content-ID") and part.get_content_disposition() != "attachment"
    return bool(belongs and part.get_content_type() in PICTURES)


def _leaves(part: Any, depth: int) -> Iterator[Any]:
    if part.get_content_maintype() == "multipart" and depth < 20:
        for inner in part.iter_parts():
            yield from _leaves(inner, depth + 1)
    else:
        yield part


def _attachments(message: EmailMessage) -> list[Attachment]:
    found = []
    try:
        for number, part in _parts(message):
            name = part.get_filename() or ("mail" if part.get_content_type() == "message/rfc822" else "")
            size = len(_content(part))
            found.append(Attachment(number, str(name or f"part {number}")[:200], part.get_content_type(), size))
    except Exception:  # what is listed so far is shown
        return found
    return found


def _pictures(message: EmailMessage) -> Mapping[str, str]:
    """Content ids of pictures that came with the mail → data URLs."""
    found: dict[str, str] = {}
    left = LARGEST_PICTURES
    for part in message.walk():
        name = str(part.get("Content-ID", "")).strip().strip("<>")
        if name and part.get_content_type() in PICTURES:
            content = _content(part)
            left -= len(content)
            if left < 0:
                break
            found[name] = f"data:{part.get_content_type()};base64,{base64.b64encode(content).decode()}"
    return found


class _Writer(HTMLParser):
    """Reads any markup and writes harmless, well-formed markup."""

    def __init__(self, pictures: Mapping[str, str]) -> None:
        super().__init__(convert_charrefs=True)
        self.blocked = 0
        self._pictures = pictures
        self._out: list[str] = []
        self._open: list[str] = []
        self._silent: list[str] = []

    def result(self) -> str:
        return "".join(self._out) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent.append(tag)
        elif self._silent:
            return
        elif tag == "img":
            self._picture(dict(attrs))
        elif tag in VOID:
            self._out.append(f"<{tag}>")
        elif tag in KEEP:
            self._begin(tag, dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            return
        self.handle_starttag(tag, attrs)
        if tag in KEEP and tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:
                while self._silent.pop() != tag:
                    pass
            return
        if tag in self._open:
            while (last := self._open.pop()) != tag:
                self._out.append(f"</{last}>")
            self._out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._out.append(escape(data))

    def _begin(self, tag: str, attrs: dict[str, str | None]) -> None:
        """Of attributes, only spans of cells stay, and where a link leads, to be read."""
        if len(self._open) > 300:
            return
        kept = [
            f' {name}="{value}"'
            for name in SPANS
            if (value := attrs.get(name) or "").isdecimal() and value.isascii() and len(value) < 4
        ]
        if tag == "a" and attrs.get("href"):
            kept.append(f' title="{escape(str(attrs["href"])[:500])}"')
        self._open.append(tag)
        self._out.append(f"<{tag}{''.join(kept)}>")

    def _picture(self, attrs: dict[str, str | None]) -> None:
        source, text = attrs.get("src") or "", escape((attrs.get("alt") or "")[:200])
        data = self._pictures.get(source.removeprefix("cid:")) if source.startswith("cid:") else None
        if data is not None:
            self._out.append(f'<img src="{data}" alt="{text}">')
            return
        self.blocked += 1
        if text:
            self._out.append(f"<span>[{text}]</span>")
