"""A PDF of plain text, as small as the format allows: A4 pages in Courier, so that columns line up.

Format: ISO 32000-1, §7.5 (file structure) and §9.4 (text).
"""

from __future__ import annotations

from collections.abc import Sequence

COLUMNS = 84
ROWS = 56
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>"


def document(lines: Sequence[str]) -> bytes:
    """The lines, cut at `COLUMNS` characters, `ROWS` to a page. What Windows-1252 can't say becomes a question mark."""
    pages = [lines[at : at + ROWS] for at in range(0, len(lines), ROWS)] or [[]]
    first = 4  # 1 catalog, 2 page tree, 3 font; then a page and its content each
    kids = " ".join(f"{first + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        FONT,
    ]
    for at, page in enumerate(pages):
        content = _content(page)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (first + 2 * at + 1)
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content))
    return _file(objects)


def _content(lines: Sequence[str]) -> bytes:
    shown = b"".join(b"(%b) Tj T*\n" % _escaped(line) for line in lines)
    return b"BT /F1 10 Tf 13 TL 45 790 Td\n" + shown + b"ET"


def _escaped(line: str) -> bytes:
    text = line[:COLUMNS].encode("cp1252", "replace")
    return text.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    """Header, objects, the table of where each begins, trailer."""
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)
