"""Tensors that say they lie on a GPU, and count how often somebody waits for them."""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

READS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.is_nonzero.default, torch.ops.aten.nonzero.default}


class OnDevice(torch.Tensor):
    """A tensor whose `device` is cuda:0, computed by the CPU."""

    waits = 0

    @staticmethod
    def __new__(cls, held: torch.Tensor):
        made = torch.Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype, device="cuda:0")
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        to_cpu = function is torch.ops.aten._to_copy.default and kwargs.get("device") == torch.device("cpu")
        cls.waits += function in READS or (to_cpu and not kwargs.get("non_blocking", False))
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        args, kwargs = tree_map_only(OnDevice, lambda value: value.held, (args, kwargs))
        found = function(*args, **kwargs)
        return found if to_cpu else tree_map_only(torch.Tensor, OnDevice, found)


class Reads(TorchDispatchMode):
    """Counts the operations that would wait for a GPU: values that Python reads, and sizes that depend on values."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        masks = function.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_) and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        sized = function.overloadpacket is torch.ops.aten.repeat_interleave and not (kwargs or {}).get("output_size")
        if function in READS or masks or sized or function.overloadpacket is torch.ops.aten.masked_select:
            self.found.append(str(function))
        return function(*args, **(kwargs or {}))


@contextmanager
def counted_waits(monkeypatch):
    """Gives a function that says how often the device was waited for within."""

    def synchronize(*_):
        OnDevice.waits += 1

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    before = OnDevice.waits
    yield lambda: OnDevice.waits - before
