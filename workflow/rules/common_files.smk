# Files by their content: names that can work, changes that times do not show, clocks that were set back.
import time
from contextlib import suppress

from snakemake.logging import logger

from lightning_pose.io.files import sha256

# braces stand for wildcards in the names of files, and no shell or log shows a line break as one
UNUSABLE = re.compile(r"[{}\x00-\x1f\x7f]|^\s|\s$")


def refuse_unusable(name, where):
    """Raise if a name cannot be part of a path here."""
    if UNUSABLE.search(name):
        raise WorkflowError(
            f"{where}: expected a name without braces, line breaks, and blanks at its ends, found {name!r}"
        )


@cache
def checksum_of(path, mtime_ns, size):
    """The checksum of a file as it is now."""
    return sha256(path)


def content_of(wildcards, input):
    """What is in the files that a step reads and no step made: tables by checksum, images and videos by size.

    Snakemake looks at newer files alone; one that is put back from a backup has an older time.
    """
    found = []
    for path in map(str, input):
        if path.startswith("results/") or not os.path.isfile(path):
            continue
        stat = os.stat(path)
        is_table = path.lower().endswith(".csv")
        own = (
            checksum_of(path, stat.st_mtime_ns, stat.st_size)
            if is_table
            else stat.st_size
        )
        found.append(str(own))
    return hashlib.sha256(" ".join(found).encode()).hexdigest()[:12]


# a clock that was set back: seconds that another machine's clock may be ahead, and a time older than any change
AHEAD_S, LONG_AGO = 60, 946684800
WITHOUT_OUTPUTS = ("cropped_images", "checkpoints", "tb_logs")  # folders


def settle_clock():
    """Give files that were made in the future an old time, so that all they are made of is compared by content."""
    now, found = time.time(), []
    for folder, folders, files in os.walk("results"):
        folders[:] = [name for name in folders if name not in WITHOUT_OUTPUTS]
        paths = [os.path.join(folder, name) for name in files]
        found += [
            path
            for path in paths
            if os.path.isfile(path) and os.path.getmtime(path) > now + AHEAD_S
        ]
    for path in found:
        with suppress(OSError):  # of a folder that may only be read
            os.utime(path, (LONG_AGO, LONG_AGO))
    if found:
        logger.warning(
            f"{len(found)} files of results are from the future (was the clock set back?): "
            "their times tell nothing now, contents are compared"
        )


refuse_unusable(str(workflow.basedir), "the project's folder")
if workflow.is_main_process:
    settle_clock()
