"""Splits of a dataset: batches, order, augmentation, hold-out."""
