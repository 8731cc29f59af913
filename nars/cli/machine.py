"""What the user's machine refuses, in words: a full disk, a folder that may not be written, too many open files."""

from __future__ import annotations

import errno
import os

_GOES_ON = "then the same command resumes where it stopped"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_REMEDY = {
    errno.ENOSPC: f"make room on that disk, {_GOES_ON}",
    errno.EDQUOT: f"your quota there is used up: delete something, {_GOES_ON}",
    errno.EFBIG: f"raise the limit on the size of files (ulimit -f), {_GOES_ON}",
    errno.EACCES: "change its permissions, or choose another place with --out",
    errno.EPERM: "change its permissions, or choose another place with --out",
    errno.EROFS: "it cannot be written to; choose another place with --out",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of this path is a file where a folder is needed; choose another path, or move it away",
    errno.EEXIST: "a file is in the place of a folder; choose another path, or move it away",
    errno.EISDIR: "a folder is in the place of a file; choose another path, or move it away",
    errno.ENOENT: "check the path",
    errno.ELOOP: "its symbolic links go round in a circle; mend them",
    errno.EMFILE: f"raise the limit on open files (ulimit -n) or use fewer --workers, {_GOES_ON}",
    errno.ENFILE: f"the whole machine has too many files open: close something, {_GOES_ON}",
    errno.ENOMEM: f"free some memory or use fewer --workers, {_GOES_ON}",
    errno.EAGAIN: f"raise the limit on processes (ulimit -u) or use fewer --workers, {_GOES_ON}",
    errno.EIO: f"check that disk, {_GOES_ON}",
    errno.ESTALE: f"the network file system has lost it: mount it again, {_GOES_ON}",
}


def spell(error: OSError) -> str:
    """An error of the operating system as a sentence: what it concerns, what the system says, what to do.

    Args:
        error: with a number (`errno`).
    """
    assert error.errno is not None
    files = [file for file in (error.filename, error.filename2) if isinstance(file, (str, bytes, os.PathLike))]
    place = " -> ".join(os.fsdecode(file) for file in files)
    if not place and error.errno in _FULL:  # our own files are named
        place = "standard output, or a temporary file"
    says = os.strerror(error.errno).lower()
    remedy = _REMEDY.get(error.errno, f"mend it, {_GOES_ON}")
    return f"{place}: {says}; {remedy}" if place else f"{says}; {remedy}"
