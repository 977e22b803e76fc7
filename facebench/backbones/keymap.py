"""Key maps: how the tensors of a published checkpoint become those of a timm model, held as data.

One TOML file a family in `keymaps/`; its fields are those of `KeyMap`. Of a file's content

    wrappers     the first that is there is unwrapped, again and again: `{"teacher": {"backbone...": tensor}}`
    prefixes     are taken off the keys that begin with them
    left_over    keys (regular expressions) that the encoder does not need: decoders, heads, text towers
    rename       pairs (regular expression, replacement); the first that fits a whole key is taken
    steps        what is more than a name: the functions of this module, by name

and what comes out must be the model's tensors, all of them and no others. The architecture follows from the shapes:
width, depth, patch, hidden width, and the side of the pictures from the position embedding.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from facebench.errors import DataError, UsageError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path(__file__).with_name("keymaps")
BLOCK = re.compile(r"blocks\.(\d+)\.")


class Architecture(BaseModel):
    """A timm model that a file may hold.

    Attributes:
        model: its timm name; sizes in which the file differs are told to timm.
        having: keys (regular expressions), as timm or the file calls them, that tell this architecture; the first
            architecture that has all of its own is taken.
        options: further words for timm: `{global_pool = "token"}`.
        head_width: channels of an attention head; None for the map's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str
    having: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    head_width: int | None = None


class KeyMap(BaseModel):
    """How the checkpoints of one family become timm models.

    Attributes:
        title: the family, for tables.
        source: where its keys, sizes and normalisation were read.
        mean: of each channel, for pictures in [0, 1].
        std: of each channel.
        own_size: side of the pictures where no shape tells it; None where the position embedding does.
        head_width: channels of an attention head.
        heads: number of heads at widths that are not multiples of it, by width.
        eps: of every layer norm; None for timm's own.
        like: another map, whose fields hold where this one says nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    source: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    architectures: tuple[Architecture, ...]
    wrappers: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    own_size: int | None = None
    head_width: int = 64
    heads: dict[int, int] = {}
    eps: float | None = None
    like: str | None = None


@dataclass(frozen=True, eq=False)
class Mapped:
    """Tensors by their timm names, and what they were called in the file."""

    tensors: dict[str, Tensor]
    origins: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, tensor: Tensor, origin: str) -> None:
        """Keep `tensor` under `name`. Raises `DataError` where two keys of the file become one."""
        if name in self.tensors:
            raise DataError(f"keys {self.origins[name]!r} and {origin!r} both become {name!r}; keep the wanted one")
        self.tensors[name], self.origins[name] = tensor, origin

    def take(self, name: str) -> tuple[Tensor, str]:
        """The tensor under `name`, which is taken away, and its origin."""
        return self.tensors.pop(name), self.origins.pop(name)


def families() -> dict[str, Path]:
    """The maps that come with facebench, by family."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def read_map(family: str) -> KeyMap:
    """The map of `family`: a name of `families()` or a TOML file. Raises `UsageError`, `DataError`."""
    path = Path(family).expanduser() if family.endswith(".toml") else families().get(family)
    if path is None:
        raise unknown_name("family of checkpoints", family, families())
    if not path.is_file():
        raise UsageError(f"key map {path} does not exist")
    return _read(path)


def _read(path: Path) -> KeyMap:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        other = table.get("like")
        if other is not None:
            if other not in families() or families()[other] == path:
                raise DataError(f"{path}: like = {other!r} is none of {', '.join(families())}")
            table = _read(families()[other]).model_dump() | table
        made = KeyMap.model_validate(table)
        for pattern in (*made.left_over, *(pattern for pattern, _ in made.rename)):
            re.compile(pattern)
    except ValidationError as cause:
        problem = cause.errors()[0]
        raise DataError(f"{path} is no key map: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from cause
    except (ValueError, OSError, re.error) as cause:
        raise DataError(f"{path} is no key map: {cause}") from cause
    unknown = [step.get("do") for step in made.steps if step.get("do") not in STEPS]
    if unknown:
        raise DataError(f"{path} is no key map: step {unknown[0]!r} is none of {', '.join(STEPS)}")
    return made


def unwrap(content: Any, wrappers: tuple[str, ...]) -> Any:
    """What lies inside the wrappers of a file's content."""
    while isinstance(content, Mapping):
        found = next((name for name in wrappers if isinstance(content.get(name), Mapping)), None)
        if found is None:
            break
        content = content[found]
    return content


def apply(table: KeyMap, given: Mapping[str, Tensor]) -> Mapped:
    """`given` under timm's names, without what may be left over. Raises `DataError`."""
    mapped = Mapped({})
    for key, tensor in given.items():
        bare = _without_prefixes(key, table.prefixes)
        if not any(re.fullmatch(pattern, bare) for pattern in table.left_over):
            mapped.put(_renamed(bare, table.rename), tensor, key)
    for step in table.steps:
        STEPS[step["do"]](mapped, **{name: value for name, value in step.items() if name != "do"})
    return mapped


def _without_prefixes(key: str, prefixes: tuple[str, ...]) -> str:
    while found := next((prefix for prefix in prefixes if key.startswith(prefix)), None):
        key = key.removeprefix(found)
    return key


def _renamed(key: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, key):
            return match.expand(replacement)
    return key


def choose(table: KeyMap, mapped: Mapped) -> Architecture | None:
    """The first architecture whose keys the file has; None where none fits."""
    known = set(mapped.tensors) | set(mapped.origins.values())
    known |= {_without_prefixes(key, table.prefixes) for key in mapped.origins.values()}

    def has(pattern: str) -> bool:
        return any(re.fullmatch(pattern, key) for key in known)

    return next((each for each in table.architectures if all(map(has, each.having))), None)


def sizes(table: KeyMap, architecture: Architecture, tensors: Mapping[str, Tensor]) -> tuple[int, dict[str, Any]]:
    """Side of the pictures in pixels, and timm's words for the other sizes, as the shapes tell them.

    Raises:
        DataError: a shape that no model of the family has.
    """
    patch_weight, hidden = _shape(tensors, "patch_embed.proj.weight", 4), _hidden(tensors)
    width, patch = patch_weight[0], patch_weight[-1]
    each = architecture.head_width or table.head_width
    heads = table.heads.get(width) or width // each
    if heads < 1 or width % heads or (width not in table.heads and width % each):
        raise DataError(f"a width of {width} is no number of heads of {each} channels")
    blocks = [int(match[1]) for name in tensors if (match := BLOCK.match(name))]
    if not blocks:
        raise DataError("it has no transformer block")
    words: dict[str, Any] = {"embed_dim": width, "depth": max(blocks) + 1, "num_heads": heads, "patch_size": patch}
    if hidden is not None:
        words["mlp_ratio"] = (hidden + 0.5) / width  # timm rounds down, whatever binary fractions do
    grid = _grid(tensors)
    if grid is None and table.own_size is None:
        raise DataError("no position embedding tells the side of its pictures")
    return patch * grid if grid is not None else int(table.own_size or 0), words | architecture.options


def _hidden(tensors: Mapping[str, Tensor]) -> int | None:
    name = next((n for n in ("blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1_g.weight") if n in tensors), None)
    return None if name is None else _shape(tensors, name, 2)[0]


def _grid(tensors: Mapping[str, Tensor]) -> int | None:
    """Patches along a side: from absolute position embeddings, or from a table of relative ones; None without both."""
    if "pos_embed" in tensors:
        length = _shape(tensors, "pos_embed", 3)[1]
        for prefix in (0, 1):
            side = math.isqrt(length - prefix)
            if side and side * side == length - prefix:
                return side
        raise DataError(f"position embeddings of {length} tokens are no square of patches, with or without a class")
    name = "blocks.0.attn.relative_position_bias_table"
    if name not in tensors:
        return None
    length = _shape(tensors, name, 2)[0]  # (2 side - 1)^2 offsets, and three of the class token
    double = math.isqrt(max(length - 3, 0))
    if double * double != length - 3 or double % 2 == 0:
        raise DataError(f"a table of {length} relative positions belongs to no square of patches")
    return (double + 1) // 2


def _shape(tensors: Mapping[str, Tensor], name: str, axes: int) -> tuple[int, ...]:
    if name not in tensors:
        raise DataError(f"nothing in it becomes {name!r}")
    shape = tuple(tensors[name].shape)
    if len(shape) != axes:
        raise DataError(f"what becomes {name!r} is of shape {shape}, wanted {axes} axes")
    return shape


# --- steps -----------------------------------------------------------------------------------------------------------


def lead(mapped: Mapped, *, keys: list[str], axes: int) -> None:
    """Give `keys` leading axes of 1 until they have `axes`: (D,) becomes (1, 1, D)."""
    for key in keys:
        if key in mapped.tensors:
            tensor = mapped.tensors[key]
            mapped.tensors[key] = tensor.reshape((1,) * (axes - tensor.ndim) + tuple(tensor.shape))


def fuse(mapped: Mapped, *, parts: list[str], into: str) -> None:
    """In every block, stack `parts` along the first axis to `into`; the part `0` is zeros like the first."""
    import torch

    for block in _blocks(mapped, parts[0]):
        first = mapped.tensors[block + parts[0]]
        named = [block + part for part in parts if part != "0"]
        absent = next((name for name in named if name not in mapped.tensors), None)
        if absent is not None:
            raise DataError(f"nothing in it becomes {absent!r}, which belongs beside {block + parts[0]!r}")
        pieces = [torch.zeros_like(first) if p == "0" else mapped.tensors[block + p] for p in parts]
        origin = " + ".join(mapped.take(name)[1] for name in named)
        mapped.put(block + into, torch.cat(pieces), origin)


def split(mapped: Mapped, *, key: str, parts: list[str]) -> None:
    """In every block, cut `key` into equal `parts` along the first axis; the part `0` is dropped."""
    for block in _blocks(mapped, key):
        tensor, origin = mapped.take(block + key)
        if len(tensor) % len(parts):
            raise DataError(f"{origin!r} of shape {tuple(tensor.shape)} cannot be cut into {len(parts)} parts")
        for part, piece in zip(parts, tensor.chunk(len(parts)), strict=True):
            if part != "0":
                mapped.put(block + part, piece.clone(), origin)


def fold_class_position(mapped: Mapped, *, having: str) -> None:
    """Where `having` is there, add the class's position embedding to the class token; the others stay."""
    if having in mapped.tensors and "pos_embed" in mapped.tensors and "cls_token" in mapped.tensors:
        position = mapped.tensors["pos_embed"]
        mapped.tensors["cls_token"] = mapped.tensors["cls_token"] + position[:, :1]
        mapped.tensors["pos_embed"] = position[:, 1:]


def spread(mapped: Mapped, *, key: str, into: str) -> None:
    """Copy `key`, which all blocks share, into every block."""
    if key in mapped.tensors:
        tensor, origin = mapped.take(key)
        for block in sorted({match[0] for name in mapped.tensors if (match := BLOCK.match(name))}):
            mapped.put(block + into, tensor.clone(), origin)


def still(mapped: Mapped, *, frames: int) -> None:
    """Make a video encoder one of stills: a picture is a clip as long as one patch, of equal frames.

    Equal frames through a kernel over time are one frame through the kernel's sum over time; the position embeddings
    are those of the first patches in time.
    """
    name = "patch_embed.proj.weight"
    if name in mapped.tensors and mapped.tensors[name].ndim == 5:
        kernel = mapped.tensors[name]
        times = frames // kernel.shape[2]
        mapped.tensors[name] = kernel.sum(dim=2)
        if "pos_embed" in mapped.tensors:
            position = mapped.tensors["pos_embed"]
            if position.ndim != 3 or times < 1 or position.shape[1] % times:
                key, shape = mapped.origins["pos_embed"], tuple(position.shape)
                raise DataError(f"{key!r} of shape {shape} holds no whole number of tokens for each of {times} times")
            mapped.tensors["pos_embed"] = position[:, : position.shape[1] // times].clone()


def _blocks(mapped: Mapped, ending: str) -> list[str]:
    """`blocks.N.` of every block that has `ending`."""
    found = (BLOCK.match(name) for name in mapped.tensors)
    return sorted({match[0] for match in found if match and match[0] + ending in mapped.tensors})


STEPS: Mapping[str, Callable[..., None]] = {
    "lead": lead,
    "fuse": fuse,
    "split": split,
    "fold_class_position": fold_class_position,
    "spread": spread,
    "still": still,
}
