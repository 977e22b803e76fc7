"""Any timm model with feature maps, and where its weights come from.

    timm:NAME                timm's pre-trained weights. Where they cannot be had, that is an error.
    timm:NAME@random:SEED    random weights; the same seed gives the same weights
    timm:NAME@FILE           weights of a file (`facebench.backbones.weights` says which, and what must fit)

The three meet in one way: the model is built without its classifier at its own input size, takes the weights key by
key, is hashed, and only then changed to another input size. So the hash names the weights alone, and the same weights
have one hash whether timm or a file brought them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.backbones.intermediates import as_backbone
from facebench.backbones.weights import load_exact, read_weights
from facebench.errors import FacebenchError, UsageError, unknown_name
from facebench.torchvision_cure import ensure_torchvision_imports
from facebench.types import Backbone, BackboneSource

if TYPE_CHECKING:
    from torch import Tensor, nn

PATIENCE = 5.0
"""Seconds that the weights' host is given to answer at all; its own client retries for most of a minute."""


def open_timm(rest: str, input_size: int | None) -> Backbone:
    """Backbone of `NAME`, `NAME@random:SEED` or `NAME@FILE`. Raises `UsageError`, `FacebenchError`."""
    name, at, origin = rest.partition("@")
    if not name or (at and not origin):
        raise UsageError(f"{f'timm:{rest}'!r} is not a whole spec; write {BACKBONE.grammar}")
    check_name(name)
    module, weights, title = _with_weights(name, origin)
    config = own_config(module)
    return as_backbone(
        module,
        spec=f"timm:{rest}",
        name=title,
        weights=weights,
        input_size=input_size,
        own_size=int(config["input_size"][-1]),
        mean=config["mean"],
        std=config["std"],
    )


def _with_weights(name: str, origin: str) -> tuple[nn.Module, str, str]:
    """The model with its weights, where they came from, and what a table calls it."""
    if origin.partition(":")[0] == "random":
        seed = read_seed(origin.partition(":")[2], f"timm:{name}@{origin}", f"timm:{name}@random:0")
        return build(name, seed=seed), f"random:{seed}", f"{name} (random {seed})"
    given = read_weights(Path(origin).expanduser()) if origin else pretrained_weights(name)
    module = build(name)
    load_exact(module, given, origin or f"timm:{name}", heads=classifiers(module))
    if origin:
        return module, "file", f"{name} ({Path(origin).name})"
    return module, f"pretrained:{own_config(module).get('tag') or 'default'}", name


def check_name(name: str) -> None:
    """Raise `UsageError`, with the nearest names, where timm knows no model `name` (`ARCHITECTURE[.TAG]`)."""
    timm = import_timm()
    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if not timm.is_model(architecture):
        if difflib.get_close_matches(architecture.lower(), known, n=1, cutoff=0.5):
            raise unknown_name("timm model", architecture, known)
        raise UsageError(f"unknown timm model {architecture!r}; timm.list_models() names all {len(known)}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise unknown_name(f"pre-trained weights of {architecture}", tag, tags)


def import_timm() -> Any:
    """The timm package; the way to it leads past a torchvision that does not import."""
    ensure_torchvision_imports()
    try:
        import timm
    except ImportError as cause:
        raise FacebenchError(
            f"timm does not import ({cause}); install it with: pip install 'facebench[run]'"
        ) from cause
    return timm


def build(
    name: str, *, seed: int = 0, input_size: int | None = None, changes: Mapping[str, Any] | None = None
) -> nn.Module:
    """Model `name` without its classifier, at its own input size, with random weights from `seed`.

    Only the CPU generator draws, and it is put back as it was. `changes` are told to timm as they are: depth of a ViT.

    Raises:
        FacebenchError: the model has no feature maps.
    """
    timm = import_timm()
    import torch

    size = {} if input_size is None else {"img_size": input_size}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **size, **(changes or {}))
    if not hasattr(module, "forward_intermediates"):
        raise FacebenchError(f"timm:{name} has no spatial features (no forward_intermediates); choose another model")
    return module.eval()


def classifiers(module: nn.Module) -> tuple[str, ...]:
    """Names of the layers that timm calls the classifier of the model."""
    named = own_config(module).get("classifier") or ()
    return (named,) if isinstance(named, str) else tuple(named)


def pretrained_weights(name: str) -> dict[str, Tensor]:
    """Pre-trained weights of `name` from timm, classifier included. Raises `FacebenchError` where they cannot be had.

    The model is built with its classifier: without it timm loads leniently, and what is missing would stay random.
    """
    timm = import_timm()
    instead = f"timm:{name}@FILE (your own weights) or timm:{name}@random:0 (random weights)"
    if not timm.models.is_model_pretrained(name):
        raise FacebenchError(f"timm has no pre-trained weights of {name}; write {instead}")
    try:
        with _no_long_wait():
            return dict(timm.create_model(name, pretrained=True).state_dict())
    except Exception as cause:
        first = (str(cause).strip() or type(cause).__name__).splitlines()[0].partition(". ")[0][:200]
        raise FacebenchError(
            f"timm's pre-trained weights of {name} could not be had ({first}); go on-line once, or write {instead}"
        ) from cause


@contextmanager
def _no_long_wait() -> Iterator[None]:
    """Let the hub's client use its cache alone where the hub does not answer, instead of trying again and again."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(url: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True  # it answered
    except (OSError, ValueError):
        return False


def own_config(module: nn.Module) -> dict[str, Any]:
    """What timm knows of the weights: input size, mean, std, classifier, tag."""
    return dict(getattr(module, "pretrained_cfg", None) or {})


def read_seed(text: str, spec: str, instead: str) -> int:
    """The seed behind `@random:` in `spec`. Raises `UsageError`, which tells to write `instead`."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise UsageError(f"{spec}: random weights need a seed, a whole number from 0; write {instead}")
    return int(text)


BACKBONE = BackboneSource(
    name="timm",
    grammar="timm:NAME (pre-trained), timm:NAME@random:SEED or timm:NAME@FILE",
    summary="any timm model with feature maps; pre-trained, random or your own weights",
    open=open_timm,
)
