"""Mails made readable: what stays, what goes, and that nothing of it ever raises."""

import random
from email.message import EmailMessage

import pytest

from syncd.web.pages.mail import attachment, read_mail


def html(body: str, **more: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = more.get("subject", "Hello")
    message.set_content("plain words")
    message.add_alternative(body, subtype="html")
    return message.as_bytes()


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("<p>Hello <b>you</b></p>", "<p>Hello <b>you</b></p>"),
        ("<p onclick=x style='color:red' class=y>a</p>", "<p>a</p>"),
        ("a<script>alert('<p>')</script>b", "ab"),
        ("a<style>p{}</style>b<title>t</title>c", "abc"),
        ("<a href='javascript:x'>here</a>", '<a title="javascript:x">here</a>'),
        ("<a href='\"><img src=x>'>here</a>", '<a title="&quot;&gt;&lt;img src=x&gt;">here</a>'),
        ("<img src='http://x.example/p.png' alt='a <b>'>", "<span>[a &lt;b&gt;]</span>"),
        ("<td colspan=2 rowspan='x\"y'>c</td>", '<td colspan="2">c</td>'),
        ("<p><b>open", "<p><b>open</b></p>"),
        ("</p></div>x", "x"),
        ("<b><i>x</b>y</i>", "<b><i>x</i></b>y"),
        ("1 &lt; 2 &amp; 3", "1 &lt; 2 &amp; 3"),
        ("<svg><p>a</p></svg>b", "b"),
        ("<form action=x><input name=y>text</form>", "text"),
        ("<head><meta charset=utf-8><body>text", "text"),
        ("<!--[if mso]><p>mso</p><![endif]-->text", "text"),
    ],
)
def test_only_what_is_harmless_is_written_again(given: str, written: str) -> None:
    assert (read_mail(html(given)).html or "").replace("\n", "") == written


def test_pictures_of_the_mail_are_shown_and_remote_ones_counted() -> None:
    message = EmailMessage()
    message.set_content("<img src='cid:one'><img src='cid:two'><img src='https://x.example/'>", subtype="html")
    message.add_related(b"\x89PNG", "image", "png", cid="<one>")
    message.add_related(b"<svg onload=x>", "image", "svg+xml", cid="<two>")
    found = read_mail(message.as_bytes())
    assert (found.html or "").strip() == '<img src="data:image/png;base64,iVBORw==" alt="">'
    assert found.blocked == 2


def test_attachments_are_numbered_and_come_out_whole() -> None:
    message = EmailMessage()
    message.set_content("see the files")
    message.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")
    message.add_attachment("text\n", filename="b.txt")
    raw = message.as_bytes()
    found = read_mail(raw)
    assert (found.text or "").strip() == "see the files"
    assert [(one.name, one.mime_type, one.size) for one in found.attachments] == [
        ("a.pdf", "application/pdf", 4),
        ("b.txt", "text/plain", 5),
    ]
    assert attachment(raw, found.attachments[0].place) == (".pdf", b"%PDF")
    assert attachment(raw, 99) is None


@pytest.mark.parametrize("seed", range(40))
def test_garbage_is_read_as_far_as_it_goes(seed: int) -> None:
    rng = random.Random(seed)
    raw = bytearray(
        html("<p>one</p><![if x]><table><td>" + "<div>" * rng.randrange(2000) + "<![CDATA[", subject="=?utf-9?b?!!?=")
    )
    for _ in range(rng.randrange(60)):
        place = rng.randrange(len(raw))
        raw[place : place + rng.randrange(4)] = rng.randbytes(rng.randrange(5))
    found = read_mail(bytes(raw))
    assert "<script" not in (found.html or "")
    for one in found.attachments:
        attachment(bytes(raw), one.place)


@pytest.mark.parametrize("raw", [b"", b"\0", b"no headers at all", b"Content-Type: multipart/mixed\r\n\r\nx", b"From: \xff\xfe\r\n\r\n\xff"])  # fmt: skip
def test_what_is_hardly_a_mail_does_no_harm(raw: bytes) -> None:
    read_mail(raw)
