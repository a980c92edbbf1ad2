# Results that are not what their commands wrote, and data: made again before anything that depends on them is planned.
from dataclasses import fields
from functools import partial, wraps

# snakemake --config keep_changed=true: go on with results as they are, whoever changed them
KEEP_CHANGED = is_set("keep_changed")
# what was found whole, so that it need not be read again
WHOLE_FILES = Path(".snakemake/whole.json")
# settings of a run that are about its targets
TARGETS = ("until", "omit_from", "target_jobs", "batch", "forceall", "forcetargets")
# results to be set aside, once what makes them starts
CHANGED = set()

if not KEEP_CHANGED:
    # jobs refuse what changed while the DAG runs, or was not seen
    os.environ[REFUSED_IN] = os.path.abspath("results")


def seen_whole():
    """What was whole the last time: stamps of files, by folder and name, and of manifests the time of their crops."""
    found = read_json(WHOLE_FILES)
    known = found if isinstance(found, dict) else {}
    return {key: own for key, own in known.items() if type(own) is kind_of(key)}


def kind_of(key):
    return int if Path(key).name == MANIFEST else dict


def note_whole(now):
    with suppress(OSError):  # of a folder that may only be read
        write_json(now, WHOLE_FILES)


def look_through_results():
    """Return the results that are not what their commands wrote, and of manifests the damaged crops."""
    seen, now, changed, damaged = seen_whole(), {}, [], {}
    for folder, folders, files in os.walk("results"):
        folders[:] = [name for name in folders if name not in WITHOUT_OUTPUTS]
        if PROVENANCE_FILE in files:
            changed += changed_files(Path(folder), seen, now)
        changed += not_replaced(Path(folder), files)
        if MANIFEST in files:
            manifest = os.path.join(folder, MANIFEST)
            crops, newest = examine_crops(manifest, seen.get(manifest, 0))
            damaged |= {manifest: crops} if crops else {}
            now |= {manifest: newest} if newest and not crops else {}
    if now != seen:
        note_whole(now)
    return {str(path) for path in changed}, damaged


def tell_changes(changed, damaged, keeps):
    """Name the results that are not what their commands wrote, and the crops."""
    then = (
        "used as it is"
        if keeps
        else "made again where it is needed, and kept as *.changed (--config keep_changed=true uses it as it is)"
    )
    for path in sorted(changed):
        logger.warning(
            f"{path}: not what its command wrote: changed by hand, or damaged; {then}"
        )
    crops = {os.path.normpath(path) for paths in damaged.values() for path in paths}
    for path in sorted(crops - changed):
        logger.warning(f"{path}: missing, or not what was cropped: cropped again")


def makers_of(files):
    """The jobs that make some files in the DAG that was asked for, and of these the ones that no others come before."""
    workflow._prepare_dag(
        forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True
    )
    workflow._build_dag()
    dag = workflow.dag
    makers = {job for job in dag.jobs if not files.isdisjoint(job.output)}
    before = {job: {*dag.bfs(dag.dependencies, job)} - {job} for job in makers}
    return makers, {job for job in makers if makers.isdisjoint(before[job])}


def made_by(jobs, files):
    return frozenset(file for job in jobs for file in job.output if file in files)


def default_targeting():
    """The settings about targets as if none were given."""
    own = fields(workflow.dag_settings)
    return {field.name: field.default for field in own if field.name in TARGETS}


def configs_asked_for():
    """The data sets that targets name: as folders, as rules, or at the ends of rules' names; else all of them."""
    targets = [str(target) for target in workflow.dag_settings.targets]
    named = [
        name
        for name in DATASETS
        for target in targets
        if target.startswith(f"results/{name}/") or f"_{target}".endswith(f"_{name}")
    ]
    return named or DATASETS


def stale_data():
    """What stands for the data folders that are there and have to be made again.

    A step that was planned before they are stays planned, even where all that it reads turns out the same.
    """
    there = {
        f"results/{name}/data/prepared.txt"
        for name in filter(has_settings, DATASETS)
        if settings(name).workflow.data.source is not None
    }
    there = frozenset(file for file in there if os.path.isfile(file))
    own = workflow.dag_settings
    if not there:
        return set()
    workflow.dag_settings = replace(
        own, targets=there, forcerun=frozenset(), **default_targeting()
    )
    try:
        makers = makers_of(there)[0]
        return made_by(makers & set(workflow.dag.needrun_jobs()), there)
    finally:
        workflow.dag_settings = own


def make_again(files, execute):
    """Make files again, those first that others come from; with --keep-going, return what failed."""
    own, waiting, failed = workflow.dag_settings, set(files), None
    defaults = default_targeting()
    while waiting and (wanted := made_by(makers_of(waiting)[1], waiting)):
        workflow.dag_settings = replace(
            own, targets=wanted, forcerun=wanted, **defaults
        )
        try:
            execute()
        except WorkflowError as error:
            if not workflow.execution_settings.keep_going:
                raise
            failed = error
        finally:
            workflow.dag_settings = own
        waiting -= wanted
    return failed


def note_finished(execute):
    """Run what is asked for, and note that what was just made is whole, so that the next start does not read it."""
    try:
        execute()
    finally:
        now, jobs = seen_whole(), workflow.dag.finished_jobs if workflow.dag else ()
        made = [Path(file) for job in jobs for file in job.output]
        for path in made:
            now.setdefault(str(path.parent), {})[path.name] = stamp_of(path)
        if made:
            note_whole(now)


def mended_first(execute):
    """Have results that are not what their commands wrote made again before anything else is planned.

    Whether what depends on them has to be made again then shows in their content.
    """

    @wraps(execute)
    def run(executor_plugin, **options):
        kind, own = executor_plugin.common_settings, workflow.dag_settings
        everything = partial(execute, executor_plugin=executor_plugin, **options)
        if not kind.dryrun_exec and not kind.touch_exec:
            everything = partial(note_finished, everything)
        for name in configs_asked_for():
            settings(name)  # names what is wrong with them
        changed, damaged = look_through_results()
        keeps = KEEP_CHANGED or workflow.execution_settings.no_hooks or kind.touch_exec
        tell_changes(changed, damaged, keeps)
        CHANGED.update(() if keeps else changed)
        wrong, failed = CHANGED | set(damaged), None
        if kind.dryrun_exec and wrong:
            forced = {*own.forcerun, *made_by(makers_of(wrong)[0], wrong)}
            workflow.dag_settings = replace(own, forcerun=forced)
            logger.warning(
                "what depends on them is listed, too: it is made again only if they turn out different"
            )
        elif not kind.touch_exec and not own.forceall:
            failed = make_again(wrong | stale_data(), everything)
        everything()
        if failed:
            raise failed

    return run


if workflow.is_main_process:
    workflow.execute = mended_first(workflow.execute)


onstart:
    for job in workflow.dag.needrun_jobs():
        for file in CHANGED.intersection(job.output):
            CHANGED.remove(file)
            if os.path.isfile(file):
                logger.warning(
                    f"{file}: made again; what was there is {set_aside(file)}"
                )
