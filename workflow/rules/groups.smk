# Snakemake 9 joins groups of jobs (group-components) by changing groups that it keeps and finds by their jobs. After a
# checkpoint it joins them again: jobs were submitted twice, and groups grew beyond what was asked for. Here groups are
# joined to new ones, always in the same order, and what runs stays as it was submitted.
from collections import defaultdict

from snakemake.common import group_into_chunks
from snakemake.dag import DAG


def join_groups(dag):
    """Take DAG._update_group_components' place."""
    running = {
        job: group for group in dag._running if group.is_group() for job in group.jobs
    }
    waiting = defaultdict(list)
    for job, group in list(dag._group.items()):
        if job in running:
            dag._group[job] = running[job]
        elif group not in waiting[group.groupid]:
            waiting[group.groupid].append(group)
    for groupid, groups in waiting.items():
        name = dag.workflow.parent_groupids.get(groupid, groupid)
        size = dag.workflow.group_settings.group_components.get(name, 1)
        groups.sort(key=lambda group: min(dag.jobid(job) for job in group.jobs))
        for chunk in group_into_chunks(size, groups):
            jobs = frozenset().union(*(group.jobs for group in chunk))
            joined = dag.group_job_factory.new(
                groupid, jobs, dag.workflow.global_resources
            )
            dag._group.update(dict.fromkeys(jobs, joined))
    for group in dag._group.values():
        group.finalize()


DAG._update_group_components = join_groups
