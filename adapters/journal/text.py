"""Text of others in journal.db: in BLOBs, since a text of SQLite cannot hold half of a surrogate pair."""


def encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decode_text(blob: object) -> str:
    """Raises ValueError for what `encode_text` does not make; SQLite puts anything into any column."""
    if not isinstance(blob, bytes):
        raise ValueError(blob)  # noqa: TRY004 - it is the content that is wrong
    return blob.decode("utf-8", "surrogatepass")
