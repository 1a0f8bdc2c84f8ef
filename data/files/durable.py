"""Writes that outlive a crash, as far as a file system can: not every one syncs, or syncs a folder."""

import errno
import os
from pathlib import Path

# What CIFS, FUSE, buckets and others answer that have no such thing. A failing disk says EIO: that is an error.
NO_SUCH_THING = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM)


def sync(handle: int) -> None:
    """Have what was written through a file descriptor on disk."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SUCH_THING:
            raise


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in NO_SUCH_THING:
            raise
        return
    try:
        sync(handle)
    finally:
        os.close(handle)
