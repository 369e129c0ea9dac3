"""The key/value cache of self-attention: what one call hands to the next."""

from __future__ import annotations

from typing import Any

from keras import ops

Cache = dict[str, Any]  # "key" (B, H, K, L) and "value" (B, H, L, V)


def append_to_cache(cache: Cache, new: Cache) -> Cache:
    """A cache that is longer by the new tokens."""
    return {
        "key": ops.concatenate([cache["key"], new["key"]], axis=3),  # (B, H, K, L + Tq)
        "value": ops.concatenate([cache["value"], new["value"]], axis=2),  # (B, H, L + Tq, V)
    }


def write_to_cache(cache: Cache, new: Cache, index: Any, in_place: bool = False) -> Cache:
    """A cache of the same length, with the new tokens in its slots from `index` on."""
    if in_place:
        return {
            "key": ops.slice_update(cache["key"], (0, 0, 0, index), new["key"]),
            "value": ops.slice_update(cache["value"], (0, 0, index, 0), new["value"]),
        }
    # A select over the whole cache instead of slice_update: that one is an XLA-only
    # operation, which TensorFlow Serving refuses to load.
    count = new["value"].shape[2]
    places = ops.arange(ops.shape(cache["value"])[2], dtype="int32") - index  # in `new`
    here = ops.logical_and(places >= 0, places < count)
    if count > 1:
        places = ops.clip(places, 0, count - 1)
        new = {
            "key": ops.take(new["key"], places, axis=3),
            "value": ops.take(new["value"], places, axis=2),
        }
    return {
        "key": ops.where(here, new["key"], cache["key"]),  # (B, H, K, L)
        "value": ops.where(here[:, None], new["value"], cache["value"]),  # (B, H, L, V)
    }
