# Files: names that can work, and clocks that were set back.
import time
from contextlib import suppress

from snakemake.logging import logger

# braces stand for wildcards in the names of files, and no shell or log shows a line break as one
UNUSABLE = re.compile(r"[{}\x00-\x1f\x7f]|^\s|\s$")


def refuse_unusable(name, where):
    """Raise if a name cannot be part of a path here."""
    if UNUSABLE.search(name):
        raise WorkflowError(
            f"{where}: expected a name without braces, line breaks, and blanks at its ends, found {name!r}"
        )


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


def see_put_back(wildcards, images):
    """Have labels and images that were put back from earlier, with their old times, compared by content."""
    if not workflow.is_main_process:
        return
    index = Path("results", wildcards.dataset, "data", wildcards.csv, "images.json")
    known, folder = read_json(index), Path(data_dir(wildcards))
    entries = known.get("images", {}) if isinstance(known, dict) else {}
    digests = {
        str(folder / name): digest
        for path, entry in entries.items()
        for name, digest in [(path, entry["sha256"]), *entry["context"].items()]
    }
    own = {path: digests.get(path) for path in [labels_csv(wildcards), *images]}
    renewed = renew_put_back(own, index.with_name(".seen.json"))
    if renewed:
        logger.warning(
            f"{len(renewed)} labelled images or tables are others than before: {', '.join(renewed[:3])}"
        )


def refuse_shared_folders():
    """Raise if two data sets would fill the same data folder with different data, each time anew."""
    made = {}
    for name in filter(has_settings, DATASETS):
        own = settings(name)
        if own.workflow.data.source is None:
            continue
        folder = os.path.realpath(own.data.data_dir)
        other, source = made.setdefault(folder, (name, own.workflow.data))
        if source != own.workflow.data:
            raise WorkflowError(
                f"config/{name}.yaml: data.data_dir: expected a folder that no other config fills with other data, "
                f"found {own.data.data_dir}, that of config/{other}.yaml"
            )


# files that no command of ours made, as they were seen the last time
SEEN_FILES = Path(".snakemake/seen.json")


@cache  # jobs of all seeds and crop ratios ask for the same ones
def see_replaced(*paths):
    """Have files that others took the place of, with older times than the results have, count as new."""
    if not workflow.is_main_process:
        return
    renewed = renew_replaced(paths, SEEN_FILES)
    if renewed:
        logger.warning(
            f"{len(renewed)} files are not as they were seen before: {', '.join(renewed[:3])}"
        )


refuse_unusable(str(workflow.basedir), "the project's folder")
for name in DATASETS:
    refuse_unusable(name, "config/")
refuse_shared_folders()
if workflow.is_main_process:
    settle_clock()
