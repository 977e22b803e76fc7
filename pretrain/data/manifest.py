"""The manifest of a prepared set: what was made of what, how many, and what every file must hash to.

It is the last file that `facebench pretrain prepare` writes, so a folder that has one is whole. Options and counts are
for people; sizes and hashes are what a loader checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facebench.errors import DataError

FILE = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShardEntry(_Part):
    """One tar of the set.

    Attributes:
        name: of the file.
        pictures: how many it holds.
        bytes: its length.
        sha256: of the file, hex.
    """

    name: str
    pictures: int = Field(ge=1)
    bytes: int
    sha256: str


class LeakCheck(_Part):
    """What the pictures were compared with, so that nothing is pre-trained on that is later tested on.

    Attributes:
        pictures: evaluation pictures whose hash was taken.
        unreadable: evaluation pictures that could not be read, and were therefore not compared with.
        distance: largest number of the 64 bits of two perceptual hashes that may differ in a match.
    """

    pictures: int
    unreadable: int
    distance: int


class Manifest(_Part):
    """What lies in a prepared folder.

    Attributes:
        version: of the format.
        made_by: the command.
        options: the choices of the command, by name; paths are names of sources only.
        pictures: N.
        size: side of the stored crops, pixels.
        points: landmarks that every picture with any has at least: 68, 5, or 0 where none has any.
        without_points: pictures without landmarks; their regions are those of the template.
        without_parsing: pictures without a label map.
        supervision: `parsing` where the set holds true label maps, which are supervision; otherwise `none`.
        seen: pictures in the sources.
        rejected: reason to the number of pictures that were left out for it; `rejected.jsonl` names them.
        against: the leak check; None where there was none.
        shards: every tar, in order.
        index_sha256: of `index.parquet`, hex.
        digest: sha256 over the sorted lines `KEY SHA256` of all pictures, where the hash is that of a picture's jpg,
            json and label map one after the other; the identity of the data in checkpoints.
    """

    version: Literal[1] = 1
    made_by: str
    options: Mapping[str, Any]
    pictures: int = Field(ge=1)
    size: int = Field(ge=1)
    points: Literal[0, 5, 68]
    without_points: int
    without_parsing: int
    supervision: Literal["none", "parsing"]
    seen: int
    rejected: Mapping[str, int]
    against: LeakCheck | None
    shards: tuple[ShardEntry, ...]
    index_sha256: str
    digest: str

    def text(self) -> str:
        """The manifest as it is written: JSON, one field a line."""
        return self.model_dump_json(indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Manifest of the prepared set in `folder`. Raises `DataError` where there is none, or it makes no sense."""
    path = folder / FILE
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        what = "has no manifest.json, so it is no finished set" if folder.is_dir() else "does not exist"
        raise DataError(f"shards folder {folder} {what}; write it with facebench pretrain prepare") from None
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror or cause}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its text"
        raise DataError(f"{path} is damaged or of another version: {where}: {first['msg']}; prepare anew") from cause
    if sum(shard.pictures for shard in manifest.shards) != manifest.pictures:
        raise DataError(f"{path}: the pictures of its shards do not add up to {manifest.pictures}; prepare anew")
    return manifest


def content_digest(contents: Iterable[tuple[str, str]]) -> str:
    """Digest of a set from the (key, sha256) of each picture, whatever their order."""
    digest = hashlib.sha256()
    for key, content in sorted(contents):
        digest.update(f"{key} {content}\n".encode())
    return digest.hexdigest()
