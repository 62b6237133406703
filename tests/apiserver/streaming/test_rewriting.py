"""Links and redirects of proxied servers, by the cases that upstream's transport is tested with, and more."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.apiserver.streaming.carry import CarriedBody
from pilothouse.apiserver.streaming.html_links import LONGEST, LinkRewriter
from pilothouse.apiserver.streaming.rewriting import Rules, rewritten
from pilothouse.kit.http.messages import ConnectionClosed, Response

PREFIX = "/api/v1/namespaces/d/services/s/proxy"
RULES = Rules(PREFIX, "10.1.2.3:80", "api.test:6443")


def page(text: str, size: int = 0) -> str:
    links = LinkRewriter(RULES.link)
    data = text.encode()
    size = size or max(1, len(data))
    fed = b"".join(links.feed(data[at : at + size]) for at in range(0, len(data), size))
    return (fed + links.close()).decode()


LINKS = [
    ('<a href="k.log">x</a><a href="/g.log">y</a>', f'<a href="k.log">x</a><a href="{PREFIX}/g.log">y</a>'),
    ("<A HREF=/a.log/>x</A>", f'<a href="{PREFIX}/a.log/"/>x</A>'),
    ("<img src='k.jpg'/><img src=/abs.jpg>", f'<img src="k.jpg"/><img src="{PREFIX}/abs.jpg">'),
    ('<script src="http://google.com/k.js"/>', '<script src="http://google.com/k.js"/>'),
    ('<script src="http://10.1.2.3:80/k.js"/>', f'<script src="{PREFIX}/k.js"/>'),
    ('<a href="http://api.test:6443/x?y#z">', f'<a href="http://api.test:6443{PREFIX}/x?y#z">'),
    (f'<a href="{PREFIX}/x">', f'<a href="{PREFIX}/x">'),
    ('<a href="javascript:alert(1)"><a href="mailto:a@b"><a href="#x"><a href="?a=/b">',) * 2,
    ('<a href="/a?b=1&amp;c=2&copy=3">', f'<a href="{PREFIX}/a?b=1&amp;c=2&amp;copy=3">'),
    ('<a href="/a b">', f'<a href="{PREFIX}/a%20b">'),
    ('<a href="/%zz">', '<a href="/%zz">'),
    ('<a href="/é">', f'<a href="{PREFIX}/%C3%A9">'),
    ("<!-- <a href='/x'> --><a href='/y'>", f"<!-- <a href='/x'> --><a href=\"{PREFIX}/y\">"),
    ("<!--><a href='/y'>", f'<!--><a href="{PREFIX}/y">'),
    ("<!---><a href='/y'>--!>", f'<!---><a href="{PREFIX}/y">--!>'),
    ("<script>'<a href=\"/x\">'</SCRIPT ><a href=/y>", f"<script>'<a href=\"/x\">'</SCRIPT ><a href=\"{PREFIX}/y\">"),
    ("<title><a href=/x></titles></title><q cite='/'>", f'<title><a href=/x></titles></title><q cite="{PREFIX}/">'),
    ("<!DOCTYPE html><?x <a href=/a>?></ <a href=/b>1 < 2 <3",) * 2,
    ("<p class=x data-href='/x'>", '<p class="x" data-href="/x">'),
    ("<form action='/f' method=post>", f'<form action="{PREFIX}/f" method="post">'),
    ("text &amp; <b>bold", "text &amp; <b>bold"),
    ("<a =href='/x' / href='/y' //>", f'<a =href="/x" href="{PREFIX}/y"/>'),
    ("<a href='/x", ""),
    ("<plaintext><a href='/x'></plaintext>", "<plaintext><a href='/x'></plaintext>"),
    ("<", "<"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), LINKS)
@pytest.mark.parametrize("size", [0, 1, 3])
def test_links_of_a_page(before: str, after: str, size: int) -> None:
    assert page(before, size) == after


def test_what_never_ends_is_not_waited_for() -> None:
    endless = "<a href='" + "x" * (LONGEST + 10)
    assert page(endless + "y" * 100, 1000) == endless + "y" * 100


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("/redirected/target/", f"{PREFIX}/redirected/target/"),
        ("http://10.1.2.3:80/redirected/", f"{PREFIX}/redirected/"),
        ("http://example.com/redirected/", "http://example.com/redirected/"),
        ("http://api.test:6443/x/", f"http://api.test:6443{PREFIX}/x/"),
        ("other", "other"),
        ("/t/%00<script>alert(1)</script>/", f"{PREFIX}/t/%00%3Cscript%3Ealert%281%29%3C/script%3E/"),
        ("http://example.com/%00<script>/", "http://example.com/%00%3Cscript%3E/"),
        ("//example.com/x", "//example.com/x"),
        ("/a/../b", f"{PREFIX}/b"),
    ],
)
def test_redirects(location: str, told: str) -> None:
    answer = rewritten(Response(302, b"", b"text/html", [(b"Location", location.encode())]), RULES)
    assert list(answer.headers) == [(b"Location", told.encode())]


@pytest.mark.parametrize(
    ("location", "why"),
    [("/%zz", 'invalid URL escape "%zz"'), (":x", "missing protocol scheme"), ("1:2/x", "first path segment in URL")],
)
def test_a_redirect_to_nowhere(location: str, why: str) -> None:
    with pytest.raises(StatusError, match="error trying to parse Location header: parse ") as caught:
        rewritten(Response(302, b"", b"", [(b"Location", location.encode())]), RULES)
    assert why in caught.value.status.message


class Body(CarriedBody):
    """A body without a connection."""

    def __init__(self, *pieces: bytes) -> None:
        self.closed = False
        self._pieces = self._given(pieces)

    @staticmethod
    async def _given(pieces: tuple[bytes, ...]) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def aclose(self) -> None:
        self.closed = True


async def sent(answer: Response) -> bytes:
    body: Any = answer.body
    data = b"".join([piece async for piece in body])
    await body.aclose()
    return data


def deflated(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


PAGE, CHANGED = b"<a href='/x'>" * 1000, f'<a href="{PREFIX}/x">'.encode() * 1000


async def test_pages_stay_compressed() -> None:
    for coding, encode, decode in (
        (b"gzip", gzip.compress, gzip.decompress),
        (b"deflate", deflated, lambda data: zlib.decompress(data, -zlib.MAX_WBITS)),
    ):
        data = encode(PAGE)
        body = Body(data[:7], data[7:])
        headers = [(b"Content-Encoding", coding), (b"Content-Length", b"9")]
        answer = rewritten(Response(200, body, b"text/html; charset=utf-8", headers), RULES)
        assert answer.headers == headers[:1]
        assert decode(await sent(answer)) == CHANGED
        assert body.closed
    two = Body(gzip.compress(PAGE) + gzip.compress(PAGE))
    answer = rewritten(Response(200, two, b"text/html", [(b"Content-Encoding", b"gzip")]), RULES)
    assert gzip.decompress(await sent(answer)) == CHANGED * 2


async def test_what_is_no_page_passes() -> None:
    for content_type, headers in ((b"text/plain", []), (b"text/html", [(b"Content-Encoding", b"br")])):
        answer = Response(200, Body(PAGE), content_type, headers)
        assert rewritten(answer, RULES) is answer
    broken = rewritten(Response(200, Body(b"no gzip"), b"text/html", [(b"Content-Encoding", b"gzip")]), RULES)
    with pytest.raises(ConnectionClosed):
        await sent(broken)
