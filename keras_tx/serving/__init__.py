"""Serving: SavedModel export, the check that it runs as the server runs it, what else the
server reads, and the client.

The client comes in at once, what needs TensorFlow at its first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from keras_tx.serving.client import Client
from keras_tx.serving.client_transport import ServerError

if TYPE_CHECKING:
    from keras_tx.serving.check import ExportReport, check_export
    from keras_tx.serving.export import export_saved_model, read_facts
    from keras_tx.serving.loopback_batching import DynamicBatching
    from keras_tx.serving.loopback_server import LoopbackServer
    from keras_tx.serving.server_files import write_server_files
    from keras_tx.serving.warm_up import can_warm_up

__all__ = [
    "Client",
    "DynamicBatching",
    "ExportReport",
    "LoopbackServer",
    "ServerError",
    "can_warm_up",
    "check_export",
    "export_saved_model",
    "read_facts",
    "write_server_files",
]
_PLACES = {
    "DynamicBatching": "loopback_batching",
    "ExportReport": "check",
    "LoopbackServer": "loopback_server",
    "can_warm_up": "warm_up",
    "check_export": "check",
    "export_saved_model": "export",
    "read_facts": "export",
    "write_server_files": "server_files",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
