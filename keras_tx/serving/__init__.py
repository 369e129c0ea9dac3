"""Serving: SavedModel export, and the check that it runs as the server runs it."""

from keras_tx.serving.check import ExportReport, check_export
from keras_tx.serving.export import export_saved_model, read_facts

__all__ = ["ExportReport", "check_export", "export_saved_model", "read_facts"]
