"""Store text from outside in BLOBs, because SQLite's text cannot hold half of a surrogate pair."""


def encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decode_text(blob: object) -> str:
    """Decode a BLOB written by `encode_text`. SQLite accepts any type in any column.

    Raises: ValueError for any other value.
    """
    if not isinstance(blob, bytes):
        raise ValueError(blob)  # noqa: TRY004 - the content is wrong, not the type of an argument
    return blob.decode("utf-8", "surrogatepass")
