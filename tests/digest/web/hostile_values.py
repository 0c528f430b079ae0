"""Values, files, bodies and parts of addresses that break careless code; `hostile` puts them into forms."""

from __future__ import annotations

PLAIN = "application/x-www-form-urlencoded"
PNG = b"\x89PNG\r\n\x1a\n"

# Each is the whole value of a field; bytes are put into the body as they are, or percent-encoded.
VALUES: tuple[str | bytes, ...] = (
    "", " ", "\t\r\n", "0", "-1", "1", "2", "7", "99999999", "999999999", "2147483648", "9223372036854775808",
    "9" * 5_000, "-9" * 20, "1e9", "1.5", "0x10", "NaN", "\N{ARABIC-INDIC DIGIT THREE}", "\N{SUPERSCRIPT TWO}",
    "\N{FULLWIDTH DIGIT ONE}", "+1", "1_000", "None", "true", "[]", "{}", '{"a": ' * 50, "[" * 2_000, "2026-02-30",
    "2026-13-01", "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "--06-31", "--02-29", "2026-W10-1",
    "20260901", "2026-09-01T00:00", "2026-09-01T00:00:00+99:00", "-2026-09-01", "2026-09", "31/12/2026", "24:00",
    "25:61", "12:00:00.123456", "12:00+05:00", "T12", "2026-03-08", "02:30", "Mars/Olympus", "../../etc/passwd",
    "America", "/etc/localtime", "America/New_York\x00", "Etc/GMT+12", "posixrules", "all", "*", "*=weekly", "hiring",
    "Hiring; drop", "a/b", "..", "%2e%2e%2f", "weekly", "monthly", "instant", "off", "a@b", "a@@b.example",
    "x" * 64 + "@example.org", "x" * 65 + "@example.org", "a@" + "x." * 120 + "org", "a@xn--\x80.org",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}@\N{LATIN SMALL LETTER U WITH DIAERESIS}.example", '"a b"@example.org',
    "a@[127.0.0.1]", "a@-x.org", "a b@example.org", "a@example.org\nBcc: b@example.org", "ann@example.org",
    "a@example.org.", "xn--a@example.org", "a@\N{KELVIN SIGN}.example", "a@\N{ZERO WIDTH SPACE}.example", "A" * 254,
    "@", "@@", "<script>alert(1)</script>", "</textarea></form><form>", "{{ 7 * 7 }}", "{% for %}", "${7}",
    "%s%n%(x)s", "{0}{x}", "javascript:alert(1)", "https://[::1", "http://127.0.0.1:1/",
    "https://example.org/" + "a" * 3_000, "//", "file:///etc", ">" * 1_500, "*" * 1_500, "![](" * 500, "- " * 800,
    "`" * 900, "# " * 300, "|a|\n|-|\n" * 200, "[a]: b\n" * 200, "<div>" * 800, "&" * 500, "&#0;&#xD800;&#1114112;",
    "\n" * 3_000, "\r", "a\x00b", "\x00", "\x1b[31m", "\x07\x08\x7f\x85", "\u202egnp.exe", "\u2066\u2069", "\ufeff",
    "\u2028\u2029", "a\u0300" * 300, "\N{PILE OF POO}" * 200, "\U0010ffff", "\ufdd0", "x" * 199, "x" * 200, "x" * 201,
    "x" * 255, "x" * 301, "x" * 501, "x" * 1_001, "x" * 2_001, "x" * 4_001, "x" * 10_001,
    "\N{LATIN SMALL LETTER E WITH ACUTE}" * 5_000, "x" * 50_000, "word " * 9_000, "' OR 1=1 --", "%", "_", "\\", '"',
    "'", "*?[", b"\xff\xfe", b"\xed\xa0\x80", b"\xed\xb0\x80\xed\xa0\x80", b"\xc3", b"\xc0\xaf", b"\xf4\x90\x80\x80",
    b"%zz", b"%", b"%u0041",
)  # fmt: skip

# Name, what it says it is, and its bytes.
FILES: tuple[tuple[bytes, bytes, bytes], ...] = (
    (b"", b"application/octet-stream", b""),
    (b"a.pdf", b"application/pdf", b""),
    (b"a.pdf", b"application/pdf", b"%PDF-1.7\n"),
    (b"a.pdf", b"application/pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + b"\x00" * 2_000),
    (b"a.pdf", b"image/png", PNG),
    (b"a.png", b"application/pdf", PNG + b"\x00\x00\x00\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\x02\x00\x00\x00"),
    (b"a.png", b"image/png", PNG + b"\x00\x00\x00\rIHDR\x00\x00\x00\x00\x00\x00\x00\x00\x08\x02\x00\x00\x00"),
    (b"a.gif", b"image/gif", b"GIF89a\xff\xff\xff\xff\x00\x00\x00;"),
    (b"a.jpg", b"image/jpeg", b"\xff\xd8\xff\xe0" + b"\xff" * 500),
    (b"a.webp", b"image/webp", b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\x00" * 100),
    (b"a.svg", b"image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    (b"a.zip", b"application/zip", b"PK\x03\x04" + b"\x00" * 30),
    (b"a.csv", b"text/csv", b"email,name\n"),
    (b"a.csv", b"text/csv", b"email,email,email\na@b.example,b,c\n"),
    (b"a.csv", b"text/csv", b"\xff\xfee\x00m\x00a\x00i\x00l\x00"),
    (b"a.csv", b"text/csv", b'email\n"never closed' + b"x" * 200_000),
    (b"a.csv", b"text/csv", b"email\x00,name\na@b.example\x00,c\n"),
    (b"a.csv", b"text/csv", b"email,name,hour,zone,topics,paused_until\n\xc3,\xff,99,Nowhere,=;=,2026-02-30\n"),
    (b"a.csv", b"text/csv", b"," * 5_000 + b"\n" + b"email," * 5_000),
    (b"a.csv", b"text/csv", b"email;name\na@b.example;c\n" + b"\r" * 100),
    (b"../../../../etc/passwd", b"text/plain", b"root"),
    (b"x" * 5_000 + b".pdf", b"application/pdf", b"%PDF-1.4"),
    (b"\xff\xfe.pdf", b"application/pdf", b"%PDF-1.4"),
    (b"a\x00b.png", b"x" * 3_000, PNG),
    (b'a"; x="b.png', b"image/png; charset=bogus", PNG),
    (b"CON", b"", b"x"),
)  # fmt: skip

# Whole bodies, with what they say they are.
BODIES: tuple[tuple[str, bytes], ...] = (
    (PLAIN, b""),
    (PLAIN, b"&&&===&%&"),
    (PLAIN, b"a=1&" * 5_000),
    (PLAIN, b"\x00\xff\xfe" * 50),
    (PLAIN, b"x" * 100_000),
    (f"{PLAIN}; charset=utf-7", b"a=+AGE-"),
    (f"{PLAIN}; charset=bogus", b"a=1"),
    ("application/json", b'{"form_token": "x"}'),
    ("application/json", b"{"),
    ("application/xml", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    ("text/plain", b"form_token=x"),
    ("", b"form_token=x"),
    ("multipart/form-data", b"--x\r\n\r\n--x--"),
    ("multipart/form-data; boundary=", b"--\r\n\r\n----"),
    ("multipart/form-data; boundary=x", b""),
    ("multipart/form-data; boundary=x", b"--x--\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nnever ends"),
    ("multipart/form-data; boundary=x", b"--x\r\n\r\nno head\r\n--x--\r\n"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n' * 300 + b"--x--\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: \xff\xfe; name=\xff\r\n\r\n\xff\r\n--x--\r\n"),
    ("multipart/form-data; boundary=x",
     b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=bogus\r\n\r\n\xff\r\n'
     b"--x--\r\n"),
    ("multipart/form-data; boundary=" + "x" * 500, b"--" + b"x" * 500 + b"--\r\n"),
    ("multipart/mixed; boundary=x", b"--x--\r\n"),
)  # fmt: skip

PATHS = (
    "0", "-1", "999999999", "9" * 40, "9" * 4_400, "00000000000000000001", "%00", "%FF%FE", "%ED%A0%80", "..",
    "%2e%2e%2f", "a%2Fb", "%C2%B2", "%D9%A3", "x" * 2_000, "'", "<script>", "%25", "policy", "weekly", "mail", "new",
    "%0a", "%F0%9F%92%A9", "None", "1.0", "1 ", "*",
)  # fmt: skip
