"""What wandb keeps of an offline run: records of its own protocol in LevelDB's log format."""

from __future__ import annotations

_HEADER, _BLOCK = 7, 32768  # bytes: of the file and of each chunk, and between two headers that are padded to


def read_records(path):
    """The records of a .wandb file, as wandb's own messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts = path.read_bytes(), _HEADER, b""
    while place + _HEADER <= len(data):
        if _BLOCK - place % _BLOCK < _HEADER:
            place += _BLOCK - place % _BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length
        if kind in (1, 4):  # whole, or the last part
            record, parts = Record.FromString(parts), b""
            yield record
